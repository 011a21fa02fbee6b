import { expect } from 'chai'
import fc from 'fast-check'
import { Query as Mingo } from 'mingo'
import type { Document, Json } from '../../lib/model/document.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'
import { failure } from '../support/failure.ts'

// How it agrees with a server is the matter of spec/source/mongo/criteria.spec.ts.
describe('model/matching', () => {
  const rows: [what: string, Query, matching: Json[], others: Json[]][] = [
    [
      'null, also by what is not there',
      { 'a.b': null },
      [{}, { b: null }, 5, [{ c: 1 }]],
      [{ b: 1 }, [], [5]],
    ],
    ['no value within a list within a list', { 'a.b': 1 }, [[{ b: 1 }]], [[[{ b: 1 }]]]],
    ['a list within a list by its position', { 'a.0.b': 1 }, [[{ b: 1 }], [[{ b: 1 }]]], [[2, [{ b: 1 }]]]],
    ['a position', { 'a.1': 5 }, [[1, 5], { 1: 5 }, [{ 1: 5 }]], [[5, 1], [1, [5]], 5]],
    [
      'an object by the order of its fields',
      { a: { b: 1, c: 2 } },
      [{ b: 1, c: 2 }],
      [{ c: 2, b: 1 }, { b: 1 }],
    ],
    ['orders within one type only', { a: { $lt: 5 } }, [4, -1, [9, 1]], ['4', null, false, [], [[1]], {}]],
    ['an infinite bound', { a: { $lt: Number.POSITIVE_INFINITY } }, [1], ['1', null]],
    ['null as a bound, as null', { a: { $gte: null } }, [null], [0, '']],
    ['each operator by another element', { a: { $gt: 5, $lt: 3 } }, [[1, 9]], [[4], 4, 9]],
    ['both by one, with $elemMatch', { a: { $elemMatch: { $gt: 2, $lt: 5 } } }, [[1, 4]], [[1, 9], 4, [[4]]]],
    ['only objects by a query in $elemMatch', { a: { $elemMatch: { b: null } } }, [[{}]], [[null, 1], []]],
    ['one that is no list, with $all', { a: { $all: [5] } }, [5, [5, 6]], [[6], 6]],
    ['a list as a value in a list of values', { a: { $in: [[1, 2]] } }, [[1, 2], [[1, 2]]], [1, [2, 1]]],
    [
      'many values in a list',
      { a: { $in: Array.from({ length: 50 }, (_, index) => index) } },
      [7, [60, 8]],
      [60, '7'],
    ],
    [
      '$size of what is one list',
      { 'a.b': { $size: 2 } },
      [{ b: [1, 2] }, [{ b: [1, 2] }]],
      [[{ b: 1 }, { b: 2 }]],
    ],
    ['$type of elements too', { a: { $type: ['string', 8] } }, ['', true, [1, 'x']], [1, null, {}, []]],
    ['$mod of numbers only', { a: { $mod: [4, 1] } }, [1, 5, 5.5, [2, 9]], ['5', true, null, 2]],
    ['$not of any', { a: { $not: { $gt: 5 } } }, [[1, 2], 'x', null], [[1, 9], 9]],
    ['own fields only', { 'a.constructor': { $exists: true } }, [{ constructor: 1 }], [{}, [], 'x']],
    [
      'numbers of BSON, by their JSON',
      { a: { $in: [{ _bsontype: 'x' }, 10n] } },
      [10, { _bsontype: 'x' }],
      ['10'],
    ],
  ]
  for (const [what, query, matching, others] of rows) {
    it(`matches ${what}`, () => {
      const test = matcher(query)
      for (const a of matching) expect(test({ a }), JSON.stringify(a)).to.equal(true)
      for (const a of others) expect(test({ a }), JSON.stringify(a)).to.equal(false)
    })
  }

  const wrong: Query[] = [
    { a: { $in: 5 } },
    { a: { $nin: [{ $gt: 5 }] } },
    { a: { $mod: [0, 1] } },
    { a: { $mod: [1] } },
    { a: { $type: 'text' } },
    { a: { $not: 5 } },
    { a: { $size: '2' } },
    { a: { $regex: '(' } },
    { a: { $regex: 'a', $options: 'x' } },
    { a: { $options: 'i' } },
    { a: { $ne: /a/ } },
    { a: { $gt: /a/ } },
    { a: { $gt: 1, b: 2 } },
    { a: { $elemMatch: 5 } },
    { $and: { a: 1 } },
    { $nothing: [] },
  ]
  for (const query of wrong) {
    it(`refuses ${JSON.stringify(query)}`, () => {
      expect(failure(() => matcher(query)).code).to.equal('INVALID_QUERY')
    })
  }

  it('agrees with mingo where mingo is right: no list below another, no null, no object as a value', () => {
    const scalar = fc.constantFrom<Json>('a', 'b', 1, 2, 0, true, false)
    const scalars = fc.array(scalar, { maxLength: 3 })
    const inner = fc.record(
      { b: fc.oneof(scalar, scalars), c: scalar },
      { requiredKeys: [], noNullPrototype: true },
    )
    const plain = fc.record({ b: scalar, c: scalar }, { requiredKeys: [], noNullPrototype: true })
    const value: fc.Arbitrary<Json> = fc.oneof(scalar, scalars, inner, fc.array(plain, { maxLength: 3 }))
    const document = fc.record({ x: value, y: value }, { requiredKeys: [], noNullPrototype: true })
    const simple = fc.oneof(
      fc.record({ $eq: scalar }),
      fc.record({ $ne: scalar }),
      fc.record({ $in: scalars }),
      fc.record({ $nin: scalars }),
      fc.record({ $gt: scalar }),
      fc.record({ $lte: scalar, $gte: scalar }),
      fc.record({ $exists: fc.boolean() }),
    )
    const condition = fc.oneof(scalar, simple, fc.record({ $not: simple }))
    const fields = fc.dictionary(fc.constantFrom('x', 'y', 'x.b', 'y.b', 'x.c'), condition, {
      maxKeys: 3,
      noNullPrototype: true,
    })
    const query: fc.Arbitrary<Query> = fc.oneof(
      fields,
      fc.record({ $or: fc.array(fields, { minLength: 1, maxLength: 3 }) }),
      fc.record({ $nor: fc.array(fields, { minLength: 1, maxLength: 3 }) }),
    )
    let matched = 0
    fc.assert(
      fc.property(query, document, (demanded, given) => {
        const ours = matcher(demanded)(given as Document)
        if (ours) matched += 1
        expect(ours).to.equal(new Mingo(demanded).test(given))
      }),
      { numRuns: 5000 },
    )
    expect(matched).to.be.above(500).and.below(4500)
  })
})
