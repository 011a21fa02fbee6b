import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import type { Document } from '../../../lib/model/document.ts'
import { type MemoryCollection, memory } from '../../../lib/source/memory/index.ts'
import type { Change } from '../../../lib/source/source.ts'

/** As an ObjectId does, it has a JSON form. */
class Hex {
  toJSON(): string {
    return 'hex'
  }
}

describe('A collection in memory', () => {
  let users: MemoryCollection
  let changes: Change[]

  beforeEach(async () => {
    const db = memory()
    users = db.collection('users')
    changes = []
    const ignore = () => undefined
    await db.open({ changes: (news) => changes.push(...news), progress: ignore, lost: ignore, error: ignore })
  })

  async function refused(work: Promise<unknown>, code: string): Promise<void> {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(ParticleError).with.property('code', code)
  }

  /** The last change without what differs from run to run. */
  function lastChange(): object {
    const { position, timestamp, ...rest } = changes.at(-1) ?? { position: '', timestamp: '' }
    expect(position).to.match(/^[0-9a-f]{10}-\d+$/)
    expect(new Date(timestamp).toISOString()).to.equal(timestamp)
    return rest
  }

  describe('inserting', () => {
    it('gives a document an _id in the shape of an ObjectId where it has none, as the driver does', async () => {
      const document: Document = { name: 'Ann' }
      const result = await users.insertOne(document)
      expect(result.acknowledged).to.equal(true)
      expect(result.insertedId).to.match(/^[0-9a-f]{24}$/)
      expect(document._id).to.equal(result.insertedId)
      expect(await users.findOne()).to.deep.equal({ _id: result.insertedId, name: 'Ann' })
      await refused(users.insertOne(document), 'DUPLICATE_KEY')
      await users.insertOne(Object.freeze({ name: 'frozen' }))
      expect(await users.countDocuments()).to.equal(2)
    })

    it('reports the document, its _id first', async () => {
      await users.insertOne({ name: 'Ann', _id: 7 })
      const document = { _id: 7, name: 'Ann' }
      expect(lastChange()).to.deep.equal({
        kind: 'insert',
        collection: 'users',
        id: 7,
        operations: [{ operation: 'set', path: '.', data: document }],
        document,
      })
      expect(Object.keys((await users.findOne()) ?? {})).to.deep.equal(['_id', 'name'])
    })

    it('turns values into JSON', async () => {
      const at = new Date(0)
      await users.insertOne({ _id: new Hex(), at, none: undefined, list: [undefined, { at }] })
      const iso = at.toISOString()
      expect(await users.findOne()).to.deep.equal({ _id: 'hex', at: iso, list: [null, { at: iso }] })
      expect(await users.countDocuments({ at, 'list.at': { $lte: at } })).to.equal(1)
      expect(await users.countDocuments({ _id: new Hex() })).to.equal(1)
    })

    it('refuses what is no document, or what no one could take safely', async () => {
      for (const invalid of [
        null,
        5,
        'x',
        [1],
        { _id: [1] },
        { $set: 1 },
        { a: 1n },
        JSON.parse('{"__proto__":{"a":1}}'),
      ]) {
        await refused(Reflect.apply(users.insertOne, users, [invalid]), 'INVALID_OPERATION')
        await refused(Reflect.apply(users.insertMany, users, [[{ ok: true }, invalid]]), 'INVALID_OPERATION')
      }
      expect(await users.countDocuments()).to.equal(0)
      expect(changes).to.deep.equal([])
    })

    it('tells ids of different types apart, and compares objects by value', async () => {
      await users.insertMany([{ _id: 1 }, { _id: '1' }, { _id: { a: 1, b: 2 } }])
      await refused(users.insertOne({ _id: { b: 2, a: 1 } }), 'DUPLICATE_KEY')
      expect(await users.findOne({ _id: '1' })).to.deep.equal({ _id: '1' })
      expect(await users.countDocuments({ _id: { a: 1, b: 2 } })).to.equal(1)
    })

    it('inserts many, up to the first that fails or all that can be', async () => {
      expect(await users.insertMany([{ _id: 1 }, { _id: 2 }])).to.deep.equal({
        acknowledged: true,
        insertedCount: 2,
        insertedIds: { 0: 1, 1: 2 },
      })
      await refused(users.insertMany([{ _id: 3 }, { _id: 2 }, { _id: 4 }]), 'DUPLICATE_KEY')
      expect(await users.countDocuments()).to.equal(3)
      await refused(users.insertMany([{ _id: 2 }, { _id: 4 }], { ordered: false }), 'DUPLICATE_KEY')
      expect(await users.countDocuments()).to.equal(4)
      expect(changes).to.have.length(4)
    })
  })

  describe('updating', () => {
    beforeEach(async () => {
      await users.insertMany([
        { _id: 1, team: 'red', n: 1 },
        { _id: 2, team: 'red', n: 2 },
        { _id: 3, team: 'blue', n: 'three' },
      ])
      changes.length = 0
    })

    it('changes the first that matches, or all, and counts as the driver does', async () => {
      const none = { acknowledged: true, upsertedCount: 0, upsertedId: null }
      const red = { team: 'red' }
      expect(await users.updateOne(red, { $set: { n: 2 } })).to.deep.equal({
        ...none,
        matchedCount: 1,
        modifiedCount: 1,
      })
      expect(await users.updateMany(red, { $set: { n: 2, x: 1 } })).to.deep.equal({
        ...none,
        matchedCount: 2,
        modifiedCount: 2,
      })
      expect(await users.updateMany(red, { $set: { n: 2 } })).to.deep.equal({
        ...none,
        matchedCount: 2,
        modifiedCount: 0,
      })
      expect(await users.updateOne({ _id: 9 }, { $set: { n: 2 } })).to.deep.equal({
        ...none,
        matchedCount: 0,
        modifiedCount: 0,
      })
      expect(changes).to.have.length(3)
    })

    it('reports what it did, with the documents before and after', async () => {
      await users.updateOne({ _id: 1 }, { $inc: { n: 4 }, $set: { at: new Date(0) } })
      expect(lastChange()).to.deep.equal({
        kind: 'update',
        collection: 'users',
        id: 1,
        operations: [
          { operation: 'set', path: 'at', data: '1970-01-01T00:00:00.000Z', keys: ['at'] },
          { operation: 'inc', path: 'n', data: 4, keys: ['n'] },
        ],
        before: { _id: 1, team: 'red', n: 1 },
        document: { _id: 1, team: 'red', n: 5, at: '1970-01-01T00:00:00.000Z' },
      })
    })

    it('keeps and reports what was done before a document that could not be updated', async () => {
      await refused(users.updateMany({}, { $inc: { n: 1 } }), 'INVALID_OPERATION')
      expect((await users.find().toArray()).map(({ n }) => n)).to.deep.equal([2, 3, 'three'])
      expect(changes).to.have.length(2)
    })

    it('refuses an invalid update or query even where nothing matches', async () => {
      await refused(users.updateOne({ _id: 9 }, { n: 1 }), 'INVALID_OPERATION')
      await refused(users.updateOne({ _id: 9 }, { $set: { 'a..b': 1 } }), 'INVALID_PATH')
      await refused(users.updateOne({ n: { $foo: 1 } }, { $set: { n: 1 } }), 'INVALID_QUERY')
      await refused(users.updateOne({ $where: 'true' }, { $set: { n: 1 } }), 'INVALID_QUERY')
      await refused(users.deleteMany({ n: { $foo: 1 } }), 'INVALID_QUERY')
      await refused(users.find({ n: { $foo: 1 } }).toArray(), 'INVALID_QUERY')
      await refused(users.findOne({ n: { $foo: 1 } }), 'INVALID_QUERY')
      await refused(users.countDocuments({ $foo: 1 }), 'INVALID_QUERY')
      expect(changes).to.deep.equal([])
    })

    it('inserts, with upsert, what the query says and the update adds', async () => {
      const result = await users.updateOne(
        { team: 'green', 'sub.a': { $eq: 1 }, $and: [{ by: 'and' }], n: { $gt: 5 }, at: new Date(0) },
        { $set: { name: 'new' }, $setOnInsert: { once: true }, $inc: { count: 2 } },
        { upsert: true },
      )
      expect(result).to.include({ matchedCount: 0, modifiedCount: 0, upsertedCount: 1 })
      const document = await users.findOne({ team: 'green' })
      expect(document).to.deep.equal({
        _id: result.upsertedId,
        team: 'green',
        sub: { a: 1 },
        by: 'and',
        at: '1970-01-01T00:00:00.000Z',
        name: 'new',
        once: true,
        count: 2,
      })
      expect(result.upsertedId).to.match(/^[0-9a-f]{24}$/)
      expect(lastChange()).to.deep.include({ kind: 'insert', document })
      await users.updateOne({ team: 'green' }, { $setOnInsert: { once: false } }, { upsert: true })
      expect(await users.findOne({ team: 'green' })).to.have.property('once', true)
    })

    it('takes the _id of an upsert from the query or the update', async () => {
      const upsert = { upsert: true }
      expect((await users.updateOne({ _id: 8 }, { $set: { n: 1 } }, upsert)).upsertedId).to.equal(8)
      expect((await users.updateOne({ n: 'x' }, { $set: { _id: 9 } }, upsert)).upsertedId).to.equal(9)
      expect((await users.updateMany({ n: 'y' }, { $setOnInsert: { _id: 10 } }, upsert)).upsertedId).to.equal(
        10,
      )
      await refused(users.updateOne({ _id: 1, n: 'z' }, { $set: { a: 1 } }, upsert), 'DUPLICATE_KEY')
      await refused(users.updateOne({ _id: 11 }, { $set: { _id: 12 } }, upsert), 'INVALID_OPERATION')
    })

    it('replaces all but the _id, and keeps the place', async () => {
      const before = { _id: 1, team: 'red', n: 1 }
      const document = { _id: 1, name: 'other' }
      expect(await users.replaceOne({ team: 'red' }, { name: 'other' })).to.include({
        matchedCount: 1,
        modifiedCount: 1,
      })
      expect(lastChange()).to.deep.equal({
        kind: 'update',
        collection: 'users',
        id: 1,
        operations: [
          { operation: 'unset', path: 'team' },
          { operation: 'unset', path: 'n' },
          { operation: 'set', path: 'name', data: 'other' },
        ],
        before,
        document,
      })
      expect((await users.find().toArray()).map(({ _id }) => _id)).to.deep.equal([1, 2, 3])
      expect(await users.replaceOne({ _id: 1 }, document)).to.include({ matchedCount: 1, modifiedCount: 0 })
      await refused(users.replaceOne({ _id: 1 }, { $set: { n: 1 } }), 'INVALID_OPERATION')
      await refused(users.replaceOne({ _id: 1 }, { _id: 2 }), 'INVALID_OPERATION')
      expect(await users.replaceOne({ _id: 5 }, { a: 1 })).to.include({ matchedCount: 0, upsertedId: null })
      expect(await users.replaceOne({ _id: 5 }, { a: 1 }, { upsert: true })).to.include({
        upsertedId: 5,
        upsertedCount: 1,
      })
      await refused(users.replaceOne({ _id: 6 }, { _id: 7 }, { upsert: true }), 'INVALID_OPERATION')
      expect(changes).to.have.length(2)
    })
  })

  describe('deleting', () => {
    it('removes the first that matches, or all, and reports each', async () => {
      await users.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }])
      expect(await users.deleteOne({})).to.deep.equal({ acknowledged: true, deletedCount: 1 })
      expect(lastChange()).to.deep.equal({
        kind: 'delete',
        collection: 'users',
        id: 1,
        operations: [{ operation: 'unset', path: '.' }],
        before: { _id: 1 },
      })
      expect(await users.deleteMany({})).to.deep.equal({ acknowledged: true, deletedCount: 2 })
      expect(await users.deleteMany({})).to.deep.equal({ acknowledged: true, deletedCount: 0 })
    })

    it('drops everything at once, and says so only where there was something', async () => {
      await users.insertOne({ _id: 1 })
      expect(await users.drop()).to.equal(true)
      expect(await users.drop()).to.equal(true)
      expect(lastChange()).to.deep.equal({ kind: 'clear', collection: 'users' })
      expect(changes).to.have.length(2)
    })
  })

  describe('finding', () => {
    beforeEach(async () => {
      await users.insertMany([
        { _id: 1, name: 'Cy', age: 30, tags: ['a', 'b'], sub: { x: 1, y: 2 } },
        { _id: 2, name: 'Ann', age: 40, tags: [] },
        { _id: 3, name: 'Bo', age: 30, tags: ['b'] },
      ])
    })

    const ids = (documents: Document[]) => documents.map(({ _id }) => _id)

    it('sorts, skips, limits and projects, by options or by methods', async () => {
      expect(ids(await users.find().sort({ age: 1, name: 1 }).toArray())).to.deep.equal([3, 1, 2])
      expect(ids(await users.find().sort('name', -1).toArray())).to.deep.equal([1, 3, 2])
      expect(
        ids(
          await users
            .find()
            .sort([
              ['age', 'desc'],
              ['_id', -1],
            ])
            .toArray(),
        ),
      ).to.deep.equal([2, 3, 1])
      expect(ids(await users.find().skip(1).limit(1).toArray())).to.deep.equal([2])
      expect(ids(await users.find({}, { sort: { name: 1 }, skip: 1, limit: 0 }).toArray())).to.deep.equal([
        3, 1,
      ])
      expect(await users.find({ _id: 1 }).project({ name: 1, 'sub.x': 1 }).toArray()).to.deep.equal([
        { _id: 1, name: 'Cy', sub: { x: 1 } },
      ])
      expect(
        await users.findOne({ age: 30 }, { sort: { name: 1 }, projection: { _id: 0, name: 1 } }),
      ).to.deep.equal({
        name: 'Bo',
      })
      expect(await users.find({ _id: 2 }).project({ tags: 0, age: 0 }).toArray()).to.deep.equal([
        { _id: 2, name: 'Ann' },
      ])
      // A projected sort must see the fields that the projection leaves out.
      expect(await users.find().sort({ name: 1 }).project({ age: 1, _id: 0 }).toArray()).to.deep.equal([
        { age: 40 },
        { age: 30 },
        { age: 30 },
      ])
    })

    it('finds by queries as MongoDB does', async () => {
      const queries: [Record<string, unknown>, number[]][] = [
        [{}, [1, 2, 3]],
        [{ _id: 2 }, [2]],
        [{ _id: '2' }, []],
        [{ _id: { $in: [3, 1] } }, [1, 3]],
        [{ _id: { $eq: 3 } }, [3]],
        [{ _id: 2, age: 30 }, []],
        [{ _id: { $ne: 2 } }, [1, 3]],
        [{ _id: null }, []],
        [{ tags: 'b' }, [1, 3]],
        [{ tags: { $size: 0 } }, [2]],
        [{ name: /^b/i }, [3]],
        [{ 'sub.x': { $exists: true } }, [1]],
        [{ sub: { x: 1, y: 2 } }, [1]],
        [{ $or: [{ name: 'Cy' }, { age: { $gt: 35 } }] }, [1, 2]],
      ]
      for (const [query, expected] of queries) {
        expect(ids(await users.find(query).toArray()), JSON.stringify(query)).to.deep.equal(expected)
        expect(await users.countDocuments(query)).to.equal(expected.length)
      }
    })

    it('gives null for nothing', async () => {
      expect(await users.findOne({ _id: 9 })).to.equal(null)
    })

    it('can be iterated', async () => {
      const found: Document[] = []
      for await (const document of users.find().sort({ name: 1 })) found.push(document)
      expect(ids(found)).to.deep.equal([2, 3, 1])
      const cursor = users.find()
      expect(await cursor.hasNext()).to.equal(true)
      expect((await cursor.next())?._id).to.equal(1)
      expect(ids(await cursor.toArray())).to.deep.equal([2, 3])
      expect(await cursor.hasNext()).to.equal(false)
      expect(await cursor.next()).to.equal(null)
    })

    it('refuses queries, orders, ranges and projections that make no sense', async () => {
      await refused(users.find().skip(-1).toArray(), 'INVALID_QUERY')
      await refused(users.find().limit(1.5).toArray(), 'INVALID_QUERY')
      for (const query of [null, 5, 'x', []]) {
        await refused(Reflect.apply(users.find, users, [query]).toArray(), 'INVALID_QUERY')
        await refused(Reflect.apply(users.deleteMany, users, [query]), 'INVALID_QUERY')
      }
      await refused(Reflect.apply(users.findOne, users, [{}, { sort: { name: 2 } }]), 'INVALID_QUERY')
      await refused(users.find().project({ name: 1, age: 0 }).toArray(), 'INVALID_QUERY')
    })
  })

  it('updates by _id without a scan', async () => {
    const count = 50_000
    await users.insertMany(Array.from({ length: count }, (_, id) => ({ _id: id, n: 0 })))
    const start = performance.now()
    for (let index = 0; index < 2000; index++)
      await users.updateOne({ _id: (index * 7919) % count }, { $inc: { n: 1 } })
    // A scan of 50,000 documents takes some milliseconds each, hence 2,000 of them many seconds.
    expect(performance.now() - start).to.be.below(2000)
  })
})
