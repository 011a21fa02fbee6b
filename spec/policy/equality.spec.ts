import { expect } from 'chai'
import fc from 'fast-check'
import type { Document, Json } from '../../lib/model/document.ts'
import { equalitiesOf, type Scalar, scalarsAt } from '../../lib/policy/equality.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'

describe('policy/equality', () => {
  const rows: [string, Query, Record<string, Scalar[]>][] = [
    ['nothing', {}, {}],
    ['a text', { team: 'a' }, { team: ['a'] }],
    ['a number and a boolean', { n: 5, done: false }, { n: [5], done: [false] }],
    ['a dotted path', { 'team.name': 'a' }, { 'team.name': ['a'] }],
    ['a position in an array', { 'list.0': 'a' }, {}],
    ['$eq', { team: { $eq: 'a', $ne: 'b' } }, { team: ['a'] }],
    ['$in', { team: { $in: ['a', 5] } }, { team: ['a', 5] }],
    ['an empty $in', { team: { $in: [] } }, { team: [] }],
    ['$in with null, which matches what is not there', { team: { $in: ['a', null] } }, {}],
    ['$in with a pattern', { team: { $in: ['a', /b/] } }, {}],
    ['null', { team: null }, {}],
    ['a pattern', { team: /a/ }, {}],
    ['a BigInt, which has no JSON form of its own', { n: 5n }, {}],
    ['an object as a value', { team: { name: 'a' } }, {}],
    ['a date, in its JSON form', { at: new Date(0) }, { at: ['1970-01-01T00:00:00.000Z'] }],
    ['other operators', { n: { $gt: 5 }, team: { $ne: 'a' }, x: { $exists: true } }, {}],
    ['$and', { $and: [{ team: 'a' }, { n: { $in: [1, 2] } }] }, { team: ['a'], n: [1, 2] }],
    ['$or', { $or: [{ team: 'a' }, { team: 'b' }] }, {}],
  ]
  for (const [name, query, expected] of rows) {
    it(`tells what a document must have from ${name}`, () => {
      expect(Object.fromEntries(equalitiesOf(query))).to.deep.equal(expected)
    })
  }

  it('finds the values at a path, through arrays too', () => {
    const document: Document = { a: { b: [{ c: 1 }, { c: ['x', 2] }, { d: 3 }] }, e: null, f: { g: 1 } }
    expect(scalarsAt(document, 'a.b.c')).to.deep.equal([1, 'x', 2])
    for (const path of ['e', 'f', 'f.h', 'nowhere', 'toString'])
      expect(scalarsAt(document, path)).to.deep.equal([])
  })

  it('never misses a document that matches', () => {
    const scalar = fc.constantFrom<Json>('a', 'b', 1, 2, true, null)
    const value: fc.Arbitrary<Json> = fc.oneof(
      scalar,
      fc.array(scalar, { maxLength: 3 }),
      fc.record(
        { b: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })) },
        { requiredKeys: [], noNullPrototype: true },
      ),
    )
    const condition = fc.oneof(
      scalar,
      fc.record({ $in: fc.array(scalar, { maxLength: 3 }) }, { noNullPrototype: true }),
      fc.record({ $eq: scalar }),
      fc.record({ $ne: scalar }),
    )
    const query = fc.dictionary(fc.constantFrom('x', 'y', 'x.b'), condition, { maxKeys: 3 })
    const document = fc.dictionary(fc.constantFrom('x', 'y'), value, { maxKeys: 2, noNullPrototype: true })
    fc.assert(
      fc.property(query, document, (demanded, given) => {
        if (!matcher(demanded)(given)) return
        for (const [path, values] of equalitiesOf(demanded)) {
          const found = scalarsAt(given, path)
          expect(
            values.some((value) => found.includes(value)),
            path,
          ).to.equal(true)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
