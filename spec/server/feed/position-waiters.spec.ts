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
