import { expect } from 'chai'
import { Frame } from '../../../lib/server/feed/frame.ts'

const TIME = '2026-01-01T00:00:00.000Z'

describe('server/frame', () => {
  it('is a delta without an id, of operations as they go over the wire', () => {
    const oplist = [
      { operation: 'set' as const, id: 1, path: 'a.b', data: 'ü\n', keys: ['a', 'b'] },
      { operation: 'unset' as const, id: 'x', path: '.' },
    ]
    expect(new Frame('users', TIME, oplist).body.toString()).to.equal(
      `event: delta\ndata: {"root":"users","timestamp":"${TIME}","oplist":[{"operation":"set","id":1,"path":"a.b","data":"ü\\n"},{"operation":"unset","id":"x","path":"."}]}\n\n`,
    )
  })

  it('is encoded when it is first asked for, once, and tells how many bytes it takes, before that and by that', () => {
    const told: number[] = []
    const frame = new Frame('users', TIME, [{ operation: 'set', id: 1, path: 'a', data: 'ü' }], {
      bytes: 0,
      account: (bytes) => told.push(bytes),
    })
    expect(told).to.deep.equal([300])
    const { body } = frame
    expect(frame.body).to.equal(body)
    expect(told).to.deep.equal([300, Buffer.byteLength(body.toString())])
  })
})
