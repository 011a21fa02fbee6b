import { expect } from 'chai'
import fc from 'fast-check'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Id } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { sameJson } from '../../../lib/model/json.ts'
import type { DocumentOperation } from '../../../lib/model/operation.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { filterPayload, type Manifest, parseManifest } from '../../../lib/policy/manifest.ts'
import type { Entry } from '../../../lib/server/feed/log.ts'
import { differenceOf, recallOf, type ViewDigest } from '../../../lib/server/view/difference.ts'
import { digest, STALE } from '../../../lib/server/view/digest.ts'
import { ViewFilter } from '../../../lib/server/view/filter.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Change, DocumentChange, Query } from '../../../lib/source/source.ts'
import { entryOf } from '../../support/feed.ts'

const keyOf = (document: Document) => idKey(document._id ?? null)
const byKey = (documents: readonly Document[]) =>
  new Map(documents.map((document) => [keyOf(document), document]))
const knownOf = (documents: readonly Document[], unknown: readonly string[] = []): ViewDigest =>
  new Map(
    documents.map((document) => {
      const key = keyOf(document)
      return [key, unknown.includes(key) ? STALE : digest(document as never)]
    }),
  )
const sorted = (documents: readonly Document[]) =>
  [...documents].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
/** What a client has that held these documents and gets these operations. */
const after = (held: readonly Document[], oplist: readonly DocumentOperation[]) => {
  const model = applyDelta({ users: structuredClone([...held]) }, {
    root: 'users',
    timestamp: '',
    oplist,
  } as never)
  return sorted(model.users ?? [])
}
/** Operations in short: what, of which id, and the data. */
const short = (oplist: readonly DocumentOperation[] | undefined) =>
  oplist?.map(({ operation, id, path, data }) => [operation, id, path, ...(data === undefined ? [] : [data])])

const IDS: readonly Id[] = [0, 1, 2, 3, '1', 'a"b', { a: 1 }]
const id = fc.constantFrom(...IDS)
const team = fc.constantFrom('a', 'b')
const document = fc
  .record({ _id: id, team, n: fc.nat(2) }, { noNullPrototype: true })
  .map((one) => one as Document)
const documents = fc.uniqueArray(document, { selector: keyOf, maxLength: 6 })

