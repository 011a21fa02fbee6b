import { expect } from 'chai'
import fc from 'fast-check'
import type { Document, Json } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { FieldIndex } from '../../../lib/source/memory/field-index.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { compile } from '../../../lib/source/memory/query.ts'
import { Store } from '../../../lib/source/memory/store.ts'
import type { Query } from '../../../lib/source/source.ts'

const plain = { noNullPrototype: true }

const scalar = fc.constantFrom<Json>('a', 'b', '1', 0, 1, 2, 3, 4, 5, true, null)
const value: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxLength: 3 }),
  fc.array(fc.dictionary(fc.constantFrom('x', 'y'), scalar, { maxKeys: 2, ...plain }), { maxLength: 2 }),
  fc.dictionary(fc.constantFrom('x', 'y'), scalar, { maxKeys: 2, ...plain }),
)
const fields = fc.dictionary(fc.constantFrom('a', 'b', 'c'), value, { maxKeys: 3, ...plain })
const id = fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 29 }) }, fc.constantFrom<Json>('1', 'x', { x: 1 }))
/** The documents of the beginning. */
const start = fc
  .uniqueArray(fc.tuple(id, fields), { selector: ([given]) => idKey(given), minLength: 8, maxLength: 30 })
  .map((given) => given.map(([_id, rest]): Document => ({ _id, ...rest })))

/** Fields that may come to have an index, more of them than may have one at a time. */
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b') },
  fc.constantFrom('c', 'a.x', 'b.y', 'a.0', '_id'),
)
const operand = fc.oneof({ weight: 3, arbitrary: scalar }, value)
const condition: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 12, arbitrary: operand },
  { weight: 6, arbitrary: fc.array(operand, { maxLength: 3 }).map(($in) => ({ $in })) },
  operand.map(($eq) => ({ $eq })),
  operand.map(($ne) => ({ $ne })),
  fc.tuple(operand, fc.array(scalar, { maxLength: 2 })).map(([$eq, $in]) => ({ $eq, $in })),
  fc.constant({ $gt: 0 }),
  fc.constant({ $exists: false }),
  fc.constant(/a/),
)
const simple = fc.dictionary(path, condition, { minKeys: 1, maxKeys: 2, ...plain })
const query: fc.Arbitrary<Query> = fc.oneof(
  { weight: 8, arbitrary: simple },
  fc.array(simple, { minLength: 1, maxLength: 2 }).map(($and) => ({ $and })),
  fc.array(simple, { minLength: 1, maxLength: 2 }).map(($or) => ({ $or })),
)

type Step =
  | { kind: 'put'; id: Json; fields: { [field: string]: Json } }
  | { kind: 'remove'; id: Json }
  | { kind: 'clear'; documents: Document[] }
  | { kind: 'find'; query: Query; limit: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put' as const), id, fields }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('remove' as const), id }) },
  fc.record({ kind: fc.constant('clear' as const), documents: start }),
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('find' as const),
      query,
      limit: fc.constantFrom(Number.POSITIVE_INFINITY, 2),
    }),
  },
)

