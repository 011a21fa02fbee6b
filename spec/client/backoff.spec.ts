import { expect } from 'chai'
import fc from 'fast-check'
import { backoff } from '../../lib/client/backoff.ts'

describe('backoff', () => {
  it('stays between 1 s and 30 s, whatever the try', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          expect(backoff(attempt, () => random)).to.be.within(1000, 30_000)
        },
      ),
    )
  })

  it('doubles the window with each try', () => {
    const longest = [1, 2, 3, 4, 5, 6].map((attempt) => Math.round(backoff(attempt, () => 0.999999)))
    expect(longest).to.deep.equal([2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  it('opens the next stream at once after one that was good', () => {
    expect(backoff(0, () => 0)).to.equal(0)
    expect(backoff(0, () => 0.999999)).to.be.below(300)
  })

  it('spreads clients over the window', () => {
    const delays = new Set(Array.from({ length: 100 }, () => backoff(3)))
    expect(delays.size).to.be.greaterThan(90)
  })
})
