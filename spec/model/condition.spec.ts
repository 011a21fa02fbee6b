import { expect } from 'chai'
import { pullTest } from '../../lib/model/condition.ts'
import type { Json } from '../../lib/model/document.ts'
import type { JsonObject } from '../../lib/model/json.ts'
import { refusal } from './refusal.ts'

describe('A condition of a pull', () => {
  const rows: [JsonObject, Json[], Json[]][] = [
    [{ $eq: 3 }, [3, [1, 3]], [4, '3', null]],
    [{ $ne: 3 }, [4, '3', null], [3, [3]]],
    [{ $gt: 3 }, [4, [1, 5]], [3, '4', null, true]],
    [{ $gte: 'b' }, ['b', 'c'], ['a', 9]],
    [{ $lt: 3, $gt: 0 }, [1], [0, 3]],
    [{ $lte: null }, [null], [0, false]],
    [{ $in: [1, 'x', null] }, [1, 'x', null, [1]], [2, 'y']],
    [{ $nin: [1, 2] }, [3, 'x'], [1, [2, 5]]],
    [{ $exists: true }, [0, null], []],
    [{ $size: 2 }, [[1, 2]], [[1], 2, null]],
    [{ $all: [1, 2] }, [[2, 1, 3]], [[1], 1]],
    [{ $all: [{ $elemMatch: { a: 1 } }] }, [[{ a: 1 }]], [[{ a: 2 }]]],
    [{ $elemMatch: { $gte: 2, $lt: 4 } }, [[1, 3]], [[1, 5], 3]],
    [{ $elemMatch: { a: 1, b: { $gt: 1 } } }, [[{ a: 1, b: 2 }]], [[{ a: 1 }, { b: 2 }]]],
    [{ $not: { $gt: 3 } }, [3, 'x', null], [4]],
    [{ $regex: '^ab', $options: 'i' }, ['ABc', ['x', 'ab']], ['cab', 5]],
    [{ $mod: [4, 1] }, [5, 1], [4, 'x']],
    [{ $type: 'string' }, ['x', ['x']], [1]],
    [{ $type: ['number', 'bool'] }, [1, 1.5, true], ['x', null]],
    [{ $type: 10 }, [null], [0]],
  ]
  for (const [operators, met, unmet] of rows) {
    it(`tells what meets ${JSON.stringify(operators)}`, () => {
      const test = pullTest(operators)
      for (const value of met) expect(test(value), JSON.stringify(value)).to.equal(true)
      for (const value of unmet) expect(test(value), JSON.stringify(value)).to.equal(false)
    })
  }

  const bad: JsonObject[] = [
    { $where: '1' },
    { $in: 3 },
    { $regex: '(' },
    { $regex: 'a', $options: 'x' },
    { $mod: [0, 1] },
    { $mod: [2] },
    { $not: 3 },
    { $elemMatch: 3 },
    { $all: 1 },
    { $toString: 1 },
    { $gt: 1, b: 2 },
  ]
  for (const operators of bad) {
    it(`refuses ${JSON.stringify(operators)}`, () => {
      expect(refusal(() => pullTest(operators))).to.equal('INVALID_OPERATION')
    })
  }
})

describe('A query of a pull', () => {
  const rows: [JsonObject, Json[], Json[]][] = [
    [{}, [{}, { a: 1 }], [1, null, []]],
    [{ a: 1, b: 'x' }, [{ b: 'x', a: 1, c: 0 }], [{ a: 1 }, 1]],
    [{ a: 1 }, [{ a: [1, 2] }], [{ a: [[1]] }]],
    [{ a: null }, [{}, { a: null }], [{ a: 0 }]],
    [{ a: { b: 1 } }, [{ a: { b: 1 } }, { a: [{ b: 1 }] }], [{ a: { b: 1, c: 2 } }]],
    [{ 'a.b': 1 }, [{ a: { b: 1 } }, { a: [{ b: 2 }, { b: 1 }] }], [{ a: 1 }, { a: [] }]],
    [{ 'a.0': 5 }, [{ a: [5] }, { a: { 0: 5 } }], [{ a: [1, 5] }]],
    [{ 'a.b': { $gte: 2, $lt: 2 } }, [{ a: [{ b: 1 }, { b: 3 }] }], [{ a: [{ b: 1 }] }]],
    [{ 'a.b': { $ne: 1 } }, [{ a: [{ b: 2 }] }, {}], [{ a: [{ b: 2 }, { b: 1 }] }]],
    [{ 'a.b': { $nin: [1] } }, [{}], [{ a: { b: 1 } }]],
    [{ 'a.b': { $exists: false } }, [{}, { a: [{}] }], [{ a: [{}, { b: 1 }] }]],
    [{ 'a.b': { $not: { $gt: 1 } } }, [{ a: { b: 1 } }, {}], [{ a: [{ b: 0 }, { b: 2 }] }]],
    [{ a: { $regex: 'X', $options: 'i' } }, [{ a: 'x' }], [{ a: 'y' }]],
    [{ $or: [{ a: 1 }, { b: 1 }] }, [{ a: 1 }, { b: 1 }], [{}]],
    [{ $and: [{ a: 1 }, { b: 1 }] }, [{ a: 1, b: 1 }], [{ a: 1 }]],
    [{ $nor: [{ a: 1 }, { b: 1 }] }, [{}], [{ a: 1 }]],
    [{ toString: null }, [{}], []],
  ]
  for (const [query, met, unmet] of rows) {
    it(`tells what meets ${JSON.stringify(query)}`, () => {
      const test = pullTest(query)
      for (const value of met) expect(test(value), JSON.stringify(value)).to.equal(true)
      for (const value of unmet) expect(test(value), JSON.stringify(value)).to.equal(false)
    })
  }

  it('refuses operators that are unknown', () => {
    for (const query of [{ $where: '1' }, { a: { $near: 1 } }, { $or: 1 }]) {
      expect(refusal(() => pullTest(query as JsonObject))).to.equal('INVALID_OPERATION')
    }
  })
})
