import { expect } from 'chai'
import fc from 'fast-check'
import {
  Binary,
  type Document as BsonDocument,
  Decimal128,
  Double,
  Long,
  MongoClient,
  ObjectId,
  Timestamp,
} from 'mongodb'
import type { Document } from '../../../lib/model/document.ts'
import { parseSortLimit } from '../../../lib/policy/order.ts'
import { Server } from '../../../lib/server/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { LocalClient, until } from '../../support/local.ts'
import { mongoOrSkip } from '../../support/mongod.ts'

/** Values whose order is the same in BSON and in JSON. */
const VALUES: unknown[] = [
  null,
  undefined,
  -1.5,
  0,
  7,
  Long.fromNumber(8),
  '',
  'a',
  'B',
  'é',
  '￿',
  '😀',
  true,
  false,
]
/**
 * Values with a structure, which MongoDB's `sort` looks into. (Not here: an array of which an element lacks the field. MongoDB takes null for that, SecantusDB nothing.)
 */
const STRUCTURES: unknown[] = [
  [],
  [3],
  [1, 9],
  [null, 'b'],
  { b: 2 },
  { b: null },
  { c: 1 },
  [{ b: 1 }, { b: 8 }],
]

describe('source/mongo/order', () => {
  let client: MongoClient
  let count = 0

  before(async function () {
    const server = await mongoOrSkip(this)
    client = await new MongoClient(server.url).connect()
  })
  after(async () => await client?.close())

  const database = () => client.db(`order${++count}`)

  for (const [what, sort] of [
    ['ascending', { a: 1 }],
    ['descending', { a: -1 }],
    ['below a field', { 'a.b': 1 }],
    ['below a field, descending', { 'a.b': -1 }],
    ['by two keys', { b: -1, a: 1 }],
  ] as [string, Record<string, 1 | -1>][]) {
    it(`is the order of documents on the server: ${what}`, async () => {
      const db = database()
      const values = [...VALUES, ...STRUCTURES]
      await db
        .collection<BsonDocument>('all')
        .insertMany(values.map((a, _id) => ({ _id, ...(a === undefined ? {} : { a }), b: _id % 3 }) as never))
      const theirs = await db
        .collection('all')
        .find()
        .sort({ ...sort, _id: 1 })
        .toArray()
      const order = parseSortLimit(sort, undefined, 'source')?.order
      const documents = JSON.parse(JSON.stringify(theirs)) as Document[]
      const ours = documents
        .map((document) => ({ document, values: order?.valuesOf(document) ?? [] }))
        .sort((a, b) => order?.compare(a.values, b.values) ?? 0)
        .map(({ document }) => document)
      expect(ours).to.deep.equal(documents)
    })
  }

  describe('of the first documents', () => {
    const read = async (values: unknown[], sort: Record<string, 1 | -1>, limit = 2) => {
      const db = database()
      await db
        .collection<BsonDocument>('all')
        .insertMany(values.map((a, index) => ({ _id: index as never, a })))
      const got: Document[] = []
      await mongo(db).read('all', {}, (documents) => void got.push(...documents), {
        sort: parseSortLimit(sort, undefined, 'source')?.order.keys ?? [],
        limit,
      })
      return got.map(({ _id }) => _id)
    }
    const date = (day: number) => new Date(Date.UTC(2024, 1, day))
    const id = (last: string) => new ObjectId(`5f0c3a1b2c3d4e5f6071829${last}`)

    for (const [what, values, ascending, descending] of [
      ['numbers', [3, 1, 2, 4.5], [1, 2], [3, 0]],
      ['texts and booleans', ['b', true, 'a', 'c'], [2, 0], [1, 3]],
      ['dates', [date(3), date(1), date(2), null], [3, 1], [0, 2]],
      ['ObjectIds', [id('3'), id('1'), id('2'), 5], [3, 1], [0, 2]],
    ] as [string, unknown[], number[], number[]][]) {
      it(`reads no more than are wanted of ${what}`, async () => {
        expect(await read(values, { a: 1 })).to.deep.equal(ascending)
        expect(await read(values, { a: -1 })).to.deep.equal(descending)
      })
    }

    for (const [what, values] of [
      ['dates among texts', [date(1), date(2), date(3), 'x']],
      ['ObjectIds among texts', [id('1'), id('2'), id('3'), 'x']],
      ['dates among ObjectIds', [date(1), date(2), date(3), id('1')]],
      ['dates among booleans', [date(1), date(2), date(3), true]],
      ['decimals', [1, 2, 3, Decimal128.fromString('2.5')]],
      ['binaries', ['a', 'b', 'c', new Binary(Buffer.from([1]), 0)]],
      ['UUIDs', ['a', 'b', 'c', new Binary(Buffer.alloc(16, 1), 4)]],
      ['timestamps', [1, 2, 3, new Timestamp({ t: 1, i: 1 })]],
      ['large integers', [1, 2, 3, Long.fromString('9007199254740993')]],
      ['infinities', [1, 2, 3, new Double(Number.POSITIVE_INFINITY)]],
      ['not a number', [1, 2, 3, new Double(Number.NaN)]],
      ['arrays', [1, 2, 3, [2]]],
      ['objects', ['a', 'b', 'c', { b: 1 }]],
    ] as [string, unknown[]][]) {
      it(`reads all where there are ${what}`, async () => {
        for (const direction of [1, -1] as const)
          expect((await read(values, { a: direction })).sort()).to.deep.equal([0, 1, 2, 3])
      })
    }

    it('reads all where a path leads through an array', async () => {
      expect((await read([{ b: 1 }, { b: 2 }, { b: 3 }, [{ b: 0 }]], { 'a.b': 1 })).sort()).to.deep.equal([
        0, 1, 2, 3,
      ])
      expect(await read([{ b: 1 }, { b: 2 }, { b: 3 }, { c: 0 }], { 'a.b': 1 })).to.deep.equal([3, 0])
    })

    it('reads all where the filter finds too much', async () => {
      const db = database()
      await db
        .collection<BsonDocument>('all')
        .insertMany(
          [1, 2, 3, 4].map((n) => ({ _id: n as never, a: n === 1 ? Decimal128.fromString('5') : 5, n })),
        )
      const got: unknown[] = []
      const keys = parseSortLimit({ n: 1 }, undefined, 'source')?.order.keys ?? []
      await mongo(db).read(
        'all',
        { a: 5 },
        (documents) => void got.push(...documents.map(({ _id }) => _id)),
        { sort: keys, limit: 2 },
      )
      expect(got).to.deep.equal([2, 3, 4])
    })
  })

  it('is kept for clients under random writes, with no reset', async function () {
    this.timeout(60_000)
    const db = database()
    const messages = db.collection<BsonDocument>('messages')
    await messages.insertMany(
      Array.from({ length: 60 }, (_, n) => ({
        _id: n as never,
        at: new Date(n * 1000),
        room: n % 3 ? 'a' : 'b',
        text: '',
      })),
    )
    const errors: Error[] = []
    const source = {
      manifest: { text: true, at: true } as const,
      collection: mongo(db).collection('messages'),
      sort: { at: -1 } as const,
    }
    const server = new Server({
      dataSources: {
        all: { ...source, limit: 5 },
        room: { ...source, limit: 3, criteria: { room: 'a' } },
        whole: { ...source, sort: { room: 1, at: -1 } as const },
      },
      onError: (error) => errors.push(error),
    })
    const local = [await LocalClient.connect(server)]
    const text = (found: BsonDocument[] | undefined) =>
      JSON.stringify(found?.map(({ _id, at, text: words }) => ({ _id, at, text: words })) ?? [])
    const truth = async () => ({
      all: text(await messages.find().sort({ at: -1, _id: 1 }).limit(5).toArray()),
      room: text(await messages.find({ room: 'a' }).sort({ at: -1, _id: 1 }).limit(3).toArray()),
      whole: text(await messages.find().sort({ room: 1, at: -1, _id: 1 }).toArray()),
    })
    const modelOf = (client: LocalClient) => ({
      all: text(client.model.all),
      room: text(client.model.room),
      whole: text(client.model.whole),
    })
    try {
      for (let round = 0; round < 6; round++) {
        for (const [n, kind] of fc.sample(fc.tuple(fc.nat(70), fc.nat(5)), 40)) {
          const which = { _id: n as never }
          const at = new Date((n * 37 + round * 11) % 71000)
          if (kind === 0) await messages.deleteOne(which)
          else if (kind === 1)
            await messages.replaceOne(which, { at, room: 'a', text: `r${round}` }, { upsert: true })
          else if (kind === 2) await messages.updateOne(which, { $set: { at } })
          else if (kind === 3) await messages.updateOne(which, { $set: { room: n % 2 ? 'a' : 'b' } })
          else if (kind === 4) await messages.updateOne(which, { $set: { text: `t${round}` } })
          else await messages.deleteOne((await messages.find().sort({ at: -1 }).limit(1).next()) ?? which)
        }
        if (round === 2) await messages.deleteMany({ at: { $gt: new Date(20_000) } })
        if (round % 2) local.push(await LocalClient.connect(server))
        const end = JSON.stringify(await truth())
        await until(
          () => local.every((one) => one.ready && JSON.stringify(modelOf(one)) === end),
          `round ${round}: ${end}`,
          8000,
        )
      }
      expect(errors).to.deep.equal([])
      expect(local[0]?.of('reset')).to.deep.equal([])
    } finally {
      await server.disconnect()
    }
  })
})
