import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import {
  byCollection,
  documentAfter,
  groupChanges,
  sizeOf,
  withoutDocument,
} from '../../../lib/server/feed/change.ts'
import type { Change, DocumentChange } from '../../../lib/source/source.ts'

const PLACE = { position: '1', timestamp: '2026-01-01T00:00:00.000Z', collection: 'users' }
const whole = (document: Document): DocumentChange['operations'] => [
  { operation: 'set', path: '.', data: document as never },
]
const update = (more: Partial<DocumentChange> = {}): DocumentChange => ({
  ...PLACE,
  kind: 'update',
  id: 1,
  operations: [{ operation: 'set', path: 'n', data: 1 }],
  ...more,
})

describe('server/change', () => {
  describe('The document after a change', () => {
    const document = { _id: 1, n: 1 }
    const rows: [string, DocumentChange, Document | undefined][] = [
      ['an insert holds', { ...PLACE, kind: 'insert', id: 1, operations: whole(document) }, document],
      ['a replacement holds', { ...PLACE, kind: 'replace', id: 1, operations: whole(document) }, document],
      ['a delete has none', withoutDocument(update()), undefined],
      ['an update may tell', update({ document }), document],
      ['an update may not tell', update(), undefined],
      ['an update of the whole does not tell', update({ operations: whole(document) }), undefined],
    ]
    for (const [what, change, expected] of rows) {
      it(`is what ${what}`, () => expect(documentAfter(change)).to.deep.equal(expected))
    }
  })

  it('of a document that was found to be gone is a delete at the same place, which still tells what was before', () => {
    const change = update({ document: { _id: 1 }, before: { _id: 1, n: 0 }, transaction: 't' })
    expect(withoutDocument(change)).to.deep.equal({
      ...PLACE,
      kind: 'delete',
      id: 1,
      operations: [{ operation: 'unset', path: '.' }],
      before: { _id: 1, n: 0 },
      transaction: 't',
    })
    expect(change.document).to.deep.equal({ _id: 1 })
  })

  describe('Changes', () => {
    it('of one transaction belong together where they follow each other, all others stand alone', () => {
      const transactions = ['a', 'a', undefined, undefined, 'a', 'b', 'b']
      const changes = transactions.map((transaction, index) =>
        update({ position: `${index}`, ...(transaction ? { transaction } : {}) }),
      )
      const groups = groupChanges(changes).map((group) => group.map(({ position }) => position))
      expect(groups).to.deep.equal([['0', '1'], ['2'], ['3'], ['4'], ['5', '6']])
      expect(groupChanges([])).to.deep.equal([])
    })

    it('are told apart by their collections, in order', () => {
      const changes = ['users', 'teams', 'users'].map((collection, id) => update({ collection, id }))
      const ids = [...byCollection(changes)].map(([name, group]) => [name, group.map(({ id }) => id)])
      expect(ids).to.deep.equal([
        ['users', [0, 2]],
        ['teams', [1]],
      ])
    })
  })

  describe('The size of a change', () => {
    const TEXT = 'x'.repeat(10_000)
    const rows: [string, Change, number, number][] = [
      ['a little for a dropped collection', { ...PLACE, kind: 'clear' }, 200, 200],
      ['a little for a small update', update(), 200, 400],
      [
        'what its operations hold',
        update({ operations: [{ operation: 'set', path: 'a', data: TEXT }] }),
        10_200,
        10_500,
      ],
      [
        'what the document holds that came with it',
        update({ document: { _id: 1, text: TEXT } }),
        10_200,
        10_500,
      ],
      [
        'what the document held before',
        update({ before: { _id: 1, deep: [{ text: TEXT }, { text: TEXT }] } }),
        20_200,
        20_700,
      ],
      [
        'what an inserted document holds',
        { ...PLACE, kind: 'insert', id: 1, operations: whole({ _id: 1, list: Array(1_000).fill(1) }) },
        8_200,
        8_600,
      ],
    ]
    it('counts what was before as well where both are known', () => {
      const document = { _id: 1, text: TEXT }
      expect(sizeOf(update({ document, before: document }))).to.be.within(20_200, 20_600)
    })

    it('does not take longer for a long list', () => {
      let looked = 0
      const item = () => ({
        get text() {
          looked++
          return 'x'.repeat(84)
        },
      })
      const list = Array.from({ length: 10_000 }, item)
      expect(sizeOf(update({ document: { _id: 1, list } as never }))).to.be.within(1_400_000, 1_500_000)
      expect(looked).to.be.below(100)
    })

    for (const [what, change, least, most] of rows) {
      it(`is ${what}`, () => expect(sizeOf(change)).to.be.within(least, most))
    }
  })
})
