import { expect } from 'chai'
import fc from 'fast-check'
import { applyToCopy } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import type { Operation } from '../../lib/model/operation.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'
import { UpdateMatcher } from '../../lib/policy/verdict.ts'

const set = (path: string, data: Json): Operation => ({ operation: 'set', path, data })
const unset = (path: string): Operation => ({ operation: 'unset', path })

describe('policy/verdict', () => {
  const QUERY: Query = { team: 'a', 'address.city': 'x', n: { $gt: 5 } }
  const rows: [string, Operation[], string][] = [
    ['nothing', [], 'same'],
    ['another field', [set('name', 'b')], 'same'],
    ['a noop', [{ operation: 'noop', path: 'team' }], 'same'],
    ['a value that fails', [set('team', 'b')], 'out'],
    ['a value that passes', [set('team', 'a')], 'in'],
    ['two that pass', [set('team', 'a'), set('n', 6)], 'in'],
    ['one that passes and one that fails', [set('team', 'a'), set('n', 5)], 'out'],
    ['a field that is gone', [unset('team')], 'out'],
    ['a later value', [set('team', 'b'), set('team', 'a')], 'in'],
    ['a part of a field', [set('address.city', 'y')], 'unknown'],
    ['a parent of a field', [set('address', { city: 'x' })], 'in'],
    ['a parent without it', [set('address', {})], 'out'],
    ['a sum', [{ operation: 'inc', path: 'n', data: 1 }], 'unknown'],
    ['a sum, and a value that fails', [{ operation: 'inc', path: 'n', data: 1 }, set('team', 'b')], 'out'],
    ['a rename from it', [{ operation: 'rename', path: 'team', data: 'x' }], 'unknown'],
    ['a rename to it', [{ operation: 'rename', path: 'x', data: 'team' }], 'unknown'],
    ['the document', [set('.', {})], 'unknown'],
  ]
  for (const [name, operations, expected] of rows) {
    it(`${name}: ${expected}`, () => expect(new UpdateMatcher(QUERY).match(operations)).to.equal(expected))
  }

  it('leaves what is looked at together to the document, unless something else fails', () => {
    const judge = new UpdateMatcher({ $or: [{ a: 1 }, { b: 1 }], c: 1 })
    expect(judge.match([set('a', 2)])).to.equal('unknown')
    expect(judge.match([set('a', 2), set('c', 2)])).to.equal('out')
    expect(judge.match([set('d', 2)])).to.equal('same')
  })

  it('is never wrong about what became of a document', () => {
    const scalar = fc.constantFrom<Json>('a', 'b', 1, 7, null)
    const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }), fc.record({ b: scalar }))
    const condition = fc.oneof<fc.Arbitrary<unknown>[]>(
      scalar,
      fc.record({ $gt: fc.constantFrom(3, 5) }),
      fc.record({ $ne: scalar }),
      fc.record({ $exists: fc.boolean() }),
    )
    const simple = fc.dictionary(fc.constantFrom('x', 'y', 'x.b'), condition, { maxKeys: 3 })
    const query = fc.oneof(
      simple,
      fc.tuple(simple, fc.array(simple, { minLength: 1, maxLength: 2 })).map(([a, $or]) => ({ ...a, $or })),
    )
    const operation = fc.oneof(
      fc.tuple(fc.constantFrom('x', 'y', 'z', 'x.b'), value).map(([path, data]) => set(path, data)),
      fc.constantFrom('x', 'y', 'x.b').map(unset),
    )
    const document = fc.dictionary(fc.constantFrom('x', 'y', 'z'), value, { maxKeys: 3 })
    fc.assert(
      fc.property(query, document, fc.array(operation, { maxLength: 3 }), (demanded, before, operations) => {
        let after: Document = before
        try {
          for (const each of operations) after = applyToCopy(after, each) ?? {}
        } catch {
          return
        }
        const matches = matcher(demanded)
        const verdict = new UpdateMatcher(demanded).match(operations)
        if (verdict === 'same') expect(matches(after)).to.equal(matches(before))
        if (verdict === 'out') expect(matches(after)).to.equal(false)
        if (verdict === 'in' && matches(before)) expect(matches(after)).to.equal(true)
      }),
      { numRuns: 5000 },
    )
  })
})
