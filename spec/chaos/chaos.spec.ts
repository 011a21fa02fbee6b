import { expect } from 'chai'
import { postgresOrSkip } from '../support/postgres.ts'
import { redisOrSkip } from '../support/redis.ts'
import { NoNginx } from './scene.ts'
import { Stores } from './stores.ts'
import { storm } from './storm.ts'

/** One minute of a plan, after which everything heals. `npm run chaos` has ten of a new plan. */
describe('Three nodes and their stores, while everything around them goes wrong', function () {
  this.timeout(1_200_000)
  this.retries(0)

  it('wrong nobody: all clients become right, none was shown what was not its own, and no memory is left', async function () {
    const postgres = await postgresOrSkip(this, Stores.startPostgres)
    const redis = await redisOrSkip(this, Stores.startRedis).catch(async (error: unknown) => {
      await postgres.stop()
      throw error
    })
    this.timeout(1_200_000)
    const lines: string[] = []
    const storming = storm({
      seed: Number(process.env.SEED) || 1,
      minutes: 1,
      postgres,
      redis,
      print: (line) => lines.push(line),
    })
    const report = await storming.catch((error: unknown) => {
      if (!(error instanceof NoNginx)) throw error
      console.log(`nginx: skipped. ${error.message}`)
      return this.skip()
    })
    if (report.faults.length > 0) console.log(lines.join('\n'))
    expect(report.faults).to.deep.equal([])
    expect(report.sightings).to.be.above(1_000)
    expect(report.changesOfRights).to.be.above(20)
  })
})
