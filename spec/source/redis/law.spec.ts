import { tryTheLaw } from '../../law/law.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect } from './harness.ts'
import { inRedis } from './setting.ts'

const { LAW_SEED, LAW_PATH, LAW_RUNS } = process.env

describe('The law of Particle', () => {
  let client: Client

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  after(() => client?.destroy())

  for (const stream of [true, false])
    it(`holds on redis ${stream}`, async function () {
      this.timeout(600_000)
      const start = Date.now()
      const counts = await tryTheLaw(inRedis(client, stream), {
        runs: Number(LAW_RUNS ?? 10),
        limit: 540_000,
        seed: LAW_SEED === undefined ? undefined : Number(LAW_SEED),
        path: LAW_PATH,
      })
      const told = [...counts].sort().map(([what, count]) => `${what} ${count}`)
      console.log(`      ${(Date.now() - start) / 1000} s: ${told.join(', ')}`)
    })
})
