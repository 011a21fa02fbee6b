import { expect } from 'chai'
import fc from 'fast-check'
import { parseWatchedRoot, sourceOf, watchedRoot } from '../../lib/protocol/watched-root.ts'

describe('The name of a watched root', () => {
  const values = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  )

  it('is one for the same parameters, whatever their order, and leads back to them', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ maxLength: 10 }), values, { maxKeys: 5, noNullPrototype: true }),
        (params) => {
          const root = watchedRoot('messages', params)
          const turned = Object.fromEntries(Object.entries(params).reverse())
          expect(watchedRoot('messages', turned)).to.equal(root)
          expect(sourceOf(root)).to.equal('messages')
          const parsed = parseWatchedRoot(root)
          expect(parsed && watchedRoot(parsed.source, parsed.params)).to.equal(root)
        },
      ),
    )
  })

  for (const [root, why] of [
    ['messages', 'it has no parameters'],
    ['messages?{"b":1,"a":1}', 'its keys are not sorted'],
    ['messages?{"a": 1}', 'it has spaces'],
    ['messages?{"a":1.0}', 'a number is written otherwise'],
    ['messages?{"a":-0}', 'a number is written otherwise'],
    ['messages?{"a":1e999}', 'a number is none'],
    ['messages?{"a":"\\u0061"}', 'a text is written otherwise'],
    ['messages?{"a":{"$ne":1}}', 'a value is an object'],
    ['messages?{"a":null}', 'a value is null'],
    ['messages?["a"]', 'it is a list'],
    ['messages?{"a":', 'it is not JSON'],
    [`messages?{"a":"${'x'.repeat(1000)}"}`, 'it is too long'],
  ] as const)
    it(`is not ${root.slice(0, 30)}: ${why}`, () => {
      expect(parseWatchedRoot(root)).to.equal(undefined)
    })
})
