import type { RedisAdapter } from '../../../lib/source/redis/index.ts'
import { sourceContract } from '../../contract/source.contract.ts'
import { following, socketFolder } from '../../support/host.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect, counted, freshAdapter, freshPrefix, removeAll, writer } from './harness.ts'

describe('source/redis holds the contract', () => {
  let client: Client

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  after(() => client?.destroy())

  for (const type of ['hash', 'json'] as const)
    sourceContract(`redis (${type}, stream, once per host)`, async () => {
      const prefix = freshPrefix()
      const { folder, remove } = await socketFolder()
      const clients = [counted(client), counted(client)]
      const adapters = clients.map((one) =>
        freshAdapter(one.client as Client, { prefix, oncePerHost: folder }),
      )
      for (const adapter of adapters)
        for (const name of ['contract_users', 'contract_teams']) writer(adapter, name, { type })
      const [leader, adapter] = adapters as [RedisAdapter, RedisAdapter]
      const open = () => clients.reduce((sum, { connections }) => sum + connections(), 0)
      const shared = await following(leader, adapter, open)
      return {
        adapter: shared.adapter,
        collection: (name) => writer(adapter, name, { type }),
        exact: true,
        compares: true,
        close: async () => {
          await shared.close()
          await remove()
          await removeAll(client, prefix)
        },
      }
    })

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
