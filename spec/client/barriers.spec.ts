import { expect } from 'chai'
import { Barriers } from '../../lib/client/barriers.ts'
import { FakeClock, settle } from './fakes.ts'

describe('client/barriers', () => {
  let clock: FakeClock
  let asked: number
  let barriers: Barriers

  beforeEach(() => {
    clock = new FakeClock()
    asked = 0
    barriers = new Barriers(clock, () => asked++)
  })

  /** What comes of a wait: `reached`, or the code of its error. */
  const wait = (position: string, timeout = 10_000) => {
    const outcome = { value: 'waiting' }
    barriers.wait(position, { timeout }).then(
      () => {
        outcome.value = 'reached'
      },
      ({ code }) => {
        outcome.value = code
      },
    )
    return outcome
  }

  it('asks for each position once, however many wait for it', async () => {
    const waits = [wait('a'), wait('a'), wait('b')]
    expect(asked).to.equal(3)
    expect(barriers.next()).to.deep.equal(['a', 'b'])
    barriers.answered(['a', 'b'], true)
    expect(barriers.next()).to.deep.equal([])
    barriers.reached('a')
    await settle()
    expect(waits.map(({ value }) => value)).to.deep.equal(['reached', 'reached', 'waiting'])
    barriers.reached('b')
    await settle()
    expect(waits[2]?.value).to.equal('reached')
    expect(clock.timers.size).to.equal(0)
  })

  it('asks for at most 100 at once', () => {
    for (let count = 0; count < 250; count++) wait(`p${count}`)
    for (const size of [100, 100, 50, 0]) {
      const next = barriers.next()
      expect(next).to.have.length(size)
      barriers.answered(next, true)
    }
  })

  it('asks another time where a node has no stream, or the position does not come', async () => {
    wait('a')
    barriers.answered(['a'], false)
    expect(barriers.next()).to.deep.equal(['a'])
    barriers.answered(['a'], true)
    expect(barriers.next()).to.deep.equal([])
    const before = asked
    await clock.pass(3_000)
    expect(asked).to.equal(before + 1)
    expect(barriers.next()).to.deep.equal(['a'])
  })

  it('names in a request for a stream at most 20 positions, which a server has accepted', () => {
    wait('new')
    const known = Array.from({ length: 30 }, (_, count) => `p${count}`)
    for (const position of known) wait(position)
    barriers.answered(known, true)
    expect(barriers.start()).to.deep.equal(known.slice(0, 20))
    expect(barriers.next()).to.deep.equal(['new', ...known.slice(20)])
  })

  it('finds the one that a server refuses among others', async () => {
    const [good, bad] = [wait('good'), wait('bad')]
    barriers.refused(barriers.next(), 'malformed')
    const [first = ''] = barriers.next()
    expect(barriers.next()).to.have.length(1)
    barriers.answered([first], true)
    barriers.refused(barriers.next(), 'malformed')
    await settle()
    expect([good.value, bad.value]).to.deep.equal(['waiting', 'INVALID_OPTION'])
  })

  it('gives up in time, and waits for ever where the page says so', async () => {
    const [short, long] = [wait('a', 50), wait('a', Number.POSITIVE_INFINITY)]
    await clock.pass(50)
    expect([short.value, long.value]).to.deep.equal(['TIMED_OUT', 'waiting'])
    await clock.pass(1e9)
    expect(long.value).to.equal('waiting')
    barriers.reached('a')
    await settle()
    expect(long.value).to.equal('reached')
    expect(barriers.next()).to.deep.equal([])
  })
})
