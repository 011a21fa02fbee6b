import { expect } from 'chai'
import { type Db, Long, type MongoClient, ObjectId, UUID } from 'mongodb'
import { Server } from '../../../lib/index.ts'
import { bsonToJson } from '../../../lib/source/mongo/bson.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { eachDatabase } from './database.ts'
import { Copy, freshDatabase, Recorder, readAll } from './fold.ts'

describe('source/mongo/adapter on a real server', () => {
  let client: MongoClient
  let db: Db
  let open: Subscription[]

  eachDatabase((fresh) => {
    client = fresh.client
    db = fresh.db
    open = fresh.open
  })

  async function follow(from?: string) {
    const adapter = mongo(db)
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, from)
    open.push(subscription)
    return { adapter, recorder, subscription }
  }

  /** Reads the collection and waits until the changes have come as far. */
  async function settled(recorder: Recorder, collection: string) {
    const adapter = mongo(db)
    const { documents, to } = await readAll(adapter, collection)
    await recorder.reached(adapter, to)
    return documents
  }

  function expectAscending(recorder: Recorder) {
    const { compare } = mongo(db)
    for (let i = 1; i < recorder.positions.length; i += 1) {
      expect(compare(recorder.positions[i - 1] ?? '', recorder.positions[i] ?? '')).to.be.lessThan(0)
    }
  }

  it('tells of inserts, updates, replacements and deletes so that a copy equals the collection', async () => {
    const { recorder } = await follow()
    const users = db.collection<{ _id: number; [field: string]: unknown }>('users')
    await users.insertMany([
      { _id: 1, list: [1, 2, 3, 4], map: { 0: { a: 1 } }, people: [{ x: 1 }, { x: 2 }] },
      { _id: 2, name: 'b' },
      { _id: 3, name: 'c' },
    ])
    await users.updateOne({ _id: 1 }, {
      $push: { list: 5 },
      $set: { 'map.0.a': 2, 'new.parent': 1 },
    } as never)
    await users.updateOne({ _id: 1 }, { $pull: { list: { $lt: 3 } }, $unset: { 'people.0.x': '' } } as never)
    await users.updateOne({ _id: 1 }, { $set: { 'people.1.x': 9 }, $pop: { list: 1 } } as never)
    await users.replaceOne({ _id: 2 }, { name: 'bb' })
    await users.deleteOne({ _id: 3 })
    const documents = await settled(recorder, 'users')
    const copy = new Copy()
    copy.apply(recorder.changesSeen)
    expect(copy.sorted('users')).to.deep.equal(documents)
    expect(documents).to.deep.equal([
      { _id: 1, list: [3, 4], map: { 0: { a: 2 } }, people: [{}, { x: 9 }], new: { parent: 1 } },
      { _id: 2, name: 'bb' },
    ])
    expectAscending(recorder)
  })
  it('needs the document where a path holds a dot, and sends it whole', async () => {
    const { recorder } = await follow()
    const users = db.collection<{ _id: number; [field: string]: unknown }>('users')
    await users.insertOne({ _id: 1, a: 1 })
    const field = { $setField: { field: 'x[0]', input: '$$ROOT', value: 5 } }
    await users.updateOne({ _id: 1 }, [{ $replaceWith: field }])
    const documents = await settled(recorder, 'users')
    expect(documents).to.deep.equal([{ _id: 1, a: 1, 'x[0]': 5 }])
    expect(recorder.changesSeen.at(-1)).to.deep.include({
      kind: 'replace',
      operations: [{ operation: 'set', path: '.', data: documents[0] }],
    })
  })

  it('tells of a drop, a rename and a dropDatabase', async () => {
    const { adapter, recorder } = await follow()
    await db.collection('a').insertOne({ x: 1 })
    await db.collection('a').rename('b')
    await db.collection('c').insertOne({ x: 1 })
    await db.collection('c').drop()
    await recorder.until(() => recorder.changesSeen.length >= 5)
    const kinds = () => recorder.changesSeen.map(({ kind, collection }) => `${kind} ${collection}`)
    expect(kinds()).to.deep.equal(['insert a', 'clear a', 'reload b', 'insert c', 'clear c'])
    await db.dropDatabase()
    await db.collection('d').insertOne({ x: 2 })
    await recorder.until(() => kinds().at(-1) === 'insert d')
    expect(kinds()).to.include('clear b')
    expectAscending(recorder)
    const copy = new Copy()
    copy.apply(recorder.changesSeen)
    expect(copy.sorted('b')).to.deep.equal([])
    expect(copy.sorted('d')).to.deep.equal((await readAll(adapter, 'd')).documents)
    expect(recorder.errors).to.deep.equal([])
  })

  it('gives the changes of a transaction one cluster time and ascending ordinals', async () => {
    const { recorder } = await follow()
    const users = db.collection<{ _id: number }>('users')
    await users.insertOne({ _id: 0 })
    await client.withSession((session) =>
      session.withTransaction(async () => {
        for (const _id of [1, 2, 3]) await users.insertOne({ _id }, { session })
        await users.deleteOne({ _id: 0 }, { session })
      }),
    )
    await recorder.until(() => recorder.changesSeen.length >= 5)
    const places = recorder.changesSeen.slice(1).map(({ position }) => position.split('.'))
    expect(new Set(places.map(([t, i]) => `${t}.${i}`)).size).to.equal(1)
    expect(places.map(([, , ordinal]) => ordinal)).to.deep.equal(['0', '1', '2', '3'])
  })

  it('replays exactly what follows any position, also one within a transaction', async () => {
    const { recorder } = await follow()
    const users = db.collection<{ _id: number; n?: number }>('users')
    await users.insertMany([1, 2, 3].map((_id) => ({ _id })))
    await client.withSession((session) =>
      session.withTransaction(async () => {
        for (const _id of [4, 5, 6]) await users.insertOne({ _id }, { session })
      }),
    )
    await users.updateMany({}, { $set: { n: 1 } })
    await users.deleteOne({ _id: 2 })
    await settled(recorder, 'users')
    const seen = [...recorder.changesSeen]
    expect(seen).to.have.lengthOf(13)
    for (let index = 0; index < seen.length; index += 1) {
      const from = seen[index]?.position ?? ''
      const { recorder: again, subscription } = await follow(from)
      expect(subscription.position).to.equal(from)
      await again.until(() => again.changesSeen.length >= seen.length - index - 1)
      expect(again.changesSeen).to.deep.equal(seen.slice(index + 1))
      await subscription.close()
    }
  })

  it('opens at its own time where no position or a malformed one is given, and tells nothing of before', async () => {
    await db.collection('users').insertOne({ x: 1 })
    for (const from of [undefined, 'not a position']) {
      const { adapter, recorder, subscription } = await follow(from)
      expect(adapter.compare(subscription.position, subscription.position)).to.equal(0)
      const { insertedId } = await db.collection('users').insertOne({ x: 2 })
      await recorder.until(() => recorder.changesSeen.length > 0)
      expect(recorder.changesSeen.map((change) => 'id' in change && change.id)).to.deep.equal([
        insertedId.toHexString(),
      ])
    }
  })

  it('tells of a write within a fraction of a second, and comes to the end of a read without any write', async () => {
    const { recorder } = await follow()
    const times: number[] = []
    for (let i = 0; i < 10; i += 1) {
      const count = recorder.changesSeen.length
      await new Promise((resolve) => setTimeout(resolve, 20))
      const start = Date.now()
      await db.collection('users').insertOne({ i })
      await recorder.until(() => recorder.changesSeen.length > count)
      times.push(Date.now() - start)
    }
    expect(times.sort((a, b) => a - b)[5], String(times)).to.be.lessThan(150)
    await db.collection('users').countDocuments()
    const start = Date.now()
    await settled(recorder, 'users')
    expect(Date.now() - start).to.be.lessThan(1000)
  })

  it('comes on while only other databases are written to', async () => {
    const { adapter, recorder } = await follow()
    const other = freshDatabase(client)
    await other.collection('noise').insertOne({ x: 1 })
    const { to } = await readAll(adapter, 'users')
    await recorder.reached(adapter, to)
    const position = recorder.position
    await other.collection('noise').insertOne({ x: 2 })
    await recorder.until(() => adapter.compare(recorder.position, position) > 0)
    await other.dropDatabase()
    expect(recorder.changesSeen).to.deep.equal([])
  })

  it('reads what together with the changes is the collection, while it is written to', async () => {
    const { adapter, recorder } = await follow()
    const users = db.collection<{ _id: number; n: number }>('users')
    await users.insertMany(Array.from({ length: 2500 }, (_, _id) => ({ _id, n: 0 })))
    let writing = true
    const writer = (async () => {
      for (let n = 1; writing; n += 1) {
        const at = (n * 7919) % 2500
        await users.bulkWrite([
          { updateOne: { filter: { _id: at }, update: { $inc: { n: 1 } } } },
          { deleteOne: { filter: { _id: at + 1 } } },
          { insertOne: { document: { _id: 10_000 + n, n } } },
        ])
      }
    })()
    const copies: Copy[] = []
    const ranges: { from: string; to: string }[] = []
    for (let i = 0; i < 4; i += 1) {
      const copy = new Copy()
      ranges.push(
        await adapter.read('users', {}, async (documents) => {
          copy.fill('users', documents)
          await new Promise((resolve) => setTimeout(resolve, 10))
        }),
      )
      copies.push(copy)
    }
    writing = false
    await writer
    const documents = await settled(recorder, 'users')
    copies.forEach((copy, i) => {
      const { from = '', to = '' } = ranges[i] ?? {}
      expect(adapter.compare(from, to)).to.be.at.most(0)
      copy.apply(recorder.changesSeen.filter(({ position }) => adapter.compare(position, from) > 0))
      expect(copy.sorted('users')).to.deep.equal(documents)
    })
    expectAscending(recorder)
  })

  it('reads and looks up by ids and dates in their JSON form', async () => {
    const adapter = mongo(db)
    const owner = new ObjectId()
    const at = new Date('2024-05-06T07:08:09.010Z')
    const users = db.collection<{ _id: unknown; [field: string]: unknown }>('users')
    const ids = [new ObjectId(), owner.toHexString(), new UUID(), at, 7, Long.fromString('9007199254740993')]
    await users.insertMany(
      ids.map((_id, n) => ({ _id, n, owner: n % 2 ? owner : owner.toHexString(), at })) as never,
    )
    const found = await adapter.lookup('users', [...ids.map(bsonToJson), 'nobody'])
    expect(found.documents.map(({ n }) => n)).to.have.members([0, 1, 2, 3, 4, 5])
    expect((await adapter.lookup('users', ['7', at.getTime()])).documents).to.deep.equal([])
    const read = async (query: Record<string, unknown>) => {
      const all: unknown[] = []
      await adapter.read('users', query, (documents) => {
        all.push(...documents.map(({ n }) => n))
      })
      return all
    }
    expect(await read({ owner: owner.toHexString() })).to.have.lengthOf(6)
    expect(await read({ at: at.toISOString(), n: { $gte: 3 } })).to.have.members([3, 4, 5])
    expect(await read({ owner: { $ne: owner.toHexString() } })).to.deep.equal([])
    expect(await read({ at: { $gt: '2024-01-01T00:00:00.000Z' } })).to.have.lengthOf(6)
    expect(await read({ at: { $gt: '2024-05-06', $lt: '2024-05-07' } })).to.have.lengthOf(6)
    expect(await read({ at: { $gt: at.toISOString() } })).to.deep.equal([])
    expect(await read({ at: { $not: { $lt: '2025' } } })).to.deep.equal([])
  })

  it('follows by a pipeline that leaves collections out', async () => {
    const adapter = mongo(db, { pipeline: [{ $match: { 'ns.coll': 'users' } }] })
    const recorder = new Recorder()
    open.push(await adapter.open(recorder))
    await db.collection('noise').insertOne({ x: 1 })
    await db.collection('users').insertOne({ x: 1 })
    const { to } = await readAll(adapter, 'users')
    await recorder.reached(adapter, to)
    expect(recorder.changesSeen.map(({ collection }) => collection)).to.deep.equal(['users'])
  })

  it('refuses a collection whose changes its pipeline leaves out', async () => {
    const adapter = mongo(db, { pipeline: [{ $match: { 'ns.coll': 'users' } }] })
    const users = { manifest: true as const, collection: adapter.collection('users') }
    const missed = (name: string) => `leaves out all changes of the collection ${name}`
    expect(() => adapter.collection('teams')).to.throw(missed('teams'))
    expect(() => new Server({ dataSources: { users }, control: true })).to.throw(missed('particle_control'))
    const read = await readAll(adapter, 'teams').catch((error: Error) => error.message)
    expect(read).to.include(missed('teams'))
  })

  it('is the same for the same database of the same client', () => {
    expect(mongo(client.db(db.databaseName))).to.equal(mongo(db))
    expect(mongo(client.db(`${db.databaseName}_2`))).to.not.equal(mongo(db))
    expect(mongo(db).collection('users')).to.deep.equal({ adapter: mongo(db), collectionName: 'users' })
  })

  it('refuses what is no database, and options that it does not know', () => {
    expect(() => mongo({} as Db)).to.throw('database of the MongoDB driver')
    expect(() => mongo(db, { maxAwait: 1 } as object)).to.throw('maxAwait')
    expect(() => mongo(db, { oncePerHost: 1 } as object)).to.throw(
      'oncePerHost must be true, false or the path',
    )
    for (const maxAwaitTimeMS of [Number.NaN, -1, 1.5, 2 ** 31, '200'])
      expect(() => mongo(db, { maxAwaitTimeMS } as object)).to.throw('maxAwaitTimeMS must be a whole number')
    mongo(db)
    expect(() => mongo(db, { oncePerHost: true })).to.throw(
      "'oncePerHost' had another value in the first call",
    )
  })

  it('leaves nothing behind when it is closed, and tells nothing more', async () => {
    const { recorder, subscription } = await follow()
    await db.collection('users').insertOne({ x: 1 })
    await recorder.until(() => recorder.changesSeen.length === 1)
    const start = Date.now()
    await subscription.close()
    await subscription.close()
    expect(Date.now() - start).to.be.lessThan(500)
    const position = recorder.position
    await db.collection('users').insertOne({ x: 2 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(recorder.changesSeen).to.have.lengthOf(1)
    expect(recorder.position).to.equal(position)
    expect(recorder.errors).to.deep.equal([])
  })
})
