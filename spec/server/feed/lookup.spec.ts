import { expect } from 'chai'
import fc from 'fast-check'
import type { Document, Json } from '../../../lib/model/document.ts'
import { complete, type Found, lookUp } from '../../../lib/server/feed/lookup.ts'
import type { Adapter, Change, DocumentChange } from '../../../lib/source/source.ts'
import { changesOf } from '../../support/feed.ts'

const change = changesOf('users')
const set = (id: number, path: string, data: Json) =>
  change('update', id, { operations: [{ operation: 'set', path, data }] })
const put = (document: Document) =>
  change('replace', Number(document._id), {
    operations: [{ operation: 'set', path: '.', data: document as never }],
  })
const foundOf = (...documents: [number, Document | null][]): Found => ({
  documents: new Map(documents.map(([id, document]) => [`users ${id}`, document])),
  position: '9',
})
const documents = (changes: readonly Change[]) =>
  changes.map((each) => ('id' in each ? [each.kind, each.document] : each.kind))

describe('server/lookup', () => {
  it('asks once for each document of a collection, and tells which are gone and how far it looked', async () => {
    const asked: unknown[] = []
    const adapter = {
      compare: (a: string, b: string) => Number(a) - Number(b),
      lookup: async (collection: string, ids: readonly Json[]) => {
        asked.push([collection, ids])
        return { documents: [{ _id: 1, n: 1 }], position: collection === 'users' ? '7' : '5' }
      },
    } as unknown as Adapter
    const found = await lookUp(adapter, [
      set(1, 'n', 1),
      set(2, 'n', 1),
      set(1, 'n', 2),
      { ...set(1, 'n', 1), collection: 'teams' },
    ])
    expect(asked).to.deep.equal([
      ['users', [1, 2]],
      ['teams', [1]],
    ])
    expect([...found.documents]).to.deep.equal([
      ['users 1', { _id: 1, n: 1 }],
      ['users 2', null],
      ['teams 1', { _id: 1, n: 1 }],
    ])
    expect(found.position).to.equal('7')
  })

  it('takes a plain list too, which tells no position', async () => {
    const adapter = { compare: () => 0, lookup: async () => [{ _id: 1 }] } as unknown as Adapter
    const found = await lookUp(adapter, [set(1, 'n', 1)])
    expect([[...found.documents], found.position]).to.deep.equal([[['users 1', { _id: 1 }]], undefined])
  })

  it('gives each update the document as it was after the last change of it', () => {
    const all = complete([set(1, 'n', 1), set(2, 'n', 5), set(1, 'n', 2)], foundOf([1, { _id: 1, n: 0 }]))
    expect(documents(all)).to.deep.equal([
      ['update', { _id: 1, n: 2 }],
      ['update', undefined],
      ['update', { _id: 1, n: 2 }],
    ])
  })

  it('sends whole what the document of an earlier change holds already, and what would count twice', () => {
    const inc = change('update', 1, { operations: [{ operation: 'inc', path: 'n', data: 1 }] })
    const told = { ...inc, document: { _id: 1, n: 3, kind: 'z' } }
    const before = { ...inc, document: { _id: 1, n: 2 } }
    const all = complete([before, set(1, 'kind', 'z'), told, inc], foundOf([1, { _id: 1, n: 4, kind: 'z' }]))
    const operations = all.map((each) => ('id' in each ? each.operations[0] : undefined))
    expect(operations.map((each) => [each?.operation, each?.data])).to.deep.equal([
      ['inc', 1],
      ['set', 'z'],
      ['set', { _id: 1, n: 3, kind: 'z' }],
      ['set', { _id: 1, n: 4, kind: 'z' }],
    ])
  })

  it('sends a document whole of which it is not known when it was so', () => {
    const [first] = complete([set(1, 'n', 1)], {
      ...foundOf([1, { _id: 1, n: 0, m: 7 }]),
      position: undefined,
    })
    expect(first).to.deep.include({ kind: 'replace', document: { _id: 1, n: 1, m: 7 } })
    expect((first as DocumentChange).operations).to.deep.equal([
      { operation: 'set', path: '.', data: { _id: 1, n: 1, m: 7 } },
    ])
  })

  it('makes a deletion of an update whose document is gone, unless it came again', () => {
    const changes = [set(1, 'n', 1), change('delete', 1)]
    expect(documents(complete(changes, foundOf([1, null])))).to.deep.equal([
      ['delete', undefined],
      ['delete', undefined],
    ])
    const again = [...changes, put({ _id: 1, n: 9 }), set(1, 'm', 1)]
    expect(documents(complete(again, foundOf([1, null])))[0]).to.deep.equal([
      'update',
      { _id: 1, n: 9, m: 1 },
    ])
  })

  it('ignores what does not fit a newer shape, which the change that gave it that shape makes up for', () => {
    const changes = [set(1, 'a.b', 1), set(1, 'a', 5)]
    expect(documents(complete(changes, foundOf([1, { _id: 1, a: 5 }])))[0]).to.deep.equal([
      'update',
      { _id: 1, a: 5 },
    ])
  })

  it('leaves alone what has its document, and whole collections', () => {
    const whole: Change = { kind: 'clear', position: '1', timestamp: '', collection: 'users' }
    const exact = { ...set(1, 'n', 1), document: { _id: 1, n: 1 } }
    expect(complete([whole, exact], foundOf([1, { _id: 1, n: 7 }]))).to.deep.equal([whole, exact])
  })

  it('leads to the last state from whatever state in between was looked up', () => {
    const value = fc.oneof(
      fc.nat({ max: 3 }),
      fc.record({ b: fc.nat({ max: 3 }) }, { noNullPrototype: true }),
    )
    const step = fc.oneof(
      value.map((data) => set(1, 'a', data)),
      fc.nat({ max: 3 }).map((data) => set(1, 'c', data)),
      value.map((a) => put({ _id: 1, a })),
      fc.constant(change('delete', 1)),
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), fc.nat(), (steps, at) => {
        const states: (Document | null)[] = [{ _id: 1, a: 0 }]
        const told: DocumentChange[] = []
        for (const each of steps) {
          const now = states.at(-1) ?? null
          if (each.kind === 'update' && !now) continue
          const [operation] = each.operations
          const next =
            each.kind === 'delete'
              ? null
              : each.kind === 'replace'
                ? ((operation?.data ?? null) as Document | null)
                : { ...now, [operation?.path ?? '']: operation?.data }
          states.push(next)
          told.push(each)
        }
        const first = told[0]
        if (!first) return
        const seen = states[1 + (at % (states.length - 1))] ?? null
        const all = complete([set(1, 'noop', 0), ...told.slice(1)], foundOf([1, seen]))
        const last = states.at(-1) ?? null
        const [given] = documents(all)
        expect(given).to.deep.equal(
          last
            ? ['update', { ...last, ...(seen && sameLife(told) ? { noop: 0 } : {}) }]
            : ['delete', undefined],
        )
      }),
      { numRuns: 1000 },
    )
  })
})

/** Whether nothing replaced the document after the first change. */
function sameLife(told: readonly DocumentChange[]): boolean {
  return told.slice(1).every((each) => each.kind === 'update')
}
