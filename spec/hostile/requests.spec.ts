import { expect } from 'chai'
import { usualSeed } from './support/random.ts'
import { Siege } from './support/siege.ts'

const SECONDS = 15

describe('A server under random requests', function () {
  this.timeout((SECONDS + 75) * 1000)

  it('stays up, shows nobody what is not theirs, tells nothing of its inside, and holds on to nothing', async () => {
    const seed = usualSeed()
    const { requests, statuses, streams, faults } = await Siege.run(seed, {
      requests: 6_000,
      seconds: SECONDS,
      streams: 51,
    })
    console.log(`      seed ${seed}: ${requests} requests, ${streams} streams, ${JSON.stringify(statuses)}`)
    expect(faults, `seed ${seed}`).to.deep.equal([])
    // What there was to go wrong.
    expect(requests).to.be.greaterThan(1_000)
    expect(streams).to.be.greaterThan(50)
    for (const status of ['200', '400', '401', '404', '405', '415', '503'])
      expect(statuses[status] ?? 0, status).to.be.greaterThan(0)
  })
})
