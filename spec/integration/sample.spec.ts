import { expect } from 'chai'
import { type Collection, type Db, MongoClient } from 'mongodb'
import type { Client } from '../../lib/client/client.ts'
import particle from '../../lib/index.ts'
import { filterPayload } from '../../lib/policy/manifest.ts'
import { documentToJson } from '../../lib/source/mongo/bson.ts'
import { MongoWatch, mongo } from '../../lib/source/mongo/index.ts'
import { listen } from '../support/http.ts'
import { until } from '../support/local.ts'
import { mongoOrSkip } from '../support/mongod.ts'

type User = { _id: number; email?: string; n?: number; todo?: { list?: unknown[]; secret?: string } }

const manifest = { email: true, todo: { list: true } } as const

/** Divides the writes where particle/fetch serves: those that a source tells wrongly are found over Node. */
const SHARE = process.env.SERVED_BY ? 10 : 1

/** Random numbers below n, the same at each run. */
function randomizer(seed: number) {
  let state = seed
  return (n: number) => {
    state = (state * 16807) % 2147483647
    return state % n
  }
}

async function writeAtRandom(users: Collection<User>, count: number, random: (n: number) => number) {
  for (let i = 0; i < count; i++) {
    const filter = { _id: random(25) }
    const kind = random(10)
    if (kind === 0) await users.deleteOne(filter)
    else if (kind === 1) {
      await users.replaceOne(
        filter,
        { email: `r${i}`, todo: { list: [i], secret: 'SECRET' } },
        { upsert: true },
      )
    } else if (kind === 2)
      await users.updateOne(filter, { $push: { 'todo.list': { $each: [i, i + 1], $slice: -6 } } })
    else if (kind === 3) await users.updateOne(filter, { $pop: { 'todo.list': 1 } })
    else if (kind === 4) await users.updateOne(filter, { $unset: { 'todo.list': 1 } })
    else if (kind === 5) await users.updateOne(filter, { $set: { 'todo.secret': `SECRET ${i}` } })
    else if (kind === 6)
      await users.updateOne(
        { ...filter, 'todo.list.0': { $exists: true } },
        { $set: { 'todo.list.0': { done: true } } },
      )
    else if (kind === 7)
      await users.updateMany({ _id: { $lt: 5 } }, { $inc: { n: 1 }, $set: { email: `many${i}` } })
    else await users.updateOne(filter, { $set: { email: `u${i}` } }, { upsert: true })
  }
}

describe('The sample of 2013, on the real server', function () {
  this.timeout(120_000)
  let client: MongoClient
  let db: Db
  let users: Collection<User>
  const closing: (() => unknown)[] = []

  before(async function () {
    const { url } = await mongoOrSkip(this)
    client = new MongoClient(url)
    await client.connect()
    db = client.db('sample')
    users = db.collection<User>('users')
    await users.deleteMany({})
    await users.insertMany(
      Array.from({ length: 20 }, (_, _id) => ({
        _id,
        email: `${_id}`,
        todo: { list: [1, 2], secret: 'SECRET' },
      })),
    )
  })
  after(async () => {
    for (const close of closing.reverse()) await close()
    await client.close()
  })

  const read = async (server: InstanceType<typeof particle.Server>) => {
    const listening = await listen(server.middleware())
    closing.push(listening.close, () => server.disconnect())
    const reader = new particle.Client({ url: `${listening.url}/particle`, identity: {} })
    closing.push(() => reader.close())
    await reader.ready()
    return reader
  }
  const agrees = async (reader: Client) => {
    const byId = (a: { _id?: unknown }, b: { _id?: unknown }) => Number(a._id) - Number(b._id)
    const truth = (
      filterPayload(manifest, (await users.find().toArray()).map(documentToJson)) as User[]
    ).sort(byId)
    const shown = () => [...(reader.data.users ?? [])].sort(byId)
    await until(
      () => JSON.stringify(shown()) === JSON.stringify(truth),
      'client and server agree',
      10_000,
    ).catch(() => {})
    expect(shown()).to.deep.equal(truth)
    expect(JSON.stringify(reader.data)).not.to.contain('SECRET')
  }

  it('keeps client and server equal over a thousand random writes', async () => {
    const watcher = new MongoWatch({ format: 'normal', client })
    let stopped = 0
    const server = new particle.Server({
      identityLookup: (_identity, done) => done(null, { accountId: 1 }),
      dataSources: {
        users: {
          manifest,
          payload: (_identity, done) =>
            users
              .find()
              .toArray()
              .then((data) => done(null, { data, timestamp: new Date() }), done),
          delta: (_identity, listener) => watcher.watch('sample.users', listener),
        },
      },
      disconnect: () => {
        stopped++
        return watcher.stopAll()
      },
    })
    const reader = await read(server)
    await writeAtRandom(users, 1000 / SHARE, randomizer(11))
    await agrees(reader)
    await server.disconnect()
    expect(stopped).to.equal(1)
  })

  it('keeps client and server equal with a collection source, from a snapshot taken while writes pour in', async () => {
    const writing = writeAtRandom(users, 600 / SHARE, randomizer(12))
    const server = new particle.Server({
      dataSources: { users: { manifest, collection: mongo(db).collection('users') } },
    })
    const reader = await read(server)
    await writing
    await agrees(reader)
    await server.disconnect()
  })

  it('shows a transaction at once, or not at all', async () => {
    const server = new particle.Server({
      dataSources: { users: { manifest, collection: mongo(db).collection('users') } },
    })
    const reader = await read(server)
    await users.insertMany([{ _id: 901 }, { _id: 902 }])
    await until(() => reader.data.users?.some((user) => user._id === 902) === true)
    const seen = new Set<string>()
    reader.subscribe(() => {
      const emails = [901, 902].map((id) => reader.data.users?.find((user) => user._id === id)?.email)
      seen.add(JSON.stringify(emails))
    })
    for (let i = 0; i < 5; i++) {
      await client.withSession((session) =>
        session.withTransaction(async () => {
          await users.updateOne({ _id: 901 }, { $set: { email: `t${i}` } }, { session })
          await users.updateOne({ _id: 902 }, { $set: { email: `t${i}` } }, { session })
        }),
      )
    }
    await until(() => seen.has('["t4","t4"]'))
    // What arrived together is told once: a state may be passed over, but none is torn.
    expect([...seen].filter((state) => !/^\["(t\d)","\1"\]$/.test(state))).to.deep.equal([])
    await server.disconnect()
  })
})
