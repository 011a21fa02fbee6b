import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { Copy, closeAll, freshDatabase, Recorder, readAll } from './fold.ts'

describe('source/mongo/adapter on a real server', () => {
  let client: MongoClient
  let db: Db
  const open: Subscription[] = []

  before(async function () {
    const server = await mongoOrSkip(this)
    client = new MongoClient(server.url)
  })

  after(() => client?.close())

  beforeEach(() => {
    db = freshDatabase(client)
  })

  afterEach(async () => {
    await closeAll(open)
    await db.dropDatabase()
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
})
