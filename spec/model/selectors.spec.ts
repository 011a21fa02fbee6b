import { expect } from 'chai'
import type { Document, Json } from '../../lib/model/document.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'

type Value = Json | typeof MISSING
type Row = [query: Query, matching: Value[], others: Value[]]

/** Documents without a field `a`. */
const MISSING = Symbol('missing')
const document = (a: Value): Document => (a === MISSING ? {} : { a })

// The rules of MongoDB's manual where public suites of selectors (Meteor's minimongo, mingo) have their odd cases,
// in rows of our own. Each row: values of the field `a` that match, and values that don't.
const tables: Record<string, Row[]> = {
  'a position in a path': [
    [{ 'a.1': null }, [{ 0: 1 }, 5], [[1, 2, 3], [{ 1: 4 }, 5], [1]]],
    [{ 'a.1': [3, 4] }, [[1, [3, 4]]], [[[3, 4], 1]]],
    [
      { 'a.1': 3 },
      [[1, 3], [{ 1: 3 }]],
      [
        [
          [1, 3],
          [3, 1],
        ],
        [3, 1],
      ],
    ],
    [
      { 'a.1.b': null },
      [[1, { b: 2 }], [1, { c: 2 }], { 1: 4 }],
      [
        [1, [{ b: 2 }]],
        [1, 5],
      ],
    ],
    [{ 'a.1.b': 'x' }, [[1, { b: 'x' }], [{ 1: { b: 'x' } }], [1, [{ b: 'x' }]]], [[{ b: 'x' }, 1]]],
    [{ 'a.0.0.b': 1 }, [[[{ b: 1 }]], [[[{ b: 1 }]]]], [[{ b: 1 }], [[[[{ b: 1 }]]]]]],
    [{ 'a.b.0': 1 }, [{ b: [1] }, [{ b: [1] }]], [{ b: 1 }, { b: [2, 1] }]],
    [{ 'a.0': { $type: 'array' } }, [[[1]]], [[1], [{}]]],
    [{ 'a.0': { $type: 'number' } }, [[1]], [[[1]]]],
    [{ 'a.00': 1 }, [{ '00': 1 }, [{ '00': 1 }]], [[1], [[1]]]],
    [{ 'a.01': { $exists: true } }, [{ '01': 1 }], [[1, 2]]],
    [{ 'a.-1': 2 }, [{ '-1': 2 }], [[1, 2]]],
  ],
  'null, and what is missing': [
    [{ a: null }, [null, [1, null], MISSING], [[1, {}], 0, '', false, []]],
    [
      { 'a.b': null },
      [1, {}, { b: null }, [{ b: 5 }, {}]],
      [[1], [], { b: 1 }, [{ b: 5 }, []], [{ b: 5 }, 5]],
    ],
    [{ 'a.b': { $nin: [1, null] } }, [{ b: 5 }, [{ b: 5 }, []], [{ b: 5 }, 5]], [{}, [{ b: 5 }, {}]]],
    [{ 'a.b': { $exists: false } }, [{}, [1], []], [[{}, { b: 5 }], { b: null }]],
    [{ a: { $exists: 0 } }, [MISSING], [null, 0]],
    [{ a: { $gte: null, $lte: null } }, [null, MISSING], [0, false, {}]],
    [{ a: { $type: 'null' } }, [null, [null]], [MISSING, 0]],
    [{ a: { $ne: 1 } }, [MISSING, null, [2]], [1, [1, 2]]],
  ],
  'several values at a path': [
    [
      { 'a.b': { $ne: 5, $gt: 6 } },
      [[{ b: 2 }, { b: 10 }]],
      [
        [{ b: 2 }, { b: 4 }],
        [{ b: 10 }, { b: 5 }],
      ],
    ],
    [
      { a: { $ne: 5, $gt: 6 } },
      [[2, 10]],
      [
        [2, 5],
        [10, 5],
      ],
    ],
    [{ a: { $lt: 11, $gt: 9 } }, [[8, 12], 10], [8, [12]]],
    [{ a: { $not: { $gt: 7 } } }, [[2, 7], 'x', MISSING], [[2, 8]]],
    [{ a: { $not: { $lt: 10, $gt: 7 } } }, [6, 11, null], [9, [6, 11]]],
    [{ a: { $not: { $not: { $gt: 1 } } } }, [2, [0, 2]], [1, MISSING]],
    [{ a: { $nin: [/^x/, 5] } }, ['y', [1], MISSING], ['xy', [1, 'x'], 5]],
  ],
  '$all and $elemMatch': [
    [{ a: { $all: [2, 2] } }, [2, [2], [3, 2]], [[3]]],
    [{ a: { $all: [1, 2] } }, [[3, 2, 1]], [[[1, 2]], 1, {}, MISSING]],
    [
      { a: { $all: [[1, 2]] } },
      [
        [1, 2],
        [[1, 2], 3],
      ],
      [[1, 2, 3], [[2, 1]]],
    ],
    [{ a: { $all: [{ b: 3 }] } }, [{ b: 3 }, [{ b: 3 }]], [[{ b: 3, c: 4 }]]],
    [{ a: { $all: [] } }, [], [[], [5], 5, MISSING]],
    [{ a: { $elemMatch: {} } }, [[{ b: 1 }], [1, {}], [[]]], [[1, 'x'], [], { b: 1 }]],
    [{ a: { $elemMatch: { b: 9 } } }, [[{ b: 9 }]], [{ b: 9 }, [[{ b: 9 }]]]],
    [{ a: { $elemMatch: { 0: { $gt: 5, $lt: 9 } } } }, [[[6]]], [[6], [[9]]]],
    [{ a: { $elemMatch: { '0.b': 6 } } }, [[[{ b: 6 }]]], [[{ b: 6 }]]],
    [{ a: { $elemMatch: { $gt: 5, $lt: 9 } } }, [[8]], [[[8]], 8, [4, 10]]],
    [{ a: { $elemMatch: { b: 1, $or: [{ c: 1 }, { d: 1 }] } } }, [[{ b: 1, d: 1 }]], [[{ b: 1 }, { d: 1 }]]],
    [{ a: { $elemMatch: { $nor: [{ b: 1 }, { c: 2 }] } } }, [[{ b: 1 }, { b: 2 }]], [[{ b: 1 }, { c: 2 }]]],
    [{ 'a.b': { $elemMatch: { c: 9 } } }, [[{ b: [] }, { b: [{ c: 9 }] }]], [[{ b: { c: 9 } }]]],
  ],
  'whole values': [
    [
      { a: [1, 2] },
      [
        [1, 2],
        [[3], [1, 2]],
      ],
      [[2, 1], [[[1, 2]]], [1, 2, 3]],
    ],
    [{ a: { b: 1 } }, [{ b: 1 }, [{ b: 2 }, { b: 1 }]], [{ b: 1, c: 2 }, [[{ b: 1 }]], {}]],
    [{ a: { b: 1, $gt: 2 } }, [{ b: 1, $gt: 2 }], [{ b: 1 }, 3]],
    [{ a: { $eq: { $gt: 2 } } }, [{ $gt: 2 }], [3]],
    [{ a: {} }, [{}, [{}]], [{ b: 1 }, [], MISSING]],
    [{ a: { $gt: [2, 3] } }, [[2, 4], [3], [[2, 4]]], [[1, 9], 4]],
    [{ a: { $lt: { b: [2, 3] } } }, [{ b: [1, 9] }, {}], [{ b: [2, 3] }, { b: [3] }, 1]],
  ],
  'numbers and patterns': [
    [{ a: { $mod: [4, -1] } }, [-5], [5, '-5']],
    [{ a: { $mod: [-4, 1] } }, [5], [-5]],
    [{ a: { $mod: [4.9, 1.9] } }, [5, 5.5], [6]],
    [{ a: -0 }, [0, -0], [null]],
    [{ a: { $lte: Number.NaN } }, [], [1, 'x', false]],
    [{ a: { $regex: '' } }, ['x', ''], [5, null, MISSING]],
    [{ a: { $regex: 'undefined' } }, ['undefined'], [MISSING]],
    [{ a: /,/ }, ['a,b'], [['a', 'b']]],
    [{ a: /5/ }, ['5'], [5]],
    [{ a: { $regex: /A/, $options: 'i' } }, ['cat', ['x', 'Cat']], ['dog']],
    [{ a: { $not: { $regex: '^a', $options: 'i' } } }, ['b', 5], ['A', ['b', 'a']]],
    [{ a: { $type: ['undefined', 'symbol', 12, 15] } }, [], ['x', null, {}, MISSING]],
  ],
}

describe('A selector, by the rules of MongoDB’s manual', () => {
  for (const [what, rows] of Object.entries(tables)) {
    for (const [query, matching, others] of rows) {
      const text = JSON.stringify(query, (_, value) => (value instanceof RegExp ? String(value) : value))
      it(`handles ${what}: ${text}`, () => {
        const test = matcher(query)
        for (const a of matching) expect(test(document(a)), JSON.stringify(a)).to.equal(true)
        for (const a of others) expect(test(document(a)), JSON.stringify(a)).to.equal(false)
      })
    }
  }
})
