import { expect } from 'chai'
import {
  pause,
  retryUntil,
  timeSlicer,
  turnstile,
  yieldToEventLoop,
} from '../../../lib/server/support/scheduling.ts'

describe('server/pause', () => {
  it('pauses for about as long as it is told', async () => {
    const began = performance.now()
    await pause(5)
    expect(performance.now() - began).to.be.within(4, 1000)
  })

  it('lets others have their turn before it goes on', async () => {
    const order: string[] = []
    setImmediate(() => order.push('other'))
    await yieldToEventLoop()
    order.push('own')
    expect(order).to.deep.equal(['other', 'own'])
  })

  it('does not go on within the same turn', async () => {
    let passed = false
    const turn = yieldToEventLoop().then(() => {
      passed = true
    })
    for (let i = 0; i < 100; i++) await Promise.resolve()
    expect(passed).to.equal(false)
    await turn
    expect(passed).to.equal(true)
  })

  it('slices work: others get their turn once a slice of time is used up, and only then', async () => {
    const { now } = performance
    let time = 0
    performance.now = () => time
    try {
      const turn = timeSlicer(2)
      const yields: boolean[] = []
      for (const later of [0, 0, 3, 0, 1, 0, 0, 0]) {
        time += later
        const yielded = turn()
        yields.push(yielded !== undefined)
        await yielded
      }
      // The clock is looked at every second time: at 0, 3, 4 and 4 ms.
      expect(yields).to.deep.equal([false, false, false, false, false, true, false, false])
    } finally {
      performance.now = now
    }
  })

  it('lets 32 of those pass at the end of a turn that come at once, first in, first out', async () => {
    const pass = turnstile()
    const order: number[] = []
    const all = Array.from({ length: 70 }, async (_, number) => {
      await pass()
      order.push(number)
    })
    const counts: number[] = []
    for (let turn = 0; turn < 4; turn++) {
      await Promise.resolve()
      counts.push(order.length)
      await yieldToEventLoop()
    }
    await Promise.all(all)
    expect(order).to.deep.equal(Array.from({ length: 70 }, (_, number) => number))
    expect(counts).to.deep.equal([0, 32, 64, 70])
  })

  it('lets those pass together that come by different events of one turn', async () => {
    const pass = turnstile()
    let turn = 0
    let passed = 0
    const count = () => {
      turn++
      if (passed < 2) setImmediate(count)
    }
    count()
    const come = async () => {
      const before = passed
      await pass()
      passed++
      return { before, turn }
    }
    // Both timers are due in the same turn, and promises go on between them.
    const event = () =>
      new Promise<Awaited<ReturnType<typeof come>>>((resolve, reject) => {
        setTimeout(() => come().then(resolve, reject), 1)
      })
    const [first, second] = await Promise.all([event(), event()])
    expect([first.before, second.before]).to.deep.equal([0, 0])
    expect(second.turn).to.equal(first.turn)
  })

  describe('persists', () => {
    const { setTimeout } = globalThis
    let pauses: number[]
    beforeEach(() => {
      pauses = []
      globalThis.setTimeout = ((run: () => void, ms: number) => {
        pauses.push(ms)
        return setTimeout(run, 0)
      }) as never
    })
    afterEach(() => {
      globalThis.setTimeout = setTimeout
    })
    /** Fails so many times, and notes what was told. */
    const failing = (times: number, current: () => boolean = () => true) => {
      const told: string[] = []
      let attempts = 0
      const attempt = async () => {
        if (++attempts <= times) throw new Error(`${attempts}`)
      }
      const ended = retryUntil(attempt, current, (error) => told.push((error as Error).message))
      return { ended, told, attempts: () => attempts }
    }

    it('until it succeeds, with pauses that double from half a second to half a minute, and tells each failure', async () => {
      const { ended, told, attempts } = failing(9)
      await ended
      expect(pauses).to.deep.equal([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
      expect([told.length, attempts()]).to.deep.equal([9, 10])
    })

    it('not where it is not to be done any more: neither before, nor after a pause', async () => {
      const never = failing(1, () => false)
      await never.ended
      expect(never.attempts()).to.equal(0)
      let current = true
      const once = failing(9, () => current)
      await yieldToEventLoop()
      current = false
      await once.ended
      expect(once.attempts()).to.equal(once.told.length)
    })

    it('and tells no failure of what is not to be done any more', async () => {
      let current = true
      const told: unknown[] = []
      const attempt = async () => {
        current = false
        throw new Error('late')
      }
      await retryUntil(
        attempt,
        () => current,
        (error) => told.push(error),
      )
      expect([told, pauses]).to.deep.equal([[], []])
    })
  })
})
