import { expect } from 'chai'
import fc from 'fast-check'
import { compare, equal } from '../../lib/model/compare.ts'
import { value } from './generators.ts'

describe('compare', () => {
  it('orders as BSON does', () => {
    const ordered = [
      null,
      -2,
      0,
      1.5,
      3,
      '',
      'A',
      'a',
      'ab',
      '\uffee',
      '😀',
      {},
      { a: 1 },
      { a: 1, b: 0 },
      { b: 1 },
      { a: 2 },
      { a: 'x' },
      [],
      [1],
      [1, 0],
      [2],
      ['x'],
      false,
      true,
    ]
    // The type of a field's value counts before its name, the name before the value.
    const expected = ordered.toSpliced(14, 2, { a: 2 }, { b: 1 })
    expect([...expected].reverse().sort(compare)).to.deep.equal(expected)
  })

  it('takes what is missing for null', () => expect(compare(undefined, null)).to.equal(0))

  it('is an order', () => {
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        expect(Math.sign(compare(a, b)) + Math.sign(compare(b, a))).to.equal(0)
        if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).to.be.at.most(0)
        expect(equal(a, structuredClone(a))).to.equal(true)
      }),
    )
  })

  it('tells objects apart whose fields stand in another order', () => {
    expect(equal({ a: 1, b: 1 }, { b: 1, a: 1 })).to.equal(false)
  })
})
