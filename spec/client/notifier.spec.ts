import { expect } from 'chai'
import { Notifier, type Notify, type Target } from '../../lib/client/notifier.ts'
import type { ServerEvent } from '../../lib/protocol/messages.ts'
import { FakeClock, FakeFrames, settle, TIMESTAMP } from './fakes.ts'

const event = (): ServerEvent => ({ event: 'ready', data: { timestamp: TIMESTAMP } })

function setUp(notify: Notify, visible = true) {
  const clock = new FakeClock()
  const frames = new FakeFrames(visible)
  const notifier = new Notifier({ notify, clock, requestFrame: frames.request })
  return { clock, frames, notifier }
}

/** A target that keeps what it was called with. */
function keeper(): { target: Target; calls: (readonly ServerEvent[])[] } {
  const calls: (readonly ServerEvent[])[] = []
  return {
    target: (last, events) => {
      expect(last).to.equal(events.at(-1))
      calls.push(events)
    },
    calls,
  }
}

describe('notifier', () => {
  it('calls a target once for all events that came before the turn is over, in order', async () => {
    for (const [notify, visible] of [
      ['batch', true],
      ['batch', false],
      ['frame', false],
    ] as const) {
      const { notifier, clock } = setUp(notify, visible)
      const { target, calls } = keeper()
      const events = [event(), event(), event()]
      for (const each of events) notifier.add(target, each)
      expect(calls).to.deep.equal([])
      await Promise.resolve()
      expect(calls).to.deep.equal([events])
      expect(calls[0]?.map((each, index) => each === events[index])).to.deep.equal([true, true, true])
      notifier.add(target, event())
      await Promise.resolve()
      expect(calls).to.have.length(2)
      expect(clock.timers.size).to.equal(0)
    }
  })

  it('calls a target at most once a frame in a visible page, however many batches come', async () => {
    const { notifier, frames, clock } = setUp('frame')
    const { target, calls } = keeper()
    for (let batch = 0; batch < 5; batch++) {
      notifier.add(target, event())
      await settle()
    }
    expect(calls).to.have.length(0)
    expect(frames.waiting).to.equal(1)
    frames.paint()
    expect(calls.map(({ length }) => length)).to.deep.equal([5])
    frames.paint()
    expect(calls).to.have.length(1)
    notifier.add(target, event())
    frames.paint()
    expect(calls.map(({ length }) => length)).to.deep.equal([5, 1])
    expect(clock.timers.size).to.equal(0)
  })

  it('waits no longer than a second for a frame, as in a page that gets hidden meanwhile', async () => {
    const { notifier, frames, clock } = setUp('frame')
    const { target, calls } = keeper()
    notifier.add(target, event())
    await clock.pass(999)
    expect(calls).to.have.length(0)
    await clock.pass(1)
    expect(calls).to.have.length(1)
    expect(frames.waiting).to.equal(0)
  })

  it('calls a target at once for each event where that is asked for', () => {
    const { notifier, frames } = setUp('event')
    const { target, calls } = keeper()
    notifier.add(target, event())
    notifier.add(target, event())
    expect(calls.map(({ length }) => length)).to.deep.equal([1, 1])
    expect(frames.waiting).to.equal(0)
  })

  it('calls what is due when it is flushed, and not again', async () => {
    for (const notify of ['frame', 'batch'] as const) {
      const { notifier, frames, clock } = setUp(notify)
      const { target, calls } = keeper()
      notifier.add(target, event())
      notifier.flush()
      expect(calls).to.have.length(1)
      expect([frames.waiting, clock.timers.size]).to.deep.equal([0, 0])
      await settle()
      notifier.flush()
      expect(calls).to.have.length(1)
    }
  })

  it('calls those that are left before a flush ends that one of them asked for', () => {
    const { notifier } = setUp('batch')
    const order: string[] = []
    notifier.add(() => {
      order.push('first')
      notifier.flush()
      order.push('first ends')
    }, event())
    notifier.add(() => order.push('second'), event())
    notifier.flush()
    expect(order).to.deep.equal(['first', 'second', 'first ends'])
  })

  it('schedules what comes while targets are called', async () => {
    const { notifier } = setUp('batch')
    let calls = 0
    const target = () => {
      if (++calls < 3) notifier.add(target, event())
    }
    notifier.add(target, event())
    notifier.flush()
    expect(calls).to.equal(1)
    await settle()
    expect(calls).to.equal(3)
  })
})
