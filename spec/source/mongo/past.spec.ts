import { expect } from 'chai'
import { type Db, MongoClient, ObjectId } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../../support/mongod.ts'
import { closeAll, freshDatabase, Recorder, readAll } from './fold.ts'

type User = { _id: number; n: number }

describe('source/mongo on several nodes', () => {
  let server: MongoServer
  let one: MongoClient
  let two: MongoClient
  let db: Db
  const open: Subscription[] = []

  before(async function () {
    // One of its own: SecantusDB reads its whole oplog to find a place by time.
    server = await mongoOrSkip(this, startMongo)
    const { url } = server
    one = new MongoClient(url)
    two = new MongoClient(url)
  })

  after(async () => {
    await one?.close()
    await two?.close()
    await server?.stop()
  })

  beforeEach(() => {
    db = freshDatabase(one)
  })

  afterEach(async () => {
    await closeAll(open)
    await db.dropDatabase()
  })

  /** Follows the database as the process of that client would. */
  async function follow(client: MongoClient, from?: string) {
    const adapter = mongo(client.db(db.databaseName))
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, from)
    open.push(subscription)
    return { adapter, recorder, subscription }
  }

  async function write() {
    const users = db.collection<User>('users')
    await users.insertMany(Array.from({ length: 120 }, (_, _id) => ({ _id, n: 0 })))
    await one.withSession((session) =>
      session.withTransaction(async () => {
        for (let _id = 0; _id < 30; _id += 1)
          await users.updateOne({ _id }, { $set: { n: _id } }, { session })
        await db.collection<User>('teams').insertOne({ _id: 1, n: 1 }, { session })
        await users.deleteMany({ _id: { $gte: 20, $lt: 30 } }, { session })
      }),
    )
    await users.updateMany({}, { $set: { n: 7 } })
    await db.collection('teams').rename('groups')
    await users.deleteMany({ _id: { $gt: 60 } })
  }

  it('tells the same at the same positions on a node that started in the past', async () => {
    const { adapter, recorder } = await follow(one)
    await write()
    const { to } = await readAll(adapter, 'users')
    await recorder.reached(adapter, to)
    const past = await mongo(two.db(db.databaseName)).past(60_000)
    const { recorder: late, subscription } = await follow(two, past)
    expect(subscription.position).to.equal(past)
    expect(adapter.compare(subscription.head ?? '', to)).to.be.at.least(0)
    await late.reached(adapter, to)
    expect(recorder.changesSeen).to.have.length.above(300)
    expect(late.changesSeen).to.deep.equal(recorder.changesSeen)
  }).timeout(60_000)

  it('resumes on the one what the other told, at any position', async () => {
    const { recorder } = await follow(one)
    await write()
    await recorder.until(() => recorder.changesSeen.at(-1)?.kind === 'delete')
    const { adapter, subscription } = await follow(two)
    const { to } = await readAll(adapter, 'users')
    await recorder.reached(adapter, to)
    await subscription.close()
    const seen = recorder.changesSeen
    const middle = seen.findIndex(({ transaction }) => transaction !== undefined)
    for (const index of [
      0,
      100,
      middle - 1,
      middle,
      middle + 1,
      middle + 15,
      middle + 40,
      200,
      seen.length - 2,
    ]) {
      const from = seen[index]?.position ?? ''
      const again = await follow(two, from)
      expect(again.subscription.position).to.equal(from)
      await again.recorder.reached(adapter, to)
      expect(again.recorder.changesSeen, `from ${index}`).to.deep.equal(seen.slice(index + 1))
      await again.subscription.close()
    }
  }).timeout(60_000)

  it('tells everything from the past on while it is written to', async () => {
    const users = db.collection<User>('users')
    let writing = true
    const writer = (async () => {
      for (let _id = 0; writing; _id += 1) await users.insertOne({ _id, n: 0 })
    })()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const { recorder } = await follow(two, await mongo(two.db(db.databaseName)).past(60_000))
    await new Promise((resolve) => setTimeout(resolve, 300))
    writing = false
    await writer
    const count = await users.countDocuments()
    await recorder.until(() => recorder.changesSeen.length >= count)
    expect(recorder.changesSeen.map((change) => 'id' in change && change.id)).to.deep.equal(
      Array.from({ length: count }, (_, _id) => _id),
    )
  })

  it('takes a position of the future for none of its own', async () => {
    const { adapter, recorder, subscription } = await follow(one, '4000000000.1.4294967295')
    expect(adapter.compare(subscription.position, '4000000000.1.0')).to.be.lessThan(0)
    await db.collection('users').insertOne({ n: 1 })
    await recorder.until(() => recorder.changesSeen.length === 1)
  })

  it('is a store by the names of its database and its pipeline', () => {
    const { databaseName } = db
    const narrowed = (pipeline: object[]) =>
      mongo(one.db(`${databaseName}_${new ObjectId()}`), { pipeline }).store
    expect(mongo(db).store).to.equal(databaseName)
    expect(mongo(two.db(databaseName)).store).to.equal(databaseName)
    const stores = [/^users/, /^users/i, 'users'].map((coll) => narrowed([{ $match: { 'ns.coll': coll } }]))
    const pipelines = stores.map((store) => store?.split(' ')[1])
    expect(new Set(pipelines).size).to.equal(3)
    expect(pipelines[2]).to.equal('[{"$match":{"ns.coll":"users"}}]')
  })

  describe('(whose history is short)', () => {
    let server: MongoServer
    let client: MongoClient

    before(async function () {
      const args = ['--oplog-max-entries', '50']
      server = await mongoOrSkip(this, () => startMongo({ args }))
      client = new MongoClient(server.url)
    })

    after(async () => {
      await client?.close()
      await server?.stop()
    })

    it('starts no earlier than its history, and from now where a position is older', async () => {
      const short = freshDatabase(client)
      const adapter = mongo(short)
      const users = short.collection<User>('users')
      const begin = new Recorder()
      const first = await adapter.open(begin)
      await users.insertMany(Array.from({ length: 1200 }, (_, _id) => ({ _id, n: 0 })))
      await begin.until(() => begin.changesSeen.length === 1200)
      await client.db('admin').command({ 'secantusAdmin.pruneOplog': 1 })
      await first.close()

      const recorder = new Recorder()
      const past = await adapter.past(60_000)
      const subscription = await adapter.open(recorder, past)
      open.push(subscription)
      expect(subscription.position).to.equal(past)
      await recorder.until(() => (recorder.changesSeen.at(-1) as { id?: unknown } | undefined)?.id === 1199)
      const told = recorder.changesSeen
      expect(told.length).to.be.within(10, 1199)
      expect(told).to.deep.equal(begin.changesSeen.slice(-told.length))
      // The very next position before is not in the history any more, or at least its follower is not known to be.
      for (const from of [begin.changesSeen[0]?.position, begin.changesSeen.at(-told.length - 2)?.position]) {
        const late = new Recorder()
        const now = await adapter.open(late, from)
        open.push(now)
        expect(adapter.compare(now.position, told.at(-1)?.position ?? '')).to.be.at.least(0)
      }
    }).timeout(60_000)
  })
})
