import { expect } from 'chai'
import { Frame } from '../../../lib/server/feed/frame.ts'
import { deltaIn } from '../../support/delta.ts'

const TIME = '2026-01-01T00:00:00.000Z'
const MS_AGO = (ms: number) => new Date(Date.now() - ms).toISOString()

describe('server/frame', () => {
  const oplist = [
    { operation: 'set' as const, id: 1, path: 'a.b', data: 'ü\n', keys: ['a', 'b'] },
    { operation: 'unset' as const, id: 'x', path: '.' },
  ]
  const data = '"users",["set",1,"a.b","ü\\n"],["unset","x","."]'

  it('is a delta without an id, of operations as they go over the wire', () => {
    const frame = new Frame('users', MS_AGO(0), oplist)
    expect(frame.body.toString()).to.equal(`event: delta\ndata: [${data}]\n\n`)
    expect(frame.partial.toString()).to.equal(`event: delta\ndata: [${data},{"more":true}]\n\n`)
    expect(frame.dated).to.equal(frame)
  })

  it('has the time of a change that is not new, or of the future', () => {
    for (const time of [TIME, '2999-01-01T00:00:00.000Z']) {
      const frame = new Frame('users', time, oplist)
      expect(frame.body.toString()).to.equal(`event: delta\ndata: [${data},{"timestamp":"${time}"}]\n\n`)
      expect(frame.dated).to.equal(frame)
      expect(deltaIn(frame.partial)).to.include({ timestamp: time, more: true })
    }
  })

  it('has its time for clients that get it when it is not new any more', () => {
    const time = MS_AGO(1_900)
    const { now } = Date
    const frame = new Frame('users', time, oplist)
    expect(frame.body.toString()).not.to.include(time)
    try {
      Date.now = () => now() + 200
      expect(frame.dated.body.toString()).to.equal(
        `event: delta\ndata: [${data},{"timestamp":"${time}"}]\n\n`,
      )
      expect(deltaIn(frame.dated.partial)).to.include({ timestamp: time, more: true })
    } finally {
      Date.now = now
    }
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