describe('source/memory/store', () => {
  it('finds what a look at all documents finds, in the order of insertion, whatever was written and asked before', () => {
    fc.assert(
      fc.property(start, fc.array(step, { minLength: 20, maxLength: 100 }), (first, steps) => {
        const store = new Store()
        const documents = new Map<string, Document>()
        const begin = (given: readonly Document[]) => {
          for (const document of given) {
            store.insert(document)
            documents.set(idKey(document._id ?? null), document)
          }
        }
        begin(first)
        for (const each of steps) {
          if (each.kind === 'clear') {
            store.clear()
            documents.clear()
            begin(each.documents)
          } else if (each.kind === 'find') {
            const expected = [...documents.values()].filter(compile(each.query)).slice(0, each.limit)
            expect(store.find(each.query, each.limit)).to.deep.equal(expected)
          } else if (each.kind === 'remove') {
            const document = documents.get(idKey(each.id))
            if (document) store.remove(document)
            documents.delete(idKey(each.id))
          } else {
            const document: Document = { _id: each.id, ...each.fields }
            if (documents.has(idKey(each.id))) store.put(document)
            else store.insert(document)
            documents.set(idKey(each.id), document)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  /** How many documents are looked at for a query that was asked before. */
  function looked(store: Store, asked: Query): number {
    store.candidates(asked)
    return store.candidates(asked).length
  }

  function filled(count: number, more: (n: number) => Document): Store {
    const store = new Store()
    for (let n = 0; n < count; n++) store.insert({ _id: n, ...more(n) })
    return store
  }

  it('looks at the documents with the values that are asked for, and at no others', () => {
    const store = filled(1000, (n) => ({ team: n % 100, tags: [n % 50, 'all'], at: { city: `c${n % 200}` } }))
    expect(looked(store, { team: 7 })).to.equal(10)
    expect(looked(store, { team: { $in: [7, 8, 'none'] } })).to.equal(20)
    expect(looked(store, { tags: 7 })).to.equal(20)
    expect(looked(store, { 'at.city': 'c7' })).to.equal(5)
    expect(looked(store, { $and: [{ team: 7 }, { 'at.city': 'c7' }] })).to.equal(5)
    expect(looked(store, { _id: { $in: [7, 9, 1000] } })).to.equal(2)
    // What is not there is in no index, nor is a position in an array.
    expect(looked(store, { team: null })).to.equal(1000)
    expect(looked(store, { 'tags.0': 7 })).to.equal(1000)
  })

  it('keeps an index current', () => {
    const store = filled(100, (n) => ({ team: n % 10, tags: [n % 10] }))
    const ids = (asked: Query) => store.find(asked).map(({ _id }) => _id)
    expect([looked(store, { team: 3 }), looked(store, { tags: 3 })]).to.deep.equal([10, 10])
    store.put({ _id: 50, team: 3, tags: [3, 4] })
    store.put({ _id: 13, team: 4, tags: [] })
    store.remove({ _id: 23 })
    store.insert({ _id: 100, team: 3, tags: [3] })
    for (const asked of [{ team: 3 }, { tags: 3 }])
      expect(ids(asked)).to.deep.equal([3, 33, 43, 50, 53, 63, 73, 83, 93, 100])
    expect(looked(store, { team: 3 })).to.equal(10)
    store.clear()
    expect(ids({ team: 3 })).to.deep.equal([])
  })

  it('has no index that would leave few documents out, and gives the place of an idle one to another', () => {
    const store = filled(400, (n) => ({ same: 1, a: n, b: n, c: n, d: n, e: n }))
    expect(looked(store, { same: 1, a: 5 })).to.equal(1)
    expect(looked(store, { same: 1 })).to.equal(400)
    for (const field of ['b', 'c']) expect(looked(store, { [field]: 5 })).to.equal(1)
    for (let n = 0; n < 100; n++) looked(store, { d: n })
    expect(looked(store, { d: 5 })).to.equal(1)
    expect(looked(store, { e: 5 })).to.equal(1)
  })

  it('serves reads, finds and writes by a query alike', async () => {
    const adapter = memory()
    const cards = adapter.collection('cards')
    await cards.insertMany(Array.from({ length: 1000 }, (_, _id) => ({ _id, team: _id % 100, n: 0 })))
    await cards.countDocuments({ team: 7 })
    const { find } = FieldIndex.prototype
    let used = 0
    FieldIndex.prototype.find = function (values) {
      used++
      return find.call(this, values)
    }
    try {
      const documents: Document[] = []
      await adapter.read('cards', { team: 7, n: 0 }, (batch) => void documents.push(...batch))
      expect([used, documents.length]).to.deep.equal([1, 10])
      expect((await cards.find({ team: 7 }).toArray()).length).to.equal(10)
      expect((await cards.updateMany({ team: 7 }, { $set: { team: 8 } })).modifiedCount).to.equal(10)
      expect((await cards.deleteMany({ team: { $in: [8, 9] } })).deletedCount).to.equal(30)
      expect(used).to.equal(4)
    } finally {
      FieldIndex.prototype.find = find
    }
    expect(await cards.countDocuments()).to.equal(970)
  })
})
