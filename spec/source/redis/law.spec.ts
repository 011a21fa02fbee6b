import { itHolds } from '../../law/trial.ts'
import { socketFolder } from '../../support/host.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect } from './harness.ts'
import { inRedis } from './setting.ts'

describe('The law of Particle over Redis', () => {
  let client: Client

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  after(() => client?.destroy())

  const BY_STREAM = {
    runs: 12,
    seed: 1,
    limit: 180_000,
    happened: [
      'states shown',
      'quiet points',
      'resumed here',
      'resumed elsewhere',
      'histories lost',
      'streams broken off',
      'streams lost',
      'reset: history-lost',
      'reset: slow-client',
      'reset: rights-changed',
    ],
  }

  itHolds('holds whatever happens, by a stream', () => inRedis(client, true), BY_STREAM)

  describe('(once per host)', () => {
    let sockets: Awaited<ReturnType<typeof socketFolder>>

    before(async () => {
      sockets = await socketFolder()
    })

    after(() => sockets.remove())

    itHolds('holds whatever happens, by a stream', () => inRedis(client, true, sockets.folder), BY_STREAM)
  })

  itHolds('holds whatever happens, by notifications', () => inRedis(client, false), {
    runs: 12,
    seed: 1,
    limit: 180_000,
    happened: ['states shown', 'quiet points', 'resumed here', 'histories lost', 'streams broken off'],
  })
})
