import { expect } from 'chai'
import { pullTest } from '../../lib/model/condition.ts'
import type { JsonObject } from '../../lib/model/json.ts'
import { escapePattern, MAX_PATTERN } from '../../lib/model/pattern.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'
import { refusal } from './refusal.ts'

// The rules of the pages on query operators in MongoDB's manual, and the server's own texts of refusal, by operator.
describe('What MongoDB refuses in a query', () => {
  const refused: Record<string, unknown[]> = {
    $all: [
      [{ $gt: 4 }],
      [4, { $gt: 4 }],
      [{ $elemMatch: { b: 1 } }, 5],
      [5, { $elemMatch: { b: 1 } }],
      [{ $elemMatch: { b: 1 }, $size: 1 }],
      [{ $in: [1] }],
      [{ $regex: 'a' }],
      [{ $not: { $gt: 4 } }],
      [{ $all: [4] }],
      4,
      'a',
      null,
      {},
    ],
    $in: [4, 'a', null, {}, { $gt: 4 }, [{ $gt: 4 }], [1, { $regex: 'a' }], [{ $elemMatch: { b: 1 } }]],
    $nin: [4, 'a', null, {}, [{ $gt: 4 }], [{ $exists: true }]],
    $size: [-1, 1.5, '1', null, [1], { $gt: 1 }],
    $type: [[], 'text', 0, 20, 1.5, '', null, {}, ['string', 'text'], [[]]],
    $mod: [
      [],
      [2],
      [0, 1],
      [2, 1, 0],
      ['2', 1],
      [2, '1'],
      [2, null],
      [0.5, 1],
      [1e30, 1],
      [2, 1e30],
      2,
      null,
      { a: 2 },
    ],
    $regex: [4, null, {}, ['a'], '(', '[', '*', 'a\0b'],
    $options: ['i', '', 1],
    $not: [{}, 4, 'a', null, [], { a: 1 }, [{ $gt: 1 }], { $gt: 1, b: 1 }, { $options: 'i' }],
    $elemMatch: [
      4,
      'a',
      null,
      [],
      [{ a: 1 }],
      { $gt: 1, b: 1 },
      { $or: [] },
      { $and: [1] },
      { b: { $foo: 1 } },
    ],
    $gt: [/a/],
    $gte: [/a/],
    $lt: [/a/],
    $lte: [/a/],
    $ne: [/a/],
    $foo: [1],
    $and: [[{ $gt: 1 }]],
    $or: [[{ $gt: 1 }]],
    $nor: [[{ $gt: 1 }]],
    $where: ['1'],
    $set: [1],
  }
  for (const [operator, operands] of Object.entries(refused)) {
    for (const operand of operands) {
      const text = operand instanceof RegExp ? String(operand) : JSON.stringify(operand)
      it(`is refused: { a: { ${operator}: ${text} } }, also below others`, () => {
        const condition = { [operator]: operand }
        for (const query of [
          { a: condition },
          { 'a.b': condition },
          { $or: [{ b: 1 }, { a: condition }] },
          { a: { $elemMatch: { b: condition } } },
          { a: { $not: condition } },
        ]) {
          expect(
            refusal(() => matcher(query as Query)),
            JSON.stringify(query),
          ).to.equal('INVALID_QUERY')
        }
        const isJson = !(operand instanceof RegExp)
        if (isJson)
          expect(refusal(() => pullTest({ b: condition } as JsonObject))).to.equal('INVALID_OPERATION')
      })
    }
  }

  const whole: unknown[] = [
    { $and: [] },
    { $or: [] },
    { $nor: [] },
    { $and: {} },
    { $or: 1 },
    { $and: [1] },
    { $or: [null] },
    { $nor: [[{ a: 1 }]] },
    { $not: { a: 1 } },
    { $gt: 1 },
    { $in: [1] },
    { $foo: 1 },
    { a: { $gt: 1, b: 1 } },
    { a: { $regex: 'a', $options: 'g' } },
    { a: { $regex: 'a', $options: 'y' } },
    { a: { $regex: 'a', $options: 'ii' } },
    { a: { $regex: 'a', $options: 1 } },
    { a: { $regex: /a/i, $options: 'm' } },
    { a: { $in: [/a/, { $regex: 'b' }] } },
  ]
  for (const query of whole) {
    it(`is refused: ${JSON.stringify(query)}`, () => {
      expect(refusal(() => matcher(query as Query))).to.equal('INVALID_QUERY')
    })
  }

  const taken: unknown[] = [
    { a: { $all: [] } },
    { a: { $all: [1, [2], null, { b: 1 }] } },
    { a: { $all: [/a/, 'b'] } },
    { a: { $all: [{ $elemMatch: { b: 1 } }, { $elemMatch: { $gt: 1 } }] } },
    { a: { $in: [] } },
    { a: { $in: [/a/, null, [1], { b: 1 }] } },
    { a: { $size: 0 } },
    { a: { $type: ['string', 16] } },
    { a: { $type: ['undefined', 'dbPointer', 'symbol', 'javascriptWithScope', 6, 12, 14, 15] } },
    { a: { $mod: [2.5, 1] } },
    { a: { $mod: [-3, 0] } },
    { a: { $regex: 'a', $options: '' } },
    { a: { $options: 'i', $regex: 'a' } },
    { a: { $regex: /a/, $options: 'i' } },
    { a: { $not: /a/ } },
    { a: { $not: { $regex: 'a' } } },
    { a: { $not: { $not: { $gt: 1 } } } },
    { a: { $elemMatch: {} } },
    { a: { $elemMatch: { $or: [{ b: 1 }, { c: 1 }] } } },
    { a: { $eq: { $gt: 1 } } },
    { a: { $exists: 'yes' } },
    { a: {} },
    { $comment: 'all', a: 1 },
  ]
  for (const query of taken) {
    it(`is not ${JSON.stringify(query)}`, () => {
      expect(() => matcher(query as Query)).not.to.throw()
    })
  }
})

describe('A pattern', () => {
  it('has a length that is bounded, wherever it stands', () => {
    const long = 'a'.repeat(MAX_PATTERN + 1)
    for (const condition of [
      { $regex: long },
      { $regex: new RegExp(long) },
      { $not: new RegExp(long) },
      { $in: [new RegExp(long)] },
      new RegExp(long),
    ])
      expect(refusal(() => matcher({ a: condition }))).to.equal('INVALID_QUERY')
    expect(matcher({ a: { $regex: 'a'.repeat(MAX_PATTERN) } })({ a: 'b' })).to.equal(false)
  })

  it('of an escaped text matches this text alone, with any flags', () => {
    const texts = [
      'a.b',
      '(a+)+$',
      '[x]',
      '^a',
      '$',
      'a|b',
      'a-b',
      'a\\d',
      '{2}',
      '',
      'ä 😀',
      'a/b',
      '*',
      'a?',
    ]
    for (const text of texts) {
      for (const $options of ['', 'i', 'u']) {
        const matches = matcher({ a: { $regex: `^${escapePattern(text)}$`, $options } })
        for (const other of texts)
          expect(matches({ a: other }), `${text} / ${other}`).to.equal(other === text)
      }
    }
  })

  it('of an escaped text is done at once with what would keep the text itself busy', () => {
    const evil = '(a+)+$'
    const began = performance.now()
    expect(matcher({ a: { $regex: escapePattern(evil) } })({ a: `${'a'.repeat(5000)}b` })).to.equal(false)
    expect(performance.now() - began).to.be.below(1000)
  })

  it('is not made of what is no text', () => {
    expect(refusal(() => escapePattern(undefined as unknown as string))).to.equal('INVALID_QUERY')
  })
})
