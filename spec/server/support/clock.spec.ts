import { expect } from 'chai'
import { Clock } from '../../../lib/server/support/clock.ts'

describe('server/clock', () => {
  let [system, monotonic] = [0, 0]
  let clock: Clock

  beforeEach(() => {
    ;[system, monotonic] = [1_000_000, 7]
    clock = new Clock(
      () => system,
      () => monotonic,
    )
  })

  it('counts milliseconds since 1970 with fractions', () => {
    expect(clock.now()).to.equal(1_000_000)
    monotonic += 0.25
    expect(clock.now()).to.equal(1_000_000.25)
  })

  it('has the time of the system after a suspend', () => {
    system += 3_600_000
    monotonic += 5
    expect(clock.now()).to.equal(4_600_000)
    monotonic += 10
    expect(clock.now()).to.equal(4_600_010)
  })

  it('never goes back, whatever the clock of the system does', () => {
    let last = clock.now()
    for (const step of [-5_000, 2_000, 500, -1_500, 90_000, -90_000, 999]) {
      system += step
      monotonic += 0.001
      expect(clock.now()).to.be.above(last)
      last = clock.now()
    }
  })
})
