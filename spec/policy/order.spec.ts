import { expect } from 'chai'
import fc from 'fast-check'
import type { Document, Json } from '../../lib/model/document.ts'
import { type Order, parseSortLimit } from '../../lib/policy/order.ts'

const orderOf = (sort: Record<string, 1 | -1>) => parseSortLimit(sort, undefined, 'source')?.order as Order
const sorted = (documents: Document[], sort: Record<string, 1 | -1>) => {
  const order = orderOf(sort)
  return documents
    .toSorted((a, b) => order.compare(order.valuesOf(a), order.valuesOf(b)))
    .map(({ _id }) => _id)
}
const of = (...values: (Json | undefined)[]): Document[] =>
  values.map((a, _id) => (a === undefined ? { _id } : { _id, a }))

describe('policy/order', () => {
  // As MongoDB has it. What of it a server of its wire protocol can show, spec/source/mongo/order.spec.ts does.
  const TABLE: [what: string, values: (Json | undefined)[], sort: Record<string, 1 | -1>, order: number[]][] =
    [
      ['numbers', [3, -1, 2.5], { a: 1 }, [1, 2, 0]],
      ['numbers, descending', [3, -1, 2.5], { a: -1 }, [0, 2, 1]],
      [
        'types: null, number, text, object, boolean',
        [true, { b: 1 }, 'a', 1, null],
        { a: 1 },
        [4, 3, 2, 1, 0],
      ],
      ['types, descending', [null, 1, 'a', { b: 1 }, true], { a: -1 }, [4, 3, 2, 1, 0]],
      ['what is missing as null, by the _id', [null, undefined, null], { a: 1 }, [0, 1, 2]],
      ['what is missing last, where it descends', [undefined, 0], { a: -1 }, [1, 0]],
      ['texts by code points', ['b', 'a', 'B', '\u{1f600}', '\uffff'], { a: 1 }, [2, 1, 0, 4, 3]],
      ['an array by its smallest element', [4, [9, 3], 2], { a: 1 }, [2, 1, 0]],
      ['an array by its largest element, where it descends', [4, [9, 3], 2], { a: -1 }, [1, 0, 2]],
      ['an empty array before null', [null, [], undefined], { a: 1 }, [1, 0, 2]],
      ['an empty array after null, where it descends', [[], null], { a: -1 }, [1, 0]],
      ['an array within an array as a whole', [[[1]], 5, true], { a: 1 }, [1, 0, 2]],
      ['a path', [{ b: 2 }, { b: 1 }, {}], { 'a.b': 1 }, [2, 1, 0]],
      ['a path into a scalar as null', [{ b: 1 }, 5], { 'a.b': 1 }, [1, 0]],
      ['a path through an array', [{ b: 2 }, [{ b: 9 }, { b: 1 }]], { 'a.b': 1 }, [1, 0]],
      [
        'a path through an array of which an element lacks it',
        [{ b: 0 }, [{ b: 9 }, { c: 1 }]],
        { 'a.b': 1 },
        [1, 0],
      ],
      ['a path through an empty array as null', [{ b: 0 }, []], { 'a.b': 1 }, [1, 0]],
      [
        'a position in an array',
        [
          [1, 9],
          [2, 3],
        ],
        { 'a.1': 1 },
        [1, 0],
      ],
    ]
  for (const [what, values, sort, order] of TABLE) {
    it(`has ${what}`, () => expect(sorted(of(...values), sort)).to.deep.equal(order))
  }

  it('goes by its keys in turn, and by the _id at last', () => {
    const documents = [
      { _id: 3, a: 1, b: 1 },
      { _id: 2, a: 1, b: 2 },
      { _id: 1, a: 0, b: 9 },
      { _id: 0, a: 1, b: 1 },
    ]
    expect(sorted(documents, { a: 1, b: -1 })).to.deep.equal([1, 2, 0, 3])
    expect(sorted(documents, { b: -1, a: 1 })).to.deep.equal([1, 2, 0, 3])
    expect(sorted(documents, { a: -1, _id: -1 })).to.deep.equal([3, 2, 0, 1])
  })

  it('looks at the fields at the top of its paths, the _id aside', () => {
    expect([...orderOf({ 'a.b': 1, _id: 1, c: -1 }).fields]).to.deep.equal(['a', 'c'])
  })

  it('is one text for one order', () => {
    expect(orderOf({ a: 1 }).text).to.equal(orderOf({ a: 1, _id: 1 }).text)
    expect(orderOf({ a: 1, b: 1 }).text).not.to.equal(orderOf({ b: 1, a: 1 }).text)
  })

  it('orders any two documents one way, and by what is between them', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        fc.constantFrom(null, 0, 1, 'a', true),
        fc.array(tie('any'), { maxLength: 2 }),
        fc.record({ b: tie('any') }),
      ),
    })).any as fc.Arbitrary<Json>
    const order = orderOf({ 'a.b': -1, a: 1 })
    fc.assert(
      fc.property(value, value, value, (...values) => {
        const [x, y, z] = values.map((a, _id) => order.valuesOf({ _id, a }))
        if (!x || !y || !z) throw new Error('no values')
        expect(Math.sign(order.compare(x, y))).to.equal(-Math.sign(order.compare(y, x)))
        expect(order.compare(x, y)).not.to.equal(0)
        if (order.compare(x, y) < 0 && order.compare(y, z) < 0) expect(order.compare(x, z)).to.be.below(0)
      }),
    )
  })
})
