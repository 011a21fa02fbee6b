import { expect } from 'chai'
import fc from 'fast-check'
import { updateOne } from 'mingo'
import { ParticleError } from '../../../lib/errors.ts'
import { applyOp } from '../../../lib/model/apply.ts'
import type { Document, Json } from '../../../lib/model/document.ts'
import { isObject, toJson } from '../../../lib/model/json.ts'
import { update } from '../../../lib/source/memory/change.ts'
import { parseFilters } from '../../../lib/source/memory/positional.ts'
import { parseUpdate } from '../../../lib/source/memory/update.ts'
import type { Query } from '../../../lib/source/source.ts'

function change(before: Document, updates: object, query: Query = {}, arrayFilters?: object[]) {
  const steps = parseUpdate(updates)
  const filters = parseFilters(
    arrayFilters,
    steps.map(({ segments }) => segments),
  )
  return update(before, steps, { query, filters })
}

function reported(before: Document, updates: object, query: Query = {}, arrayFilters?: object[]) {
  return change(before, updates, query, arrayFilters).operations.map(({ operation, path, data, keys }) => {
    expect(keys?.join('.')).to.equal(path)
    return data === undefined ? [operation, path] : [operation, path, data]
  })
}

describe('An update of a document in memory', () => {
  it('is reported as the operations that it was made of', () => {
    const before = { _id: 1, n: 1, list: [3], name: 'x', old: 5, gone: true, low: 4 }
    expect(
      reported(before, {
        $inc: { n: 2 },
        $push: { list: { $each: [1, 2], $sort: 1 } },
        $set: { name: 'y' },
        $rename: { old: 'new' },
        $unset: { gone: '' },
        $min: { low: 3 },
      }),
    ).to.deep.equal([
      ['unset', 'gone'],
      ['push', 'list', { $each: [1, 2], $sort: 1 }],
      ['min', 'low', 3],
      ['inc', 'n', 2],
      ['set', 'name', 'y'],
      ['rename', 'old', 'new'],
    ])
  })

  it('tells positions in arrays from names that are numbers', () => {
    const before = { _id: 1, list: [{ n: 1 }], map: { 0: { n: 1 } } }
    const { operations } = change(before, { $inc: { 'list.0.n': 1, 'map.0.n': 1 } })
    expect(operations.map(({ keys }) => keys)).to.deep.equal([
      ['list', 0, 'n'],
      ['map', '0', 'n'],
    ])
  })

  it('is reported once, at the topmost parent that it created', () => {
    expect(reported({ _id: 1 }, { $set: { 'a.b.c': 1, 'a.d': 2 }, $inc: { 'a.b.n': 3 } })).to.deep.equal([
      ['set', 'a', { b: { c: 1, n: 3 }, d: 2 }],
    ])
    expect(reported({ _id: 1, a: {} }, { $push: { 'a.0.list': 1 } })).to.deep.equal([
      ['set', 'a.0', { list: [1] }],
    ])
    expect(reported({ _id: 1, list: [] }, { $set: { 'list.0.done': true } })).to.deep.equal([
      ['set', 'list.0', { done: true }],
    ])
  })

  it('is reported as a set of the whole array where it fills that up', () => {
    expect(reported({ _id: 1, list: [1] }, { $set: { 'list.3': 4, 'list.0': 0 } })).to.deep.equal([
      ['set', 'list.0', 0],
      ['set', 'list', [0, null, null, 4]],
    ])
    expect(reported({ _id: 1, list: [1] }, { $set: { 'list.1': 4 } })).to.deep.equal([['set', 'list.1', 4]])
    expect(reported({ _id: 1, list: [] }, { $inc: { 'list.1.n': 4 } })).to.deep.equal([
      ['set', 'list', [null, { n: 4 }]],
    ])
  })

  it('is reported as unset and set where a rename creates parents or leads to a number', () => {
    expect(reported({ _id: 1, a: 5 }, { $rename: { a: 'b.c' } })).to.deep.equal([
      ['unset', 'a'],
      ['set', 'b', { c: 5 }],
    ])
    expect(reported({ _id: 1, a: 5, b: {} }, { $rename: { a: 'b.0' } })).to.deep.equal([
      ['unset', 'a'],
      ['set', 'b.0', 5],
    ])
    expect(reported({ _id: 1 }, { $rename: { a: 'b' } })).to.deep.equal([])
  })

  it('reports nothing of what did not change', () => {
    const before = { _id: 1, n: 1, list: [1], sub: { a: 1, b: 2 } }
    const idle = {
      $set: { n: 1, sub: { a: 1, b: 2 }, _id: 1 },
      $pull: { list: 7 },
      $unset: { none: '' },
      $pop: { nothing: 1 },
    }
    expect(reported(before, idle)).to.deep.equal([])
    expect(reported(before, { $set: { n: 1 }, $addToSet: { list: 2 } })).to.deep.equal([
      ['addToSet', 'list', 2],
    ])
    expect(reported(before, { $set: { sub: { b: 2, a: 1 } } })).to.have.length(1)
  })

  it('takes $ for the element that the query found', () => {
    const before = {
      _id: 1,
      todos: [
        { id: 1, who: 'a' },
        { id: 2, who: 'b' },
        { id: 3, who: 'b' },
      ],
      tags: ['x', 'y'],
      deep: { list: [1, 5, 9] },
    }
    const done = { $set: { 'todos.$.done': true } }
    const second = [['set', 'todos.1.done', true]]
    expect(reported(before, done, { 'todos.id': 2 })).to.deep.equal(second)
    expect(reported(before, done, { todos: { $elemMatch: { who: 'b' } } })).to.deep.equal(second)
    expect(reported(before, done, { $and: [{ _id: 1 }, { 'todos.who': 'b' }] })).to.deep.equal(second)
    expect(reported(before, { $set: { 'tags.$': 'z' } }, { tags: 'y' })).to.deep.equal([
      ['set', 'tags.1', 'z'],
    ])
    expect(reported(before, { $inc: { 'deep.list.$': 1 } }, { 'deep.list': { $gt: 3 } })).to.deep.equal([
      ['inc', 'deep.list.1', 1],
    ])
    expect(() => change(before, done, { _id: 1 })).to.throw(ParticleError, /\$/)
    expect(() => change(before, done, { 'todos.id': 7 })).to.throw(ParticleError)
  })

  it('takes $[] for all elements and $[name] for those of the array filters', () => {
    const before = { _id: 1, rows: [{ cells: [1, 2] }, { cells: [3] }], none: [] }
    expect(reported(before, { $inc: { 'rows.$[].cells.$[]': 1 } })).to.deep.equal([
      ['inc', 'rows.0.cells.0', 1],
      ['inc', 'rows.0.cells.1', 1],
      ['inc', 'rows.1.cells.0', 1],
    ])
    expect(reported(before, { $set: { 'rows.$[].cells.$[c]': 0 } }, {}, [{ c: { $gte: 2 } }])).to.deep.equal([
      ['set', 'rows.0.cells.1', 0],
      ['set', 'rows.1.cells.0', 0],
    ])
    expect(reported(before, { $set: { 'rows.$[r].on': true } }, {}, [{ 'r.cells': 3 }])).to.deep.equal([
      ['set', 'rows.1.on', true],
    ])
    expect(reported(before, { $set: { 'none.$[]': 1 } })).to.deep.equal([])
    expect(() => change(before, { $set: { 'missing.$[]': 1 } })).to.throw(ParticleError)
    for (const filters of [undefined, [{ other: 1 }], [{ r: 1 }, { s: 1 }], [{ r: 1, s: 2 }], 'x', [{}]]) {
      expect(() => Reflect.apply(change, undefined, [before, { $set: { 'rows.$[r]': 1 } }, {}, filters]))
        .to.throw(ParticleError)
        .with.property('code', 'INVALID_QUERY')
    }
  })

  it('is refused where MongoDB would refuse it, and leaves the document as it is', () => {
    const before = { _id: 7, n: 1, s: 'x', list: [1], sub: { a: null }, big: 1e308 }
    const kept = structuredClone(before)
    for (const invalid of [
      {},
      [],
      null,
      { n: 2 },
      { $set: { n: 2 }, s: 'y' },
      { $foo: { n: 2 } },
      { $set: 5 },
      { $set: { n: 1, 'n.a': 2 } },
      { $set: { sub: 1 }, $unset: { 'sub.a': '' } },
      { $inc: { n: 1 }, $mul: { n: 2 } },
      { $rename: { n: 's' }, $set: { s: 1 } },
      { $rename: { n: 'n' } },
      { $rename: { n: 'n.a' } },
      { $rename: { n: 'list.0' } },
      { $rename: { 'list.0': 'm' } },
      { $rename: { n: 5 } },
      { $rename: { n: '_id' } },
      { $rename: { _id: 'm' } },
      { $set: { _id: 2 } },
      { $set: { '_id.a': 2 } },
      { $unset: { _id: '' } },
      { $inc: { _id: 1 } },
      { $inc: { n: '1' } },
      { $inc: { n: Number.NaN } },
      { $inc: { s: 1 } },
      { $mul: { big: 100 } },
      { $push: { s: 1 } },
      { $push: { list: { $each: 1 } } },
      { $pop: { list: 2 } },
      { $pull: { s: 1 } },
      { $pull: { list: { $in: [/x/] } } },
      { $pullAll: { list: 1 } },
      { $set: { 'n.a': 1 } },
      { $set: { 'sub.a.b': 1 } },
      { $set: { 'list.x': 1 } },
      { $set: { 'list.01': 1 } },
      { $set: { 'list.9999999': 1 } },
      { $set: { '': 1 } },
      { $set: { 'a..b': 1 } },
      { $set: { 'a.': 1 } },
      { $set: { $a: 1 } },
      { $set: { 'a.$b': 1 } },
      { $set: { '$.a': 1 } },
      { $set: { 'a[0]': 1 } },
      { $set: { 'a.__proto__.b': 1 } },
      { $set: { 'constructor.prototype.b': 1 } },
      { $set: { a: JSON.parse('{"__proto__":1}') } },
      { $set: { a: 1n } },
      { $currentDate: { n: 'now' } },
    ]) {
      expect(() => Reflect.apply(change, undefined, [before, invalid]), describeUpdate(invalid)).to.throw(
        ParticleError,
      )
      expect(before).to.deep.equal(kept)
    }
  })

  it('takes regular expressions in $pull, dates in all values, and the present for $currentDate', () => {
    const before = { _id: 1, tags: ['Ax', 'bx', 'c'], at: '' }
    const at = new Date(5)
    const { document } = change(before, { $pull: { tags: /^[AB]/gi }, $set: { at, seen: { at } } })
    expect(document).to.deep.equal({
      _id: 1,
      tags: ['c'],
      at: at.toISOString(),
      seen: { at: at.toISOString() },
    })
    const now = change(before, { $currentDate: { a: true, b: { $type: 'date' } } }).document
    expect(Date.parse(String(now.a))).to.be.closeTo(Date.now(), 1000)
    expect(Date.parse(String(now.b))).to.be.closeTo(Date.now(), 1000)
  })

  it('gives what the reported operations make of the document before, and leaves that alone', () => {
    fc.assert(
      fc.property(documents, updates, (before, given) => {
        const kept = structuredClone(before)
        const result = attempt(() => change(before, given))
        expect(before).to.deep.equal(kept)
        if (!result) return
        const replayed = result.operations.reduce<Document | undefined>(
          (document, operation) => applyOp(document, structuredClone(operation)),
          structuredClone(before),
        )
        expect(replayed).to.deep.equal(result.document)
        expect(result.operations.length === 0).to.equal(
          JSON.stringify(result.document) === JSON.stringify(before),
        )
        for (const { path, operation } of result.operations) {
          if (operation !== 'set')
            expect(parentOf(before, path), `the parent of ${path}`).not.to.equal(undefined)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('gives what mingo gives, where both take the update', () => {
    let compared = 0
    fc.assert(
      fc.property(documents, updates, (before, given) => {
        const result = attempt(() => change(before, given))
        const oracle = structuredClone(before)
        if (!result || isLeftOut(before, given)) return
        updateOne([oracle], {}, structuredClone(given), { cloneMode: 'deep' })
        expect(result.document).to.deep.equal(toJson(oracle))
        compared++
      }),
      { numRuns: 500 },
    )
    expect(compared).to.be.above(100)
  })
})

const scalar = fc.constantFrom<Json>(0, 1, 2, 3.5, 'a', 'b', true, null)
const number = fc.integer({ min: -3, max: 3 })
const element = fc.record<{ k: Json; v: Json }, 'k'>({ k: number, v: scalar }, { requiredKeys: ['k'] })
const documents: fc.Arbitrary<Document> = fc
  .record(
    {
      n: number,
      m: number,
      s: scalar,
      nums: fc.array(number, { maxLength: 4 }),
      items: fc.array(element, { maxLength: 3 }),
      sub: fc.record(
        { n: number, list: fc.array(scalar, { maxLength: 3 }), 0: scalar },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
  .map((fields) => ({ _id: 1, ...fields }) as Document)

const numberPath = fc.constantFrom(
  'n',
  'm',
  'sub.n',
  'sub.x.y',
  'nums.0',
  'nums.2',
  'items.0.k',
  'items.1.n',
  'new',
  'p.q.r',
)
const anyPath = fc.oneof(
  numberPath,
  fc.constantFrom('s', 'sub', 'sub.0', 'items.0', 'items.2.v', 'nums', 'p.q', 'nums.5'),
)
const listPath = fc.constantFrom('nums', 'items', 'sub.list', 'sub.new', 'fresh', 'p.list')
const value: fc.Arbitrary<Json> = fc.oneof(
  scalar,
  element as fc.Arbitrary<Json>,
  fc.array(number, { maxLength: 2 }),
)
const pushed: fc.Arbitrary<Json> = fc.oneof(
  value,
  fc.record(
    {
      $each: fc.array(number, { maxLength: 3 }),
      $position: fc.integer({ min: -2, max: 3 }),
      $slice: fc.integer({ min: -3, max: 3 }),
      $sort: fc.constantFrom(1, -1),
    },
    { requiredKeys: ['$each'] },
  ) as fc.Arbitrary<Json>,
)

const updates = fc
  .uniqueArray(
    fc.oneof(
      fields('$set', anyPath, value),
      fields('$unset', anyPath, fc.constant('')),
      fields('$inc', numberPath, number),
      fields('$mul', numberPath, number),
      fields('$min', numberPath, number),
      fields('$max', numberPath, number),
      fields(
        '$rename',
        fc.constantFrom('n', 's', 'sub.n', 'sub'),
        fc.constantFrom('m', 'sub.z', 'far.away', 'z'),
      ),
      fields('$push', listPath, pushed),
      fields('$addToSet', listPath, value),
      fields('$pop', listPath, fc.constantFrom(1, -1)),
      fields(
        '$pull',
        listPath,
        fc.oneof(scalar, fc.constantFrom<Json>({ $gte: 1 }, { k: 1 }, { k: { $lt: 2 } })),
      ),
      fields('$pullAll', listPath, fc.array(scalar, { maxLength: 3 })),
    ),
    { minLength: 1, maxLength: 3, selector: ([operator]) => operator },
  )
  .map((parts) => Object.fromEntries(parts))

function fields(operator: string, path: fc.Arbitrary<string>, argument: fc.Arbitrary<Json>) {
  return fc
    .dictionary(path, argument, { minKeys: 1, maxKeys: 2, noNullPrototype: true })
    .map((of): [string, Record<string, Json>] => [operator, of])
}

/** The result, or `undefined` where the update was refused: with an error of the library's own, or the spec fails. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    expect(error).to.be.instanceOf(ParticleError)
    return undefined
  }
}

/** Where mingo differs from MongoDB's manual, which wins. */
function isLeftOut(before: Document, update: Record<string, Record<string, Json>>): boolean {
  const has = (operator: string, name: string) => {
    return Object.values(update[operator] ?? {}).some((argument) => isObject(argument) && name in argument)
  }
  // It neither sorts nor cuts an array that it creates, and pulls scalars by a condition on their fields.
  // It makes a set of an array that $addToSet adds to, so that values that were there twice go.
  if ('$addToSet' in update && holdsTwice(before)) return true
  return has('$push', '$sort') || has('$push', '$slice') || has('$pull', 'k')
}

function holdsTwice(value: unknown): boolean {
  if (Array.isArray(value)) return new Set(value.map((one) => JSON.stringify(one))).size < value.length
  return isObject(value) && Object.values(value).some(holdsTwice)
}

function parentOf(document: Document, path: string): unknown {
  const parents = path.split('.').slice(0, -1)
  return parents.reduce<unknown>(
    (node, name) => (node as Record<string, unknown> | undefined)?.[name],
    document,
  )
}

function describeUpdate(value: unknown): string {
  return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}n` : field))
}
