import { expect } from 'chai'
import fc from 'fast-check'
import { applyToCopy } from '../../lib/model/apply.ts'
import { DocumentList } from '../../lib/model/collection.ts'
import { diff, diffDocuments } from '../../lib/model/diff.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import { canonical, type JsonObject } from '../../lib/model/json.ts'
import type { Operation } from '../../lib/model/operation.ts'
import { document, value } from './generators.ts'

const set = (path: string, data: Json): Operation => ({ operation: 'set', path, data })
const unset = (path: string): Operation => ({ operation: 'unset', path })

describe('diff', () => {
  const rows: [string, Document, Document, Operation[]][] = [
    ['gives nothing for equal documents', { a: { b: [1] } }, { a: { b: [1] } }, []],
    ['does not count the order of fields', { a: 1, b: { c: 1, d: 2 } }, { b: { d: 2, c: 1 }, a: 1 }, []],
    ['sets a field', { a: { b: 1 } }, { a: { b: 2 } }, [set('a.b', 2)]],
    ['unsets a field', { a: { b: 1, c: 1 } }, { a: { c: 1 } }, [unset('a.b')]],
    ['sets the topmost parent that is new', {}, { a: { b: { c: 1 } } }, [set('a', { b: { c: 1 } })]],
    ['sets what became an object', { a: 1 }, { a: { b: 1 } }, [set('a', { b: 1 })]],
    [
      'sets within an array of the same shape',
      { a: [1, { b: 1 }] },
      { a: [2, { b: 2 }] },
      [set('a.0', 2), set('a.1.b', 2)],
    ],
    ['sets an array of another length as a whole', { a: [1, 2] }, { a: [1] }, [set('a', [1])]],
    ['sets an array of another shape as a whole', { a: [1, {}] }, { a: [{}, 1] }, [set('a', [{}, 1])]],
    [
      'sets the parent of what no path can name',
      { a: { 'x.y': 1 } },
      { a: { 'x.y': 2 } },
      [set('a', { 'x.y': 2 })],
    ],
    ['sets the document where that is at the top', { 'x.y': 1 }, { 'x.y': 2 }, [set('.', { 'x.y': 2 })]],
    [
      'sets the document where its _id changed',
      { _id: 1, a: 1 },
      { _id: 2, a: 1 },
      [set('.', { _id: 2, a: 1 })],
    ],
    [
      'leaves alone what no path can name but did not change',
      { '': 1, a: 1 },
      { '': 1, a: 2 },
      [set('a', 2)],
    ],
    ['does not take null for missing', { a: null }, {}, [unset('a')]],
  ]
  for (const [name, before, after, operations] of rows) {
    it(name, () => expect(diff(before, after)).to.deep.equal(operations))
  }

  it('turns the one document into the other', () => {
    const odd = fc.dictionary(fc.constantFrom('a', 'b.c', '', '[0', 'constructor', '0'), value, {
      noNullPrototype: true,
    })
    const any = fc.oneof(
      document,
      odd.map((fields): Document => ({ _id: 1, ...fields })),
    )
    fc.assert(
      fc.property(any, any, (before, after) => {
        const kept = structuredClone([before, after])
        const result = diff(before, after).reduce<Document | undefined>(applyToCopy, before)
        expect(canonical(result as JsonObject)).to.equal(canonical(after as JsonObject))
        expect([before, after]).to.deep.equal(kept)
      }),
      { numRuns: 500 },
    )
  })
})

describe('diffDocuments', () => {
  it('unsets those gone, sets the new, and diffs the others', () => {
    const before = [{ _id: 1, a: 1 }, { _id: 2 }, { _id: '1', a: 1 }]
    const after = [
      { _id: 3, b: 1 },
      { _id: 1, a: 2 },
      { _id: '1', a: 1 },
    ]
    expect(diffDocuments(before, after)).to.deep.equal([
      { operation: 'unset', id: 2, path: '.' },
      { operation: 'set', id: 3, path: '.', data: { _id: 3, b: 1 } },
      { operation: 'set', id: 1, path: 'a', data: 2 },
    ])
  })

  it('turns the one set of documents into the other', () => {
    const documents = fc.uniqueArray(
      fc.tuple(fc.nat(4), document).map(([_id, fields]): Document => ({ ...fields, _id })),
      { selector: ({ _id }) => _id, maxLength: 4 },
    )
    fc.assert(
      fc.property(documents, documents, (before, after) => {
        const list = new DocumentList([...before])
        list.apply(diffDocuments(before, after))
        const sorted = (some: Document[]) => some.map((one) => canonical(one as JsonObject)).sort()
        expect(sorted(list.list)).to.deep.equal(sorted(after))
      }),
      { numRuns: 300 },
    )
  })
})
