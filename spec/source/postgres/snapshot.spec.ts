import { expect } from 'chai'
import { Snapshot } from '../../../lib/source/postgres/snapshot.ts'

describe('source/postgres/snapshot', () => {
  it('sees what ended before it began, and not what was under way or came later', () => {
    const snapshot = new Snapshot('100:110:100,105')
    expect([99, 101, 104, 106, 109].every((xid) => snapshot.sees(xid))).to.equal(true)
    expect([100, 105, 110, 111].some((xid) => snapshot.sees(xid))).to.equal(false)
    expect(new Snapshot('100:100:').sees(99)).to.equal(true)
    expect(new Snapshot('100:100:').sees(100)).to.equal(false)
  })

  it('knows the order where the numbers go round', () => {
    // 2^32 + 5: the WAL has the lower 32 bits of it.
    const snapshot = new Snapshot('4294967290:4294967301:4294967294,4294967299')
    expect([4294967293, 4294967295, 1, 2, 4].every((xid) => snapshot.sees(xid))).to.equal(true)
    expect([4294967294, 3, 5, 6].some((xid) => snapshot.sees(xid))).to.equal(false)
  })
})