describe('server/difference', () => {
  describe('from what is known', () => {
    const ONE = { _id: 1, n: 1 }
    const rows: [string, ViewDigest, Document[], unknown][] = [
      ['nothing where all is the same', knownOf([ONE]), [ONE], []],
      ['nothing from nothing to nothing', new Map(), [], []],
      ['a removal of what is gone', knownOf([ONE, { _id: '1' }]), [ONE], [['unset', '1', '.']]],
      ['the whole of what is new', new Map(), [ONE], [['set', 1, '.', ONE]]],
      [
        'the whole of what is not the same',
        knownOf([ONE]),
        [{ _id: 1, n: 2 }],
        [['set', 1, '.', { _id: 1, n: 2 }]],
      ],
      ['the whole of what may not be the same', knownOf([ONE], ['1']), [ONE], [['set', 1, '.', ONE]]],
      [
        'removals first',
        knownOf([{ _id: 2 }]),
        [ONE],
        [
          ['unset', 2, '.'],
          ['set', 1, '.', ONE],
        ],
      ],
      ['an id that is an object', knownOf([{ _id: { b: 1, a: 2 } }]), [], [['unset', { a: 2, b: 1 }, '.']]],
      ['an id with a quote', knownOf([{ _id: '"' }]), [], [['unset', '"', '.']]],
    ]
    for (const [what, known, image, expected] of rows) {
      it(`is ${what}`, async () => {
        expect(short(await differenceOf(known, byKey(image)))).to.deep.equal(expected)
      })
    }

    it('lets others have their turn, however many documents there are', async () => {
      const many = Array.from({ length: 50_000 }, (_, _id) => ({
        _id,
        name: `name ${_id}`,
        tags: ['a', 'b'],
      }))
      const known = knownOf(many)
      const image = byKey(many)
      let turns = 0
      let running = true
      const count = () => {
        turns++
        if (running) setImmediate(count)
      }
      setImmediate(count)
      await differenceOf(known, image)
      running = false
      // A slice is 6 ms: all of it takes several.
      expect(turns).to.be.above(2)
    })

    it('leads what the client held to the image exactly, and mentions nothing that is the same', async () => {
      await fc.assert(
        fc.asyncProperty(
          documents,
          documents,
          fc.subarray(IDS.map((one) => idKey(one))),
          async (held, image, unknown) => {
            const oplist = await differenceOf(knownOf(held, unknown), byKey(image))
            expect(after(held, oplist)).to.deep.equal(sorted(image))
            const same = held.filter((one) => {
              const now = byKey(image).get(keyOf(one))
              return now && !unknown.includes(keyOf(one)) && JSON.stringify(now) === JSON.stringify(one)
            })
            const mentioned = oplist.map((operation) => idKey(operation.id))
            expect(same.filter((one) => mentioned.includes(keyOf(one)))).to.deep.equal([])
          },
        ),
        { numRuns: 500 },
      )
    })
  })

  describe('over what the log tells', () => {
    const change = (kind: DocumentChange['kind'], of: Id, before?: Document, collection = 'users') =>
      ({
        kind,
        id: of,
        collection,
        operations: [{ operation: 'set', path: 'n', data: 1 }],
        ...(before ? { before } : {}),
      }) as unknown as Change
    const entries = (...changes: Change[]) => changes.map((one) => entryOf([one]))
    const filterOf = (manifest: Manifest, query: Query) =>
      new ViewFilter(manifest, query, Object.keys(query).length > 0 ? matcher(query) : undefined)
    const TEAM_A = filterOf(true, { team: 'a' })
    const IN = { _id: 1, team: 'a' }
    const OUT = { _id: 1, team: 'b' }
    const rows: [string, Change[], Document[], unknown][] = [
      ['nothing where nothing happened', [], [IN], []],
      ['nothing of another collection', [change('delete', 1, IN, 'teams')], [IN], []],
      ['the whole of what changed and is there', [change('update', 1)], [IN], [['set', 1, '.', IN]]],
      [
        'it once, however often it changed',
        [change('update', 1), change('update', 1)],
        [IN],
        [['set', 1, '.', IN]],
      ],
      [
        'a removal of what was there before the first change',
        [change('update', 1, IN), change('delete', 1, OUT)],
        [],
        [['unset', 1, '.']],
      ],
      ['nothing of what was not there before', [change('update', 1, OUT), change('delete', 1, IN)], [], []],
      ['nothing of what was inserted since, and is gone', [change('insert', 1), change('delete', 1)], [], []],
      ['not to be told where nobody knows what was there before', [change('delete', 1)], [], undefined],
      [
        'not to be told over a dropped collection',
        [{ kind: 'clear', collection: 'users' } as Change],
        [],
        undefined,
      ],
      [
        'not hindered by another dropped collection',
        [{ kind: 'clear', collection: 'teams' } as Change],
        [],
        [],
      ],
    ]
    for (const [what, changes, image, expected] of rows) {
      it(`is ${what}`, () => {
        expect(short(recallOf(entries(...changes), 'users', byKey(image), TEAM_A))).to.deep.equal(expected)
      })
    }

    it('removes what is gone where all documents belong to the view, whatever it was', () => {
      const oplist = recallOf(entries(change('delete', 1)), 'users', new Map(), filterOf(true, {}))
      expect(short(oplist)).to.deep.equal([['unset', 1, '.']])
    })

    const write = fc.oneof(
      fc.record({ kind: fc.constant('insert' as const), document }),
      fc.record({ kind: fc.constant('replace' as const), document }),
      fc.record({ kind: fc.constant('team' as const), id, team }),
      fc.record({ kind: fc.constant('count' as const), id }),
      fc.record({ kind: fc.constant('delete' as const), id }),
    )
    const criteria = fc.constantFrom<Query>({}, { team: 'a' }, { n: { $gt: 0 } }, { team: 'a', n: 1 })

    it('leads what a client held to the image exactly or is not to be told, and mentions no id but of what it held or holds', async () => {
      let [told, untold] = [0, 0]
      const given = fc.tuple(
        documents,
        fc.array(write, { maxLength: 8 }),
        criteria,
        fc.infiniteStream(fc.boolean()),
      )
      await fc.assert(
        fc.asyncProperty(given, async ([first, writes, query, exact]) => {
          const store = memory()
          const users = store.collection('users')
          if (first.length > 0) await users.insertMany(structuredClone(first))
          const seen: Entry[] = []
          let blind = false
          const changes = (list: readonly Change[]) => {
            // Not every source knows what was there before.
            for (const one of list) {
              const { before, ...rest } = one as DocumentChange
              const known = exact.next().value || one.kind === 'insert'
              if (!known) blind = true
              seen.push(entryOf([known ? one : rest]))
            }
          }
          await store.open({ changes, progress() {}, lost() {}, error() {} })
          const manifest = parseManifest({ n: true }, 'manifest')
          const image = async () =>
            (await users.find(query).toArray()).map((one) => filterPayload(manifest, one) as Document)
          const held = await image()
          for (const one of writes) {
            if (one.kind === 'insert') await users.insertOne(structuredClone(one.document)).catch(() => {})
            else if (one.kind === 'replace')
              await users.replaceOne({ _id: one.document._id }, structuredClone(one.document))
            else if (one.kind === 'team') await users.updateOne({ _id: one.id }, { $set: { team: one.team } })
            else if (one.kind === 'count') await users.updateOne({ _id: one.id }, { $inc: { n: 1 } })
            else await users.deleteOne({ _id: one.id })
          }
          const now = await image()
          const oplist = recallOf(seen, 'users', byKey(now), filterOf(manifest, query))
          if (!oplist) {
            untold++
            return
          }
          told++
          expect(after(held, oplist)).to.deep.equal(sorted(now))
          const may = new Set([...held, ...now].map(keyOf))
          const mentioned = oplist.map((operation) => idKey(operation.id))
          expect(mentioned.filter((key) => !may.has(key))).to.deep.equal([])
          const same = held.filter((one) => now.some((other) => sameJson(one, other))).map(keyOf)
          if (!blind) expect(mentioned.filter((key) => same.includes(key))).to.deep.equal([])
        }),
        { numRuns: 500 },
      )
      expect(told).to.be.above(100)
      expect(untold).to.be.above(20)
    })
  })
})
