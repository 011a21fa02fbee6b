import { expect } from 'chai'
import fc from 'fast-check'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Id, Json, Model } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { canonical } from '../../../lib/model/json.ts'
import type { Operation } from '../../../lib/model/operation.ts'
import { coalesceTransaction } from '../../../lib/server/feed/transaction.ts'
import type { Change, DocumentChange } from '../../../lib/source/source.ts'

let places = 0
const place = (id: Id) => ({
  position: String(++places),
  timestamp: '',
  collection: 'users',
  transaction: 't',
  id,
})
const whole = (data: Json): Operation[] => [{ operation: 'set', path: '.', data }]
const insert = (document: Document): DocumentChange => ({
  ...place(document._id ?? null),
  kind: 'insert',
  operations: whole(document as Json),
  document,
})
const update = (
  id: Id,
  fields: Record<string, Json>,
  known: Partial<DocumentChange> = {},
): DocumentChange => ({
  ...place(id),
  kind: 'update',
  operations: Object.entries(fields).map(([path, data]) => ({ operation: 'set', path, data })),
  ...known,
})
const remove = (id: Id, known: Partial<DocumentChange> = {}): DocumentChange => ({
  ...place(id),
  kind: 'delete',
  operations: [{ operation: 'unset', path: '.' }],
  ...known,
})
const said = (changes: readonly Change[]) =>
  changes.map((change) => [change.kind, 'id' in change ? [change.id, change.operations] : null])

