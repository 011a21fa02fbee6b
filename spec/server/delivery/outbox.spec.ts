import { expect } from 'chai'
import { Flusher } from '../../../lib/server/delivery/flusher.ts'
import { IdLines } from '../../../lib/server/delivery/id-lines.ts'
import { Outbox } from '../../../lib/server/delivery/outbox.ts'
import { Frame } from '../../../lib/server/feed/frame.ts'
import type { Entry } from '../../../lib/server/feed/log.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import { PLAIN } from '../../support/positions.ts'
import { NotingSink } from '../../support/sinks.ts'

const TIME = '2026-01-01T00:00:00.000Z'
const entry = (point: string) => ({ point }) as unknown as Entry
const frame = (root: string) => new Frame(root, TIME, [{ operation: 'set', id: 1, path: 'n', data: 1 }])
const PING = { event: 'ping' as const, data: { timestamp: TIME } }

describe('server/outbox', () => {
  const setUp = () => {
    const sink = new NotingSink()
    const outbox = new Outbox(sink, new Flusher(), new IdLines(PLAIN), 'r')
    /** What was written by the end of the turn: ids, names and roots. */
    const written = async () => {
      await yieldToEventLoop()
      return sink.lines
        .filter((line) => !line.startsWith('event:'))
        .map((line) => (line.startsWith('id:') ? line : (/^data: \["(\w+)"/.exec(line)?.[1] ?? 'ping')))
    }
    return { sink, outbox, written }
  }

  it('sends an event of its own with no position, unless it has one', async () => {
    const { sink, outbox } = setUp()
    outbox.send(PING)
    outbox.send({ ...PING, id: '' })
    await yieldToEventLoop()
    const ping = `event: ping\ndata: {"timestamp":"${TIME}"}\n\n`
    expect(sink.written).to.deep.equal([`${ping}id:\n${ping}`])
  })

  it('sends an event at a point under the rights of that moment', async () => {
    const { outbox, written } = setUp()
    const ping = Buffer.from(`event: ping\ndata: {}\n\n`)
    outbox.pushAt('p', ping)
    outbox.rights = 's'
    outbox.pushAt('p', ping)
    expect(await written()).to.deep.equal(['id: p:r', 'ping', 'id: p:s', 'ping'])
  })

  it('sends what an entry shows with its id, where the client holds everything up to it', async () => {
    const { outbox, written } = setUp()
    outbox.pushFrame(entry('p'), frame('one'), true)
    outbox.pushFrame(entry('q'), frame('one'), false)
    expect(await written()).to.deep.equal(['id: p:r', 'one', 'one'])
  })

  it('gives the id of an entry with the last that it shows: until then there is no position to come back with', async () => {
    const { outbox, written } = setUp()
    const [p, q] = [entry('p'), entry('q')]
    for (const root of ['one', 'two', 'three']) outbox.pushFrame(p, frame(root), true)
    outbox.pushFrame(q, frame('one'), true)
    expect(await written()).to.deep.equal([
      ...['id: none', 'one', 'id: none', 'two', 'id: p:r', 'three'],
      ...['id: q:r', 'one'],
    ])
  })

  it('takes the id of an entry back where the rest of it is not there yet', async () => {
    const { outbox, written } = setUp()
    outbox.pushFrame(entry('p'), frame('one'), true)
    outbox.pushFrame(entry('q'), frame('one'), true)
    outbox.retractId()
    outbox.retractId()
    expect(await written()).to.deep.equal(['id: p:r', 'one', 'id: none', 'one'])
  })

  it('takes nothing back that has left', async () => {
    const { outbox, written } = setUp()
    outbox.pushFrame(entry('p'), frame('one'), true)
    await written()
    outbox.retractId()
    outbox.pushFrame(entry('q'), frame('one'), true)
    expect(await written()).to.deep.equal(['id: p:r', 'one', 'id: q:r', 'one'])
  })

  it('takes the position back that the client has, with a sign of life', async () => {
    const { outbox, sink } = setUp()
    outbox.invalidatePosition()
    await yieldToEventLoop()
    expect(sink.written[0]).to.match(/^id: none\nevent: ping\ndata: \{"timestamp":"[^"]*"\}\n\n$/)
  })

  it('counts what waits', () => {
    const { outbox } = setUp()
    const { body } = frame('one')
    outbox.pushFrame(entry('p'), frame('one'), true)
    expect(outbox.queue.buffered).to.equal(body.length + 'id: p:r\n'.length)
  })
})
