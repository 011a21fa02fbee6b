import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import { Order } from '../../../lib/policy/order.ts'
import { Server } from '../../../lib/server/index.ts'
import type { RedisAdapter, RedisMulti } from '../../../lib/source/redis/index.ts'
import { LocalClient, until } from '../../support/local.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect, freshAdapter, freshPrefix, readAll, removeAll } from './harness.ts'

/** A generator of numbers in [0, 1) that gives the same ones for the same seed. */
function randomizer(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const byId = (documents: readonly Document[]) =>
  [...documents].sort((a, b) => (String(a._id) < String(b._id) ? -1 : 1))

const order = new Order([['n', -1]])
const ordered = (documents: readonly Document[]) =>
  [...documents].sort((a, b) => order.compare(order.valuesOf(a), order.valuesOf(b)))
const inOrder = (root: string, documents: readonly Document[]) =>
  root === 'top' ? documents : byId(documents)

describe('source/redis under random writes, seen through a server', () => {
  let client: Client
  let other: Client

  before(async function () {
    const { url } = await redisOrSkip(this)
    client = await connect(url)
    other = await connect(url)
  })

  after(() => {
    client?.destroy()
    other?.destroy()
  })

  const options = { fields: { n: 'number', tags: 'json', open: 'boolean' } } as const

  /** Writes in all the ways there are: by the collection, by commands with an entry of their own, and, where nothing else is asked, by plain commands. */
  function writes(adapter: RedisAdapter, prefix: string, stream: boolean, random: () => number) {
    const users = adapter.collection('users', options)
    const pick = <T>(...items: T[]): T => items[Math.floor(random() * items.length)] as T
    const number = () => Math.floor(random() * 10)
    const id = () => `${Math.floor(random() * 25)}`
    const team = () => pick('red', 'blue')
    const key = (of: string) => `${prefix}users:${of}`
    const whole = () => ({
      team: team(),
      n: number(),
      tags: [number(), { x: number() }],
      open: random() < 0.5,
    })
    const plain = (of: string): RedisMulti & { exec(): Promise<unknown> } =>
      pick<() => RedisMulti & { exec(): Promise<unknown> }>(
        () => client.multi().hSet(key(of), { team: team(), n: `${number()}` }),
        () => client.multi().del(key(of)),
        () => client.multi().set(key(of), JSON.stringify(whole())),
        () =>
          client
            .multi()
            .del(key(of))
            .hSet(key(of), 'tags', JSON.stringify([number()])),
      )()
    return pick<() => Promise<unknown>>(
      () => users.set(id(), whole()),
      () => users.set(id(), { team: team(), n: number() }, { PX: 20 + number() * 20 }),
      () => users.update(id(), { team: team(), [pick('n', 'extra')]: pick(undefined, '1') }).catch(() => {}),
      () => users.update(id(), [{ operation: 'inc', path: 'n', data: 1 }]).catch(() => {}),
      () => users.update(id(), [{ operation: 'push', path: 'tags', data: number() }]).catch(() => {}),
      () => users.delete(id()),
      () => {
        const [from, to] = [id(), id()]
        return users
          .touch(client.multi().copy(key(from), key(to), { REPLACE: true }), to)
          .exec()
          .catch(() => {})
      },
      () => {
        const of = id()
        // Some commands don't fit what is there, which is no change.
        return (stream ? users.touch(plain(of), of) : plain(of)).exec().catch(() => {})
      },
    )
  }

  for (const stream of [true, false]) {
    for (const seed of [1, 2, 3]) {
      it(`makes clients equal to the database (${stream ? 'stream' : 'notifications'}, seed ${seed})`, async () => {
        const prefix = freshPrefix()
        const [mine, theirs] = [client, other].map((on) => freshAdapter(on, { prefix }, stream))
        if (!mine || !theirs) throw new Error('no adapters')
        const random = randomizer(seed)
        const collection = mine.collection('users', options)
        theirs.collection('users', options)
        const errors: unknown[] = []
        const server = new Server({
          identityLookup: (identity) => identity,
          dataSources: {
            all: { manifest: { n: true, tags: true, open: true }, collection },
            team: { manifest: true, collection, criteria: { team: '@team' } },
            one: { manifest: true, collection, criteria: { _id: '@me' } },
            top: { manifest: true, collection, criteria: { team: '@team' }, sort: { n: -1 }, limit: 4 },
          },
          onError: (error) => errors.push(error),
        })
        const clients: LocalClient[] = []
        const write = async (count: number) => {
          for (let at = 0; at < count; at++) {
            const by = at % 2 === 0 ? mine : theirs
            await Promise.all([
              writes(by, prefix, stream, random)(),
              writes(theirs, prefix, stream, random)(),
            ])
          }
        }
        for (let round = 0; round < 6; round++) {
          const writing = write(25)
          // Clients come while all is in motion.
          clients.push(
            await LocalClient.connect(server, { team: round % 2 ? 'red' : 'blue', me: `${round}` }),
          )
          await writing
        }
        // What expires does so before the comparison.
        await new Promise((resolve) => setTimeout(resolve, 250))
        await readAll(theirs, 'users')
        const final = await readAll(theirs, 'users')
        expect(final.length).to.be.above(5)
        const shown = (document: Document) =>
          Object.fromEntries(
            Object.entries(document).filter(([name]) => ['_id', 'n', 'tags', 'open'].includes(name)),
          )
        for (const [round, one] of clients.entries()) {
          const team = final.filter((document) => document.team === (round % 2 ? 'red' : 'blue'))
          const expected = {
            all: final.map(shown),
            team,
            one: final.filter(({ _id }) => _id === `${round}`),
            top: ordered(team).slice(0, 4),
          }
          const same = () =>
            Object.entries(expected).every(
              ([root, documents]) =>
                JSON.stringify(sortedFields(inOrder(root, one.model[root] ?? []))) ===
                JSON.stringify(sortedFields(inOrder(root, documents))),
            )
          await until(same, 'the model is the database', 4000).catch(() => {
            for (const [root, documents] of Object.entries(expected))
              expect(inOrder(root, one.model[root] ?? []), root).to.deep.equal(inOrder(root, documents))
          })
        }
        expect(errors).to.deep.equal([])
        expect(clients.flatMap((one) => one.of('reset'))).to.deep.equal([])
        for (const one of clients) one.stop()
        await server.disconnect()
        await removeAll(client, prefix)
      })
    }
  }
})

function sortedFields(documents: readonly Document[]): unknown {
  return documents.map((document) => Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1)))
}
