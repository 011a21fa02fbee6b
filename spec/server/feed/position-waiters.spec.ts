import { expect } from 'chai'
import { PositionWaiters } from '../../../lib/server/feed/position-waiters.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { Adapter } from '../../../lib/source/source.ts'

describe('server/waiting', () => {
  const setUp = () => {
    const adapter = { compare: (a: string, b: string) => Number(a) - Number(b) } as Adapter
    const waiting = new PositionWaiters(adapter)
    const told: [string, boolean][] = []
    const wait = (position: string, ms?: number) =>
      waiting.for(position, ms).then((reached) => void told.push([position, reached]))
    return { waiting, told, wait }
  }

  it('ends for those whose position is reached, and for nobody else', async () => {
    const { waiting, told, wait } = setUp()
    for (const position of ['3', '1', '2', 'x']) void wait(position)
    waiting.reached('2')
    await yieldToEventLoop()
    expect(told).to.deep.equal([
      ['1', true],
      ['2', true],
    ])
    waiting.reached('9')
    await yieldToEventLoop()
    expect(told.slice(2)).to.deep.equal([['3', true]])
  })

  it('ends for all where nobody gets there any more', async () => {
    const { waiting, told, wait } = setUp()
    for (const position of ['1', '2']) void wait(position)
    waiting.cancelAll()
    waiting.reached('9')
    await yieldToEventLoop()
    expect(told).to.deep.equal([
      ['1', false],
      ['2', false],
    ])
  })

  it('ends after so many milliseconds', async () => {
    const { waiting, told, wait } = setUp()
    const late = wait('1', 5)
    waiting.reached('0')
    await late
    waiting.reached('1')
    expect(told).to.deep.equal([['1', false]])
  })

  it('leaves no timer where it ended before, and takes none where there is no limit', async () => {
    const { waiting, wait } = setUp()
    const { setTimeout, clearTimeout } = globalThis
    const timers = new Set<unknown>()
    globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
      const timer = setTimeout(...args)
      timers.add(timer)
      return timer
    }) as never
    globalThis.clearTimeout = (timer) => {
      timers.delete(timer)
      clearTimeout(timer)
    }
    try {
      const limited = [wait('1', 60_000), wait('2', 60_000)]
      const unlimited = wait('1')
      expect(timers.size).to.equal(2)
      waiting.reached('1')
      expect(timers.size).to.equal(1)
      waiting.cancelAll()
      await Promise.all([...limited, unlimited])
      expect(timers.size).to.equal(0)
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout })
    }
  })

  it('costs a step of the source nothing for those whose positions are far, and remembers none that has ended', async () => {
    let compared = 0
    const compare = (a: string, b: string) => {
      compared++
      return Number(a) - Number(b)
    }
    const waiting = new PositionWaiters({ compare } as Adapter)
    waiting.reached('0')
    const far = Array.from({ length: 1_000 }, (_, n) => waiting.for(`${1e6 + ((n * 7) % 1_000)}`, 20))
    const near = [3, 1, 2].map((position) => waiting.for(`${position}`))
    compared = 0
    for (let step = 1; step <= 100; step++) waiting.reached(`${step}`)
    expect(compared).to.be.below(400)
    expect(await Promise.all(near)).to.deep.equal([true, true, true])
    expect(new Set(await Promise.all(far))).to.deep.equal(new Set([false]))
    const again = waiting.for('200')
    compared = 0
    waiting.reached('2000000')
    expect(await again).to.equal(true)
    expect(compared).to.be.below(10)
  })

  it('goes on by the positions of another epoch of the source', async () => {
    const epoch = (position: string) => position.slice(0, 1)
    const compare = (a: string, b: string) =>
      epoch(a) === epoch(b) ? Number(a.slice(1)) - Number(b.slice(1)) : Number.NaN
    const waiting = new PositionWaiters({ compare } as Adapter)
    const before = waiting.for('b1')
    waiting.reached('a1')
    const [old, next] = [waiting.for('a9', 50), waiting.for('b2')]
    waiting.reached('b1')
    expect(await before).to.equal(true)
    waiting.reached('b2')
    expect(await next).to.equal(true)
    expect(await old).to.equal(false)
  })

  it('may begin anew by those whom it tells that it has ended', async () => {
    const { waiting, told, wait } = setUp()
    const again = wait('1').then(() => wait('5'))
    waiting.reached('3')
    await yieldToEventLoop()
    waiting.reached('5')
    await again
    expect(told).to.deep.equal([
      ['1', true],
      ['5', true],
    ])
  })
})
