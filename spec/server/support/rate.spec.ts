import { expect } from 'chai'
import { BURST_SECONDS, Rate } from '../../../lib/server/support/rate.ts'

/** A rate with a clock that is set by hand, in milliseconds. */
const make = (total: number, each: number) => {
  let now = 0
  const rate = new Rate(total, each, () => now)
  const takeUntilRefused = (key: string) => {
    let taken = 0
    while (rate.take(key) === undefined) taken++
    return taken
  }
  const pass = (ms: number) => {
    now += ms
  }
  return { rate, takeUntilRefused, pass }
}

describe('server/support/rate', () => {
  it('allows a burst, then so many a second', () => {
    const { takeUntilRefused, pass } = make(Number.POSITIVE_INFINITY, 5)
    expect(takeUntilRefused('a')).to.equal(5 * BURST_SECONDS)
    pass(1_000)
    expect(takeUntilRefused('a')).to.equal(5)
    pass(3_600_000)
    expect(takeUntilRefused('a')).to.equal(5 * BURST_SECONDS)
  })

  it('bounds each key by itself, and all together', () => {
    const { rate, takeUntilRefused } = make(8, 5)
    expect(takeUntilRefused('a')).to.equal(100)
    expect(rate.take('a')).to.equal('each')
    expect(takeUntilRefused('b')).to.equal(60)
    expect(rate.take('b')).to.equal('total')
    expect(rate.take(undefined)).to.equal('total')
  })

  it('does not count in all what one key was refused', () => {
    const { rate, takeUntilRefused } = make(6, 5)
    takeUntilRefused('a')
    for (let times = 0; times < 1_000; times++) expect(rate.take('a')).to.equal('each')
    expect(takeUntilRefused('b')).to.equal(20)
  })

  it('forgets the keys that owe nothing', () => {
    const { rate, pass } = make(Number.POSITIVE_INFINITY, 100)
    for (let index = 0; index < 50_000; index++) {
      rate.take(`address ${index}`)
      pass(10)
    }
    expect(rate.size).to.be.lessThan(1_200)
  })
})
