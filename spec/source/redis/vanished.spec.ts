import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import { Server, type ServerOptions } from '../../../lib/server/index.ts'
import { redis } from '../../../lib/source/redis/index.ts'
import { until } from '../../support/local.ts'
import { type RedisServer, redisOrSkip, startRedis } from '../../support/redis.ts'
import { Visitor } from '../../support/visitor.ts'
import { type Client, connect } from './harness.ts'

const KINDS = {
  'a view with a criteria': { criteria: { team: '@team' } },
  'a sorted and limited view': { criteria: { team: '@team' }, sort: { rank: 1 }, limit: 3 },
} as const

/** How long a document lives that expires, in milliseconds. */
const LIFE = 700

describe('Documents that vanish from Redis before their end is told', () => {
  let server: RedisServer
  let client: Client
  const servers: Server[] = []
  const errors: Error[] = []

  before(async function () {
    server = await redisOrSkip(this, () => startRedis())
    client = await connect(server.url)
  })

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((each) => each.disconnect()))
    await client.flushDb()
  })

  after(async () => {
    client?.destroy()
    await server?.stop()
  })

  for (const stream of [true, false]) {
    for (const [kind, view] of Object.entries(KINDS)) {
      const limited = 'limit' in view

      async function setUp(options: Partial<ServerOptions> = {}) {
        errors.length = 0
        const adapter = redis(client, stream ? { stream: 'changes' } : {})
        const users = adapter.collection('users', { fields: { rank: 'number' } })
        for (const rank of [1, 2, 3, 4, 5]) await users.set(`u${rank}`, { team: 'a', rank })
        const particle = new Server({
          // No snapshot is kept at hand past a change: whoever comes then has the source read again.
          replay: { bytes: 0 },
          identityLookup: (identity) => identity,
          dataSources: { users: { manifest: true, collection: users, ...view } },
          onError: (error: Error) => errors.push(error),
          ...options,
        })
        servers.push(particle)
        const open = await new Visitor().come(particle)
        await settled([1, 2, 3, 4, 5], open)
        await users.update('u1', { used: 'up' })
        await until(() => open.text.includes('up'))
        return { users, particle, open }
      }

      async function settled(ranks: number[], ...visitors: Visitor[]) {
        const ids = (limited ? ranks.slice(0, 3) : ranks).map((rank) => `u${rank}`)
        const shown = ({ ids: all }: Visitor) => String(limited ? all : [...all].sort())
        await until(
          () => visitors.every((one) => one.ready && shown(one) === String(ids)),
          `all of ${ids}`,
          6000,
        ).catch((error: Error) => {
          throw new Error(`${error.message}: ${visitors.map((one) => `[${one.ids}]`).join(' ')}`)
        })
      }

      type Users = Awaited<ReturnType<typeof setUp>>['users']
      /** What takes documents away, and the ranks of those that are left. */
      const ends: Record<string, readonly [left: number[], run: (users: Users) => Promise<unknown>]> = {
        FLUSHDB: [[], () => client.flushDb()],
        'an expiry': [
          [1, 3, 5],
          async (users) => {
            for (const rank of [2, 4]) await users.set(`u${rank}`, { team: 'a', rank }, { PX: LIFE })
            const end = Date.now() + LIFE
            await until(() => Date.now() > end, 'the expiry')
          },
        ],
        'DEL in a MULTI': [
          [1, 3, 5],
          (users) => users.touch(client.multi().del(['users:u2', 'users:u4']), 'u2', 'u4').exec(),
        ],
        RENAME: [
          [1, 3, 4, 5, 6],
          async (users) => {
            const multi = client.multi().hSet('users:u2', 'rank', '6').rename('users:u2', 'users:u6')
            await users.touch(multi, 'u2', 'u6').exec()
          },
        ],
      }

      describe(`by ${stream ? 'a stream' : 'notifications'}, in ${kind}`, () => {
        for (const [how, [left, run]] of Object.entries(ends)) {
          it(`leave no client, those of before or after, by ${how}`, async () => {
            const { users, particle, open } = await setUp()
            await run(users)
            const late = await new Visitor().come(particle)
            await settled(left, open, late)
            const back = { team: 'a', rank: 2 } satisfies Document
            await users.set('u2', back)
            await settled([...left, 2].sort(), open, late)
            expect(errors).to.deep.equal([])
          }).timeout(15_000)
        }

        it('leave no client that comes back when nobody remembers what it held, by FLUSHDB', async () => {
          const { users, particle, open } = await setUp({ replay: {}, limits: { restingViews: 0 } })
          // Another view, so that the source is followed all the while.
          const other = await new Visitor().come(particle, { team: 'b' })
          open.go()
          await client.flushDb()
          await open.come(particle)
          await settled([], open)
          await users.set('u2', { team: 'a', rank: 2 })
          await settled([2], open)
          other.go()
        }).timeout(15_000)

        it('leave no client where the connections are lost meanwhile', async () => {
          const { users, particle, open } = await setUp()
          for (const rank of [2, 4]) await users.set(`u${rank}`, { team: 'a', rank }, { PX: LIFE })
          const own = await client.clientId()
          for (const { id } of await client.clientList())
            if (id !== own) await client.sendCommand(['CLIENT', 'KILL', 'ID', String(id)])
          await client.del('users:u5')
          if (stream) await client.del('changes')
          const end = Date.now() + LIFE
          await until(() => Date.now() > end, 'the expiry')
          const late = await new Visitor().come(particle)
          await settled([1, 3], open, late)
        }).timeout(15_000)
      })
    }
  }
})