describe('server/net', () => {
  it('leaves a transaction as it is that changes no document twice', () => {
    const group = [insert({ _id: 1 }), update(2, { n: 1 }), remove(3)]
    expect(coalesceTransaction(group)).to.equal(group)
  })

  it('says nothing of a document that comes and goes, and nothing of values that a document had only within', () => {
    const before = { _id: 2, team: 'red', n: 1 }
    const net = coalesceTransaction([
      insert({ _id: 1, team: 'blue' }),
      update(2, { team: 'blue', n: 5 }, { before, document: { _id: 2, team: 'blue', n: 5 } }),
      remove(1),
      update(2, { team: 'red', n: 2 }, { document: { _id: 2, team: 'red', n: 2 } }),
      update(3, { n: 1, 'a.b': 1 }),
      update(3, { n: 2, a: 1 }),
    ])
    expect(said(net)).to.deep.equal([
      ['update', [2, [{ operation: 'set', path: 'n', data: 2 }]]],
      [
        'update',
        [
          3,
          [
            { operation: 'set', path: 'n', data: 2 },
            { operation: 'set', path: 'a', data: 1 },
          ],
        ],
      ],
    ])
    expect(net[0]).to.deep.include({ before, document: { _id: 2, team: 'red', n: 2 } })
  })

  it('says nothing where all is as it was, and keeps what was before a delete', () => {
    const before = { _id: 1, n: 1 }
    const there = update(1, { n: 2 }, { before, document: { _id: 1, n: 2 } })
    expect(coalesceTransaction([there, update(1, { n: 1 }, { document: before })])).to.deep.equal([])
    const gone = remove(1, { before: { _id: 1, n: 2 } })
    expect(coalesceTransaction([there, gone])).to.deep.equal([{ ...gone, before }])
  })

  it('makes a replacement of a document that goes and comes back, and an insert of one that is new', () => {
    const back = coalesceTransaction([remove(1), insert({ _id: 1, m: 2 })])
    expect(said(back)).to.deep.equal([['replace', [1, whole({ _id: 1, m: 2 })]]])
    const fresh = coalesceTransaction([insert({ _id: 1, n: 1 }), update(1, { n: 2 })])
    expect(said(fresh)).to.deep.equal([['insert', [1, whole({ _id: 1, n: 2 })]]])
  })

  it('forgets what came before a whole collection went', () => {
    const { id: _, ...where } = place(0)
    const clear: Change = { ...where, kind: 'clear' }
    const after = insert({ _id: 2 })
    expect(coalesceTransaction([insert({ _id: 1 }), clear, after])).to.deep.equal([clear, after])
  })

  it('leads where the changes lead, by ascending positions, whatever is known of documents', () => {
    const steps = fc.array(
      fc.record({
        id: fc.integer({ min: 1, max: 3 }),
        act: fc.constantFrom('put', 'n', 'm', 'delete'),
        tells: fc.constantFrom('before', 'document', 'both', 'nothing'),
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const start: Document[] = [
          { _id: 1, n: 0 },
          { _id: 2, m: 0 },
        ]
        const now = new Map(start.map((document) => [idKey(document._id ?? null), document]))
        const changes: DocumentChange[] = []
        for (const [serial, { id, act, tells }] of all.entries()) {
          const before = now.get(idKey(id))
          if (act === 'put' ? before : !before) continue
          const document =
            act === 'delete' ? undefined : { _id: id, ...(act === 'put' ? {} : before), [act]: serial }
          const known = {
            ...(before && (tells === 'before' || tells === 'both') ? { before } : {}),
            ...(document && (tells === 'document' || tells === 'both') ? { document } : {}),
          }
          if (!document) changes.push(remove(id, known))
          else changes.push(act === 'put' ? insert(document) : update(id, { [act]: serial }, known))
          if (document) now.set(idKey(id), document)
          else now.delete(idKey(id))
        }
        const net = coalesceTransaction(changes) as DocumentChange[]
        const model: Model = { users: structuredClone(start) }
        const oplist = net.flatMap(({ id, operations }) => operations.map((one) => ({ ...one, id })))
        applyDelta(model, { root: 'users', oplist })
        const texts = (documents: Iterable<Document>) =>
          [...documents].map((one) => canonical(one as Json)).sort()
        expect(texts(model.users ?? [])).to.deep.equal(texts(now.values()))
        const keys = net.map(({ id }) => idKey(id))
        expect(new Set(keys).size).to.equal(keys.length)
        const positions = net.map(({ position }) => Number(position))
        expect(positions).to.deep.equal(positions.toSorted((a, b) => a - b))
        for (const { id, document, before } of net) {
          if (document) expect(document).to.deep.equal(now.get(idKey(id)))
          if (before) expect(start).to.deep.include(before)
        }
      }),
    )
  })

  const chains: Record<string, (count: number) => Change[]> = {
    'sets of one document': (count) => Array.from({ length: count }, (_, n) => update(1, { [`f${n}`]: n })),
    'sets of one field': (count) => Array.from({ length: count }, (_, n) => update(1, { n })),
    'changes of an inserted document': (count) => [
      insert({ _id: 1 }),
      ...Array.from({ length: count }, (_, n) => update(1, { [`f${n}`]: n })),
    ],
    'changes of a document that is known before': (count) => [
      update(1, { n: -1 }, { before: { _id: 1 }, document: { _id: 1, n: -1 } }),
      ...Array.from({ length: count }, (_, n) => update(1, { [`f${n}`]: n })),
    ],
    'other operations': (count) =>
      Array.from({ length: count }, () => ({
        ...update(1, {}),
        operations: [{ operation: 'inc', path: 'n', data: 1 }],
      })),
    'documents that come, go and come back': (count) =>
      Array.from({ length: count }, (_, n) => (n % 2 ? remove(n >> 2) : insert({ _id: n >> 2 }))),
  }
  for (const [what, make] of Object.entries(chains)) {
    it(`costs what is linear in the number of ${what}`, () => {
      /** Gives the best of three times. Stops at one below `enough`, since a better one would say no more. */
      const time = (count: number, enough = 0) => {
        let best = Number.POSITIVE_INFINITY
        for (let round = 0; round < 3 && best >= enough; round++) {
          const changes = make(count)
          const start = performance.now()
          coalesceTransaction(changes)
          best = Math.min(best, performance.now() - start)
        }
        return Math.max(best, 10)
      }
      time(1000)
      const small = time(2000)
      // Ten times as many would take a hundred times as long, if each were compared with all before it.
      expect(time(20_000, small * 50) / small).to.be.lessThan(50)
    })
  }
})
