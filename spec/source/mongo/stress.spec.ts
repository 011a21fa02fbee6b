import { expect } from 'chai'
import { type AnyBulkWriteOperation, type Db, MongoClient } from 'mongodb'
import { filterPayload } from '../../../lib/policy/manifest.ts'
import { Server } from '../../../lib/server/index.ts'
import { documentToJson } from '../../../lib/source/mongo/bson.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { expectSame } from '../../contract/recorder.ts'
import { LocalClient, until } from '../../support/local.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { freshDatabase, imagesOrSkip } from './fold.ts'

type User = { _id: number; team: number; [field: string]: unknown }

const ROUNDS = Number(process.env.STRESS_ROUNDS ?? 3)
const MANIFEST = { team: true, n: true, list: true, deep: { er: true } } as const
const TEAM = { team: { $lt: 2 } }

describe('Snapshots and changes of MongoDB under concurrent bulk writes', () => {
  let client: MongoClient
  let db: Db

  before(async function () {
    client = new MongoClient((await mongoOrSkip(this)).url)
  })

  after(() => client?.close())

  beforeEach(() => {
    db = freshDatabase(client)
  })

  afterEach(() => db.dropDatabase())

  const number = (below: number) => Math.floor(Math.random() * below)

  function write(): AnyBulkWriteOperation<User> {
    const _id = number(300)
    const kind = number(9)
    if (kind === 0) return { deleteOne: { filter: { _id } } }
    if (kind === 1) {
      const replacement = { team: number(5), n: 0, list: [number(9)], secret: number(9) }
      return { replaceOne: { filter: { _id }, replacement, upsert: true } }
    }
    if (kind === 2) return { updateOne: { filter: { _id }, update: { $set: { team: number(5) } } } }
    if (kind === 3)
      return { updateOne: { filter: { _id }, update: { $push: { list: number(9) } } as object } }
    if (kind === 4) return { updateOne: { filter: { _id }, update: { $pop: { list: 1 } } as object } }
    if (kind === 5)
      return { updateOne: { filter: { _id }, update: { $set: { 'deep.er': number(9), 'deep.hidden': 1 } } } }
    if (kind === 6)
      return { updateMany: { filter: { team: number(5) }, update: { $inc: { n: 1 } } as object } }
    return { updateOne: { filter: { _id }, update: { $inc: { n: 1, secret: 1 } } as object, upsert: false } }
  }

  /** One process, views that come while it is written to, and what they hold once it is quiet. */
  async function round(): Promise<number> {
    const users = db.collection<User>('users')
    const errors: unknown[] = []
    const collection = mongo(db).collection('users')
    const server = new Server({
      dataSources: {
        all: { collection, manifest: MANIFEST },
        team: { collection, manifest: MANIFEST, criteria: TEAM },
      },
      onError: (error) => errors.push(error),
    })
    let writing = true
    // A transaction has its time to itself: SecantusDB can lock up where it meets an updateMany and a delete.
    let alone: Promise<unknown> | undefined
    let busy = 0
    const writers = [1, 2, 3].map(async () => {
      while (writing) {
        await alone
        busy += 1
        await users.bulkWrite(Array.from({ length: 1 + number(20) }, write), { ordered: false })
        busy -= 1
      }
    })
    const transaction = async () => {
      while (busy > 0) await new Promise((resolve) => setTimeout(resolve, 1))
      await client.withSession((session) =>
        session.withTransaction(async () => {
          for (let i = 0; i < 5; i += 1)
            await users.updateOne({ _id: number(300) }, { $set: { n: number(9) } }, { session })
        }),
      )
    }
    const transactions = (async () => {
      while (writing) {
        alone = transaction()
        await alone
        alone = undefined
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()
    const clients: LocalClient[] = []
    for (let i = 0; i < 5; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, number(80)))
      clients.push(await LocalClient.connect(server))
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
    writing = false
    await Promise.all([...writers, transactions])
    // The end is told by the stream itself, as the last of all changes.
    await users.insertOne({ _id: -1, team: 0, n: 0 })
    const last = (root: string) => (one: LocalClient) =>
      one.model[root]?.some(({ _id }) => _id === -1) === true
    await until(
      () => clients.every((one) => one.ready && ['all', 'team'].every((root) => last(root)(one))),
      'all views have the last change',
      20_000,
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    const expected = async (query: object) =>
      (await users.find(query as never).toArray()).map((user) =>
        filterPayload(MANIFEST, documentToJson(user)),
      )
    const [all, team] = [await expected({}), await expected(TEAM)]
    let resets = 0
    for (const one of clients) {
      expectSame(one.model.all ?? [], all)
      expectSame(one.model.team ?? [], team)
      resets += one.of('reset').length
      one.stop()
    }
    await server.disconnect()
    expect(errors).to.deep.equal([])
    await users.deleteMany({})
    return resets
  }

  for (const images of [false, true]) {
    it(`meet exactly, ${images ? 'with' : 'without'} pre-images (${ROUNDS} rounds)`, async function () {
      if (images) {
        await imagesOrSkip(this, client)
        await db.createCollection('users', { changeStreamPreAndPostImages: { enabled: true } })
      }
      const resets: number[] = []
      for (let at = 0; at < ROUNDS; at += 1) resets.push(await round())
      if (process.env.STRESS_ROUNDS) console.log('resets', resets.join(' '))
    }).timeout(ROUNDS * 30_000)
  }
})
