import { expect } from 'chai'
import { Query as Mingo } from 'mingo'
import type { Document } from '../../../lib/model/document.ts'
import { filterDelta } from '../../../lib/policy/manifest.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Change } from '../../../lib/source/source.ts'

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'none',
    (error: { code?: string }) => error.code,
  )
}

describe('A collection in memory, as people move with it', () => {
  const people = [
    { _id: 1, name: 'Ada', age: 36, tags: ['a', 'b'], address: { city: 'London', zip: 1 } },
    { _id: 2, name: 'Bob', age: 20, tags: ['b'], address: { city: 'Paris', zip: 2 } },
    { _id: 3, name: 'Cleo', age: 20, tags: [], address: { city: 'London', zip: 3 } },
  ]
  let db: ReturnType<typeof memory>
  let users: ReturnType<typeof db.collection>
  let changes: Change[]

  beforeEach(async () => {
    db = memory()
    users = db.collection('users')
    await users.insertMany(structuredClone(people))
    changes = []
    await db.open({ changes: (news: readonly Change[]) => void changes.push(...news) } as never)
  })

  it('finds and updates one: before by default, after where it is asked for, by order and projection', async () => {
    expect(await users.findOneAndUpdate({ _id: 1 }, { $inc: { age: 1 } })).to.deep.equal(people[0])
    expect(
      await users.findOneAndUpdate(
        { age: 20 },
        { $set: { seen: true } },
        { sort: { name: -1 }, returnDocument: 'after', projection: { name: 1, seen: 1 } },
      ),
    ).to.deep.equal({ _id: 3, name: 'Cleo', seen: true })
    expect(await users.findOneAndUpdate({ _id: 9 }, { $set: { a: 1 } })).to.equal(null)
    expect(changes.length).to.equal(2)
  })

  it('upserts by it: null before, the new document after', async () => {
    expect(await users.findOneAndUpdate({ _id: 8 }, { $set: { a: 1 } }, { upsert: true })).to.equal(null)
    expect(
      await users.findOneAndUpdate({ _id: 9 }, { $set: { a: 1 } }, { upsert: true, returnDocument: 'after' }),
    ).to.deep.equal({ _id: 9, a: 1 })
    const made = await users.findOneAndReplace(
      { name: 'x' },
      { b: 1 },
      { upsert: true, returnDocument: 'after' },
    )
    expect(made).to.include({ b: 1 })
    expect(made?._id).to.match(/^[0-9a-f]{24}$/)
  })

  it('finds and replaces or deletes one', async () => {
    expect(
      await users.findOneAndReplace({ _id: 1 }, { name: 'A' }, { returnDocument: 'after' }),
    ).to.deep.equal({
      _id: 1,
      name: 'A',
    })
    expect(
      await users.findOneAndDelete({ age: 20 }, { sort: { name: -1 }, projection: { _id: 0, name: 1 } }),
    ).to.deep.equal({ name: 'Cleo' })
    expect(await users.findOneAndDelete({ _id: 3 })).to.equal(null)
    expect(await users.countDocuments()).to.equal(2)
  })

  it('refuses a projection, an order or a returnDocument that is wrong before it writes', async () => {
    const set = { $set: { age: 1 } }
    for (const options of [{ projection: { a: 1, b: 0 } }, { sort: { a: 5 } }, { returnDocument: 'new' }])
      expect(await rejection(users.findOneAndUpdate({ _id: 1 }, set, options as never))).to.be.oneOf([
        'INVALID_QUERY',
        'INVALID_OPERATION',
      ])
    expect(changes).to.deep.equal([])
  })

  it("does several writes in one go, with the driver's result", async () => {
    const result = await users.bulkWrite([
      { insertOne: { document: { _id: 4, age: 1 } } },
      { updateOne: { filter: { _id: 7 }, update: { $set: { a: 1 } }, upsert: true } },
      { updateMany: { filter: { age: 20 }, update: { $inc: { age: 1 } } } },
      { replaceOne: { filter: { _id: 1 }, replacement: { name: 'A' } } },
      { deleteOne: { filter: { _id: 2 } } },
      { deleteMany: { filter: { age: { $gt: 0 } } } },
    ])
    expect(result).to.deep.equal({
      ok: 1,
      insertedCount: 1,
      matchedCount: 3,
      modifiedCount: 3,
      deletedCount: 3,
      upsertedCount: 1,
      insertedIds: { 0: 4 },
      upsertedIds: { 1: 7 },
    })
  })

  it('stops several writes at the first that fails, or does all that can be done', async () => {
    const writes = [1, 10].map((_id) => ({ insertOne: { document: { _id } } }))
    expect(await rejection(users.bulkWrite(writes))).to.equal('DUPLICATE_KEY')
    expect(await users.countDocuments()).to.equal(3)
    expect(await rejection(users.bulkWrite(writes, { ordered: false }))).to.equal('DUPLICATE_KEY')
    expect(await users.countDocuments()).to.equal(4)
    for (const bad of [[], [{}], [{ insert: {} }], [{ insertOne: 1 }], 1, [{ insertOne: {}, deleteOne: {} }]])
      expect(await rejection(users.bulkWrite(bad as never))).to.equal('INVALID_OPERATION')
  })

  it('counts and tells different values', async () => {
    expect(await users.countDocuments({ age: 20 })).to.equal(2)
    expect(await users.countDocuments({}, { skip: 1, limit: 5 })).to.equal(2)
    expect(await users.estimatedDocumentCount()).to.equal(3)
    expect(await users.distinct('age')).to.deep.equal([20, 36])
    expect(await users.distinct('tags')).to.deep.equal(['a', 'b'])
    expect(await users.distinct('address.city', { age: 20 })).to.deep.equal(['London', 'Paris'])
    expect(await users.distinct('nothing')).to.deep.equal([])
  })

  it('updates the first by an order', async () => {
    await users.updateOne({ age: 20 }, { $set: { first: 1 } }, { sort: { name: -1 } })
    expect(await users.findOne({ first: 1 }, { projection: { _id: 1 } })).to.deep.equal({ _id: 3 })
  })

  const projections: Record<string, unknown>[] = [
    { name: 1 },
    { _id: 1 },
    { _id: 0 },
    { _id: 0, name: 1, 'address.city': 1 },
    { name: 0, 'address.zip': 0 },
    { 'list.a': 1 },
    { 'list.a': 0 },
  ]
  for (const projection of projections) {
    it(`projects ${JSON.stringify(projection)} as mingo does`, async () => {
      await users.insertOne({
        _id: 5,
        name: 'D',
        list: [{ a: 1, b: 2 }, { b: 3 }],
        address: { zip: 1, city: 'x' },
      })
      const all = await users.find().toArray()
      expect(await users.find({}, { projection }).toArray()).to.deep.equal(
        new Mingo({}).find<Document>(all, projection as never).all(),
      )
    })
  }

  it('cuts lists, beside all other fields or those that are named', async () => {
    const read = (projection: Record<string, unknown>) => users.findOne({ _id: 1 }, { projection })
    expect(await read({ tags: { $slice: 1 } })).to.deep.equal({ ...people[0], tags: ['a'] })
    expect(await read({ tags: { $slice: -1 } })).to.deep.equal({ ...people[0], tags: ['b'] })
    expect(await read({ tags: { $slice: [1, 1] }, name: 1 })).to.deep.equal({
      _id: 1,
      name: 'Ada',
      tags: ['b'],
    })
  })

  const refused: unknown[] = [
    { a: 1, b: 0 },
    { a: 'x' },
    { a: '$b' },
    { a: {} },
    { a: { $slice: 'x' } },
    { a: { $slice: [1, 0] } },
    { a: { $foo: 1 } },
    { a: 1, 'a.b': 1 },
    { 'a.b': 1, a: 1 },
    { 'a.$': 1 },
    { '': 1 },
  ]
  for (const projection of refused) {
    it(`refuses to project ${JSON.stringify(projection)}`, async () => {
      expect(await rejection(users.find({}, { projection: projection as never }).toArray())).to.equal(
        'INVALID_QUERY',
      )
    })
  }

  it('gives the first element that matches, of each list', async () => {
    await users.insertOne({ _id: 5, list: [{ a: 1 }, { a: 2, b: 1 }, { a: 2, b: 2 }] })
    expect(await users.findOne({ _id: 5 }, { projection: { list: { $elemMatch: { a: 2 } } } })).to.deep.equal(
      {
        _id: 5,
        list: [{ a: 2, b: 1 }],
      },
    )
  })

  describe('tells those who see a part of a document nothing', () => {
    const manifest = { shown: true as const, o: { a: true as const }, list: { a: true as const } }
    const document = { _id: 5, shown: 1, hidden: 1, o: { a: 1, secret: 1 }, list: [{ a: 1, secret: 1 }] }
    const writes: Record<string, () => Promise<unknown>> = {
      'of a replacement by the same': () => users.replaceOne({ _id: 5 }, document),
      'of a replacement of a hidden field': () => users.replaceOne({ _id: 5 }, { ...document, hidden: 2 }),
      'of a replacement of hidden parts': () =>
        users.replaceOne({ _id: 5 }, { ...document, o: { a: 1, secret: 2 }, list: [{ a: 1, secret: 2 }] }),
      'of a found one that is replaced so': () =>
        users.findOneAndReplace({ _id: 5 }, { ...document, hidden: 2 }),
      'of an object that is set with another hidden part': () =>
        users.updateOne({ _id: 5 }, { $set: { o: { a: 1, secret: 2 } } }),
      'of a list that is set with another hidden part': () =>
        users.updateOne({ _id: 5 }, { $set: { list: [{ a: 1, secret: 2 }] } }),
      'of an element that is set with another hidden part': () =>
        users.updateOne({ _id: 5 }, { $set: { 'list.0': { a: 1, secret: 2 } } }),
      'of a hidden part of all elements': () =>
        users.updateOne({ _id: 5 }, { $set: { 'list.$[].secret': 2 } }),
      'of an update that comes to nothing': () =>
        users.updateOne({ _id: 5 }, { $set: { shown: 1 }, $inc: { hidden: 0 } }),
    }
    for (const [name, write] of Object.entries(writes)) {
      it(name, async () => {
        await users.insertOne(structuredClone(document))
        changes.length = 0
        await write()
        const told = changes.map((change) => {
          if (!('id' in change)) return change
          const oplist = change.operations.map((operation) => ({ ...operation, id: change.id }))
          return filterDelta(manifest, oplist, () => change.document)
        })
        expect(told.flat()).to.deep.equal([])
      })
    }
  })

  it('updates 10 times the fields in less than 20 times the time', async () => {
    const time = async (count: number) => {
      const names = Array.from({ length: count }, (_, index) => `o.f${index}`)
      const best: number[] = []
      for (const round of [1, 2, 3]) {
        await users.insertOne({ _id: `${count}-${round}`, o: {} })
        const began = performance.now()
        await users.updateOne(
          { _id: `${count}-${round}` },
          { $set: Object.fromEntries(names.map((name) => [name, 1])) },
        )
        best.push(performance.now() - began)
      }
      return Math.max(Math.min(...best), 50)
    }
    const small = await time(500)
    expect((await time(5_000)) / small).to.be.below(20)
  })
})
