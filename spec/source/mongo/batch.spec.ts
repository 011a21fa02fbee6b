import { expect } from 'chai'
import { tellable } from '../../../lib/source/mongo/batch.ts'
import { eventAt } from './scripted.ts'

const transaction = { txnNumber: 1 }
const single = (count: number) => Array.from({ length: count }, (_, at) => eventAt(at))
const transactionAt = (at: number, count: number) =>
  Array.from({ length: count }, (_, n) => eventAt(at, n, transaction))

function told(batch: ReturnType<typeof single>, { sharded = false, bytes = 100 } = {}) {
  return tellable(batch, sharded, () => bytes)
}

describe('tellable', () => {
  it('is all of a batch that the server had no reason to cut', () => {
    expect(told([])).to.equal(0)
    expect(told(single(1))).to.equal(1)
    expect(told([...single(50), ...transactionAt(60, 50)])).to.equal(100)
  })

  it('is all of a batch that ends with a write by itself, however long', () => {
    expect(told(single(500), { bytes: 1e6, sharded: true })).to.equal(500)
    expect(told([...transactionAt(1, 300), eventAt(2)])).to.equal(301)
  })

  it('leaves the last transaction out where the batch is as long as a first answer may be', () => {
    expect(told([...single(98), ...transactionAt(100, 3)])).to.equal(98)
    expect(told(transactionAt(1, 101))).to.equal(0)
    expect(told([...single(100), eventAt(100, 0, transaction)])).to.equal(100)
  })

  it('leaves the last transaction out where the batch has many bytes', () => {
    expect(told([eventAt(1), ...transactionAt(2, 9)], { bytes: 200_000 })).to.equal(1)
    expect(told([eventAt(1), ...transactionAt(2, 9)], { bytes: 100_000 })).to.equal(10)
  })

  it('takes what has one cluster time for one write, also with no transaction', () => {
    const batch = [...single(99), eventAt(200, 0), eventAt(200, 1)]
    expect(told(batch)).to.equal(99)
  })

  it('leaves any transaction out of which further shards may have a part', () => {
    expect(told([eventAt(1), eventAt(2, 0, transaction)], { sharded: true })).to.equal(1)
  })

  it('needs no time to tell of an event', () => {
    const timeless = { ...eventAt(1, 0, transaction), clusterTime: undefined } as never
    expect(told([...single(200), timeless])).to.equal(200)
  })
})
