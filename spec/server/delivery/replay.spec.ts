import { expect } from 'chai'
import { Flusher } from '../../../lib/server/delivery/flusher.ts'
import { IdLines } from '../../../lib/server/delivery/id-lines.ts'
import { Outbox } from '../../../lib/server/delivery/outbox.ts'
import { type ReplayRequest, replay } from '../../../lib/server/delivery/replay.ts'
import type { Feed } from '../../../lib/server/feed/feed.ts'
import { Frame, type FrameResult, MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import { type Entry, Log } from '../../../lib/server/feed/log.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { View } from '../../../lib/server/view/view.ts'
import { deltaIn } from '../../support/delta.ts'
import { PLAIN } from '../../support/positions.ts'
import { NotingSink } from '../../support/sinks.ts'

const LOTS = 100 * 1024

describe('server/replay', () => {
  const setUp = ({ bytes = 1e7 } = {}) => {
    const log = new Log({ bytes, ms: 1e6 })
    const sink = new NotingSink()
    const outbox = new Outbox(sink, new Flusher(), new IdLines(PLAIN), 'r')
    const [feed, other] = [{}, {}] as unknown as [Feed, Feed]
    const append = (of = feed) =>
      log.append({ feed: of, changes: [], point: (at) => `p${at}`, adapters: [], bytes: 100 }, Date.now())
    /** A view that shows all entries but those for which something else is said. */
    const viewOf = (root: string, shows: Record<number, FrameResult | null> = {}, of = feed) => {
      const frame = ({ sequence }: Entry) => {
        const given = shows[sequence]
        return given === undefined ? new Frame(root, `${sequence}`, []) : given
      }
      return { root, feed: of, frame } as unknown as View
    }
    const run = async (
      points: [View, number][],
      { ids = true, current = () => true }: Partial<ReplayRequest> = {},
    ) => {
      let arrivedAt = -1
      const result = await replay(
        log,
        outbox,
        { points: new Map(points), ids, current, isOpen: () => false },
        () => {
          arrivedAt = log.head
        },
      )
      await yieldToEventLoop()
      return { result, arrivedAt }
    }
    /** What was written: `root sequence`, and the id where there is one. */
    const told = () =>
      sink.written
        .join('')
        .split('\n\n')
        .filter(Boolean)
        .map((block) => {
          const id = /^id: (.*)$/m.exec(block)?.[1]
          const { root, timestamp } = deltaIn(Buffer.from(block))
          return `${root} ${timestamp}${id === undefined ? '' : ` ${id}`}`
        })
    return { log, sink, outbox, feed, other, append, viewOf, run, told }
  }

  it('sends what the views show after their points, in the order of the log, each entry with its id', async () => {
    const { append, viewOf, run, told } = setUp()
    for (let i = 0; i < 3; i++) append()
    const views: [View, number][] = [
      [viewOf('one', { 3: null }), 1],
      [viewOf('two'), 1],
    ]
    expect(await run(views)).to.deep.equal({ result: 'arrived', arrivedAt: 3 })
    expect(told()).to.deep.equal(['one 2 none', 'two 2 p2:r', 'two 3 p3:r'])
  })

  it('sends to each view what is after its own point, and no ids where the client does not hold all', async () => {
    const { append, viewOf, run, told } = setUp()
    for (let i = 0; i < 3; i++) append()
    await run(
      [
        [viewOf('one'), 2],
        [viewOf('two'), 1],
      ],
      { ids: false },
    )
    expect(told()).to.deep.equal(['two 2', 'one 3', 'two 3'])
  })

  it('leaves out what other feeds tell', async () => {
    const { append, other, viewOf, run, told } = setUp()
    append()
    append(other)
    await run([
      [viewOf('one'), 0],
      [viewOf('two', {}, other), 0],
    ])
    expect(told()).to.deep.equal(['one 1 p1:r', 'two 2 p2:r'])
  })

  it('arrives at once, in the same turn, where there is nothing to send', async () => {
    const { log, outbox, viewOf } = setUp()
    let arrived = false
    void replay(
      log,
      outbox,
      { points: new Map([[viewOf('one'), 0]]), ids: true, current: () => true, isOpen: () => false },
      () => {
        arrived = true
      },
    )
    expect(arrived).to.equal(true)
  })

  it('sends what comes while a slow reader catches up, and arrives only then', async () => {
    const { sink, append, viewOf, run, told } = setUp()
    append()
    sink.held = LOTS
    const running = run([[viewOf('one'), 0]])
    await yieldToEventLoop()
    append()
    expect(told()).to.deep.equal([])
    sink.drain()
    expect(await running).to.deep.equal({ result: 'arrived', arrivedAt: 2 })
    expect(told()).to.deep.equal(['one 1 p1:r', 'one 2 p2:r'])
  })

  it('stops where something else has begun meanwhile', async () => {
    const { sink, append, viewOf, run, told } = setUp()
    append()
    sink.held = LOTS
    let current = true
    const running = run([[viewOf('one'), 0]], { current: () => current })
    await yieldToEventLoop()
    current = false
    sink.drain()
    expect(await running).to.deep.equal({ result: 'cancelled', arrivedAt: -1 })
    expect(told()).to.deep.equal([])
  })

  it('is barred by an entry that is gone, and sends nothing after it', async () => {
    const { append, viewOf, run, told } = setUp({ bytes: 250 })
    for (let i = 0; i < 4; i++) append()
    expect(await run([[viewOf('one'), 1]])).to.deep.equal({ result: 'must-reload', arrivedAt: -1 })
    expect(told()).to.deep.equal([])
  })

  it('is barred by an entry that one view can not tell, and sends nothing of it to the others', async () => {
    const { append, viewOf, run, told } = setUp()
    for (let i = 0; i < 3; i++) append()
    const views: [View, number][] = [
      [viewOf('one'), 0],
      [viewOf('two', { 2: MUST_RELOAD }), 0],
    ]
    expect(await run(views)).to.deep.equal({ result: 'must-reload', arrivedAt: -1 })
    expect(told()).to.deep.equal(['one 1 none', 'two 1 p1:r'])
  })
})
