import { sourceContract } from '../../contract/source.contract.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect, freshAdapter, freshPrefix, removeAll, writer } from './harness.ts'

describe('source/redis holds the contract', () => {
  let client: Client

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  after(() => client?.destroy())

  for (const type of ['hash', 'json'] as const) {
    for (const stream of [true, false]) {
      sourceContract(`redis (${type}, ${stream ? 'stream' : 'notifications'})`, async () => {
        const prefix = freshPrefix()
        const adapter = freshAdapter(client, { prefix }, stream)
        return {
          adapter,
          collection: (name) => writer(adapter, name, { type }),
          exact: stream,
          retells: !stream,
          compares: stream,
          close: () => removeAll(client, prefix),
        }
      })
    }
  }
})
