import { expect } from 'chai'
import fc from 'fast-check'
import { Query } from 'mingo'
import { applyToCopy } from '../../../lib/model/apply.ts'
import { DocumentList } from '../../../lib/model/collection.ts'
import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import type { DocumentOperation, Operation } from '../../../lib/model/operation.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { filterPayload, type Manifest } from '../../../lib/policy/manifest.ts'
import { parseSortLimit, type SortLimit } from '../../../lib/policy/order.ts'
import { MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import { differenceOf, knownBefore, ordered } from '../../../lib/server/view/difference.ts'
import { digest, STALE } from '../../../lib/server/view/digest.ts'
import { ViewFilter } from '../../../lib/server/view/filter.ts'
import { applyChange, needsDocument } from '../../../lib/server/view/ordered-filter.ts'
import { SortedWindow, type Step, spareFor } from '../../../lib/server/view/sorted-window.ts'
import type { DocumentChange } from '../../../lib/source/source.ts'
import { changesOf, entryOf } from '../../support/feed.ts'

const cutOf = (sort: object, limit?: number) => parseSortLimit(sort, limit, 'source') as SortLimit
const TOP = cutOf({ at: -1 }, 3)
const documents = (...ats: number[]) => ats.map((at) => ({ _id: at, at }))
const told = (steps: Step[]) =>
  steps.map((step) => [step.kind, step.item.document._id, ...('at' in step ? [step.at] : [])])
const shown = (window: SortedWindow) => window.visible.map(({ document }) => document._id)

describe('server/window', () => {
  it('shows the first documents by the order, and knows some more', () => {
    const window = new SortedWindow(TOP, documents(1, 5, 3, 4, 2), true)
    expect(shown(window)).to.deep.equal([5, 4, 3])
    expect([window.size, window.short, window.whole]).to.deep.equal([5, false, true])
  })

  const MOVES: [what: string, change: (window: SortedWindow) => Step[], steps: unknown[], after: number[]][] =
    [
      [
        'one that enters pushes the last one out',
        (window) => window.put({ _id: 9, at: 9 }),
        [
          ['leave', 3],
          ['enter', 9, 0],
        ],
        [9, 5, 4],
      ],
      [
        'one that comes after the visible ones is not told of',
        (window) => window.put({ _id: 0, at: 2.5 }),
        [],
        [5, 4, 3],
      ],
      [
        'one that leaves is followed by the next one',
        (window) => window.remove(idKey(4)),
        [
          ['leave', 4],
          ['enter', 2, 2],
        ],
        [5, 3, 2],
      ],
      ['one that leaves from behind is not told of', (window) => window.remove(idKey(1)), [], [5, 4, 3]],
      ['one that is not there does not leave', (window) => window.remove(idKey(7)), [], [5, 4, 3]],
      ['one that moves within stays', (window) => window.put({ _id: 3, at: 6 }), [['stay', 3, 0]], [3, 5, 4]],
      [
        'one that keeps its place stays',
        (window) => window.put({ _id: 4, at: 4.5 }),
        [['stay', 4, 1]],
        [5, 4, 3],
      ],
      [
        'one that moves out of sight leaves',
        (window) => window.put({ _id: 5, at: 1.5 }),
        [
          ['leave', 5],
          ['enter', 2, 2],
        ],
        [4, 3, 2],
      ],
      [
        'one that moves into sight enters',
        (window) => window.put({ _id: 1, at: 4.5 }),
        [
          ['leave', 3],
          ['enter', 1, 1],
        ],
        [5, 1, 4],
      ],
      [
        'ties are ordered by the _id',
        (window) => window.put({ _id: 4.5, at: 5 }),
        [
          ['leave', 3],
          ['enter', 4.5, 0],
        ],
        [4.5, 5, 4],
      ],
    ]
  for (const [what, change, steps, after] of MOVES) {
    it(what, () => {
      const window = new SortedWindow(TOP, documents(1, 2, 3, 4, 5), true)
      expect(told(change(window))).to.deep.equal(steps)
      expect(shown(window)).to.deep.equal(after)
    })
  }

  it('is short once fewer are known than are to be shown, and there may be more', () => {
    const window = new SortedWindow(TOP, documents(6, 5, 4, 3), false)
    window.remove(idKey(6))
    expect([window.short, shown(window)]).to.deep.equal([false, [5, 4, 3]])
    window.remove(idKey(5))
    expect(window.short).to.equal(true)
    // What comes after all that was known may be preceded by others.
    window.put({ _id: 1, at: 1 })
    expect([window.short, shown(window)]).to.deep.equal([true, [4, 3]])
    window.put({ _id: 3.5, at: 3.5 })
    expect([window.short, shown(window)]).to.deep.equal([false, [4, 3.5, 3]])
  })

  it('is never short where all are known, and forgets none of few', () => {
    const window = new SortedWindow(TOP, documents(1), true)
    window.remove(idKey(1))
    window.put({ _id: 2, at: 2 })
    expect([window.short, shown(window)]).to.deep.equal([false, [2]])
  })

  it('does not grow without end, and tells which documents it knows', () => {
    const window = new SortedWindow(TOP, [], true)
    const known = new Set<string>()
    window.onKnown = (key, knows) => (knows ? known.add(key) : known.delete(key))
    for (let at = 0; at < 500; at++) window.put({ _id: at, at })
    expect(window.size).to.be.at.most(spareFor(3) * 2)
    expect([...known].sort()).to.deep.equal([...window.keys].sort())
    expect(shown(window)).to.deep.equal([499, 498, 497])
    for (let at = 499; !window.short; at--) window.remove(idKey(at))
    expect(window.size).to.be.below(3)
  })

  it('keeps only what it is ordered by where there is no limit', () => {
    const window = new SortedWindow(cutOf({ 'a.b': 1 }), [{ _id: 1, a: { b: 2, c: 3 }, text: 'long' }], true)
    expect(window.get(idKey(1))?.document).to.deep.equal({ _id: 1, a: { b: 2, c: 3 } })
    expect([window.whole, window.short]).to.deep.equal([false, false])
  })

  describe('law', () => {
    const id = fc.integer({ min: 1, max: 12 })
    const at = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(null, 'a', true))
    const fields = fc.record({ at, team: fc.constantFrom('a', 'b'), name: fc.nat(3) }, { requiredKeys: [] })
    const operation: fc.Arbitrary<Operation> = fc.oneof(
      at.map((data): Operation => ({ operation: 'set', path: 'at', data })),
      fc.constantFrom('a', 'b').map((data): Operation => ({ operation: 'set', path: 'team', data })),
      fc.nat(9).map((data): Operation => ({ operation: 'set', path: 'name', data })),
      fc.constantFrom('at', 'team', 'name').map((path): Operation => ({ operation: 'unset', path })),
      fc.constant<Operation>({ operation: 'rename', path: 'name', data: 'at' }),
    )
    const write = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), id, fields }),
      fc.record({ kind: fc.constant('delete' as const), id }),
      fc.record({
        kind: fc.constant('update' as const),
        id,
        operations: fc.array(operation, { minLength: 1, maxLength: 2 }),
        exact: fc.boolean(),
      }),
    )

    type Write = typeof write extends fc.Arbitrary<infer T> ? T : never

    /** What a write changes in a collection; undefined where it changes nothing. */
    function changeOf(all: Map<number, Document>, step: Write): DocumentChange | undefined {
      const before = all.get(step.id)
      const rest = { position: '', timestamp: '', collection: '', id: step.id }
      if (step.kind === 'put') {
        const data = { _id: step.id, ...step.fields }
        all.set(step.id, data)
        return {
          ...rest,
          kind: before ? 'replace' : 'insert',
          operations: [{ operation: 'set', path: '.', data }],
        }
      }
      if (!before) return undefined
      if (step.kind === 'delete') {
        all.delete(step.id)
        return { ...rest, kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }
      }
      const document = step.operations.reduce<Document>((now, one) => applyToCopy(now, one) ?? now, before)
      all.set(step.id, document)
      const change: DocumentChange = { ...rest, kind: 'update', operations: step.operations }
      return step.exact ? { ...change, document } : change
    }

    const CASES: [what: string, sort: Record<string, 1 | -1>, limit: number | undefined, query: object][] = [
      ['a limit', { at: -1 }, 2, {}],
      ['a limit and a criteria', { at: 1, name: -1 }, 2, { team: { $ne: 'b' } }],
      ['no limit', { at: 1 }, undefined, {}],
      ['no limit and a criteria', { team: 1, at: -1 }, undefined, { team: { $in: ['a', null] } }],
    ]
    const MANIFESTS: Manifest[] = [true, { name: true }]
    for (const [what, sort, limit, query] of CASES) {
      it(`with ${what}, a client that applies what is told has the first documents of the collection in order`, () => {
        const cut = cutOf(sort, limit)
        const matches = Object.keys(query).length > 0 ? matcher(query as never) : undefined
        const oracle = new Query<Document>(query as never)
        let rereads = 0
        let entered = 0
        fc.assert(
          fc.property(
            fc.array(fc.tuple(id, fields), { minLength: 6, maxLength: 14 }),
            fc.array(write, { minLength: 5, maxLength: 60 }),
            fc.nat(2),
            fc.constantFrom(...MANIFESTS),
            (begin, steps, spare, manifest) => {
              const all = new Map(begin.map(([_id, rest]): [number, Document] => [_id, { _id, ...rest }]))
              const filter = new ViewFilter(manifest, query as never, matches, cut.order)
              const truth = () =>
                oracle
                  .find<Document>([...all.values()])
                  .sort({ ...sort, _id: 1 })
                  .all()
              const read = () => {
                const found = truth()
                const first = limit === undefined ? found : found.slice(0, limit + spare)
                return new SortedWindow(cut, first, first.length === found.length)
              }
              const image = () => filterPayload(manifest, truth().slice(0, limit))
              let window = read()
              const client = new DocumentList(image())
              for (const step of steps) {
                let change = changeOf(all, step)
                if (!change) continue
                const asked = needsDocument(window, filter, change)
                const document = all.get(step.id)
                if (asked && document) change = { ...change, document }
                const known = new Map(
                  client.list.map((one) => [idKey(one._id ?? null), digest(one as never)]),
                )
                const oplist = applyChange(window, filter, change, true)
                // With what it asked for it can always tell.
                expect(oplist).not.to.equal(MUST_RELOAD)
                if (oplist === MUST_RELOAD || window.short) {
                  rereads++
                  window = read()
                  const after = new Map(image().map((one) => [idKey(one._id ?? null), one]))
                  client.apply(ordered(unwait(known, after), known, after))
                } else {
                  entered += oplist.filter((one) => one.at !== undefined).length
                  client.apply(JSON.parse(JSON.stringify(oplist)))
                }
                expect(client.list).to.deep.equal(image())
              }
            },
          ),
          { numRuns: 300 },
        )
        expect(entered).to.be.above(50)
        if (limit !== undefined) expect(rereads).to.be.above(10)
        else expect(rereads).to.equal(0)
      })
    }
  })

  it('tells what was shown before changes by undoing them, where they tell what documents were', () => {
    const id = fc.integer({ min: 1, max: 12 })
    const fields = fc.record({ at: fc.nat(5), team: fc.constantFrom('a', 'b') })
    let told = 0
    let untold = 0
    fc.assert(
      fc.property(
        fc.array(fc.tuple(id, fields), { minLength: 5, maxLength: 14 }),
        fc.array(fc.tuple(id, fc.option(fields)), { maxLength: 6 }),
        fc.constantFrom(undefined, 3),
        fc.nat(3),
        fc.boolean(),
        (begin, steps, limit, spare, criteria) => {
          const cut = cutOf({ at: -1 }, limit)
          const matches = criteria ? matcher({ team: 'a' }) : undefined
          const held = new Map(begin.map(([_id, rest]): [number, Document] => [_id, { _id, ...rest }]))
          const all = new Map(held)
          const filter = new ViewFilter(true, criteria ? { team: 'a' } : {}, matches, cut.order)
          const inOrder = () =>
            new SortedWindow(
              cut,
              [...all.values()].filter((one) => matches?.(one) ?? true),
              true,
            ).visible
          const before = inOrder()
            .slice(0, limit)
            .map(({ key }) => key)
          const changes = steps.flatMap(([_id, rest]) => {
            const was = all.get(_id)
            if (rest) all.set(_id, { _id, ...rest })
            else all.delete(_id)
            if (!rest && !was) return []
            const kind = rest ? (was ? 'replace' : 'insert') : 'delete'
            return [{ kind, collection: 'users', id: _id, operations: [], ...(was ? { before: was } : {}) }]
          })
          const found = [...all.values()].filter((one) => matches?.(one) ?? true)
          const first = new SortedWindow(cut, found, true).visible.slice(0, (limit ?? 99) + spare)
          const documents = new Map(first.map(({ key }) => [key, all.get(JSON.parse(key)) as Document]))
          const window = new SortedWindow(cut, documents.values(), first.length === found.length)
          const entries = changes.map((change) => entryOf([change as never]))
          const known = knownBefore(entries, 'users', documents, window, filter)
          if (known) told++
          else untold++
          if (known || limit === undefined) expect([...(known ?? []).keys()]).to.deep.equal(before)
          for (const [key, value] of known ?? [])
            if (value !== STALE) expect(value).to.equal(digest(held.get(JSON.parse(key)) as never))
          expect(window.visible.map(({ key }) => key)).to.deep.equal([...documents.keys()].slice(0, limit))
          const blind = entries.length > 0 && [
            ...entries,
            entryOf([changesOf('users')('update', 99, { operations: [{ operation: 'unset', path: 'at' }] })]),
          ]
          if (blind)
            expect(knownBefore(blind as never, 'users', documents, window, filter)).to.equal(undefined)
        },
      ),
      { numRuns: 300 },
    )
    expect(told).to.be.above(100)
    expect(untold).to.be.above(0)
  })

  it('is led to by a difference that moves as few documents as can be', async () => {
    const known = new Map(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => [idKey(id), digest({ _id: id })]))
    const list = new DocumentList([...'abcdef'].map((_id) => ({ _id })))
    const after = new Map([...'bxcefa'].map((_id) => [idKey(_id), _id === 'c' ? { _id, n: 1 } : { _id }]))
    const operations = ordered(await differenceOf(known, after), known, after)
    expect(operations).to.deep.equal([
      { operation: 'unset', id: 'd', path: '.' },
      { operation: 'set', id: 'x', path: '.', data: { _id: 'x' }, at: 2 },
      { operation: 'set', id: 'c', path: '.', data: { _id: 'c', n: 1 } },
      { operation: 'noop', id: 'a', path: '.', at: 5 },
    ])
    list.apply(operations)
    expect(list.list).to.deep.equal([...after.values()])
  })

  it('is led to by a difference from any list to any other', () => {
    const lists = fc.uniqueArray(fc.integer({ min: 0, max: 9 }))
    fc.assert(
      fc.property(lists, lists, (from, to) => {
        const known = new Map(from.map((_id) => [idKey(_id), digest({ _id, n: _id % 2 })]))
        const after = new Map(to.map((_id) => [idKey(_id), { _id, n: _id % 3 === 0 ? 0 : _id % 2 }]))
        const list = new DocumentList(from.map((_id) => ({ _id, n: _id % 2 })))
        list.apply(ordered(unwait(known, after), known, after))
        expect(list.list).to.deep.equal([...after.values()])
      }),
    )
  })
})

/** The same as `differenceOf`, at once. */
function unwait(
  known: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, Document>,
): DocumentOperation[] {
  const gone = [...known.keys()].filter((key) => !after.has(key))
  const changed = [...after].filter(([key, one]) => known.get(key) !== digest(one as never))
  return [
    ...gone.map((key): DocumentOperation => ({ operation: 'unset', id: JSON.parse(key), path: '.' })),
    ...changed.map(([, one]): DocumentOperation => {
      return { operation: 'set', id: one._id ?? null, path: '.', data: one as never }
    }),
  ]
}
