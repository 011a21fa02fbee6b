import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { filterPayload, parseManifest } from '../../../lib/policy/manifest.ts'
import { parseSortLimit } from '../../../lib/policy/order.ts'
import { CurrentSnapshots } from '../../../lib/server/delivery/present.ts'
import type { Snapshot } from '../../../lib/server/view/snapshot.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { CountingAdapter } from '../../support/counting.ts'
import { feedOf, viewOf } from '../../support/feed.ts'

const FIELDS = { team: true, n: true, text: true }
const MANIFEST = parseManifest(FIELDS, 'manifest')

const setUp = async (
  count = 3,
  { criteria = false, sort = false, limit = undefined as number | undefined } = {},
) => {
  const store = memory()
  const adapter = new CountingAdapter(store)
  const users = store.collection('users')
  await users.insertMany(
    Array.from({ length: count }, (_, _id) => ({
      _id,
      team: _id % 2 ? 'a' : 'b',
      n: _id,
      text: 'ü',
      hidden: 1,
    })),
  )
  const place = feedOf(adapter, { bytes: 1e9 })
  const { log, errors } = place
  const query = criteria ? { team: 'a' } : {}
  const sortLimit = parseSortLimit(sort ? { n: 1 } : undefined, limit, 'source')
  const view = viewOf(place, { manifest: FIELDS, query, sortLimit })
  const presents = new CurrentSnapshots(log)
  const truth = async () => {
    const found = await users.find(query).toArray()
    if (sort) found.sort((a, b) => Number(a.n) - Number(b.n) || Number(a._id) - Number(b._id))
    return found.slice(0, limit).map((one) => filterPayload(MANIFEST, one) as Document)
  }
  return { adapter, users, log, view, presents, truth, errors }
}
const partsOf = ({ parts }: Snapshot) =>
  parts.map((part) => {
    const [, json] = /^event: payload\ndata: ([^\n]*)\n\n$/.exec(part.toString()) ?? []
    return JSON.parse(json ?? '') as { data: Document[]; part: number; last: boolean }
  })
const documentsOf = (snapshot: Snapshot) => partsOf(snapshot).flatMap(({ data }) => data)
const byId = (documents: Document[]) => [...documents].sort((a, b) => Number(a._id) - Number(b._id))

describe('server/present', () => {
  it('is the snapshot at hand where nothing happened since, with the same bytes', async () => {
    const { view, presents, log, users, adapter } = await setUp(3, { criteria: true })
    const first = await presents.of(view)
    expect(await presents.of(view)).to.equal(first)
    await users.updateOne({ _id: 0 }, { $set: { text: 'not of the view' } })
    const later = await presents.of(view)
    expect([later.parts === first.parts, later.sequence, adapter.reads]).to.deep.equal([true, log.head, 1])
  })

  it('writes those events anew in which documents changed, and the last, with no reading', async () => {
    const { view, presents, users, adapter, truth } = await setUp(20_000)
    const first = await presents.of(view)
    await users.updateOne({ _id: 0 }, { $set: { text: 'changed' } })
    await users.deleteOne({ _id: 1 })
    await users.insertOne({ _id: 20_000, text: 'new' })
    const later = await presents.of(view)
    const kept = later.parts.map((part, number) => part === first.parts[number])
    expect(kept).to.deep.equal(kept.map((_, number) => number > 0 && number < kept.length - 1))
    expect(kept.length).to.be.greaterThan(10)
    expect([byId(documentsOf(later)), later.documents, adapter.reads]).to.deep.equal([
      byId(await truth()),
      20_000,
      1,
    ])
  })

  it('is one for all who come at once, and the next one for those who come while it is made', async () => {
    const { view, presents, users, adapter, log } = await setUp(20_000)
    await presents.of(view)
    await users.updateMany({ team: 'a' }, { $set: { text: 'changed' } })
    const [one, two] = [presents.of(view), presents.of(view)]
    await users.updateOne({ _id: 1 }, { $set: { text: 'changed again' } })
    const { head } = log
    const later = [presents.of(view), presents.of(view)]
    const snapshots = await Promise.all([one, two, ...later])
    expect(snapshots[0]).to.equal(snapshots[1])
    expect(snapshots[2]).to.equal(snapshots[3])
    expect(snapshots[2]?.sequence).to.be.at.least(head)
    expect(documentsOf(snapshots[2] as Snapshot)[1]).to.include({ text: 'changed again' })
    expect(adapter.reads).to.equal(1)
  })

  it('is read anew where the source must be, and where an event would get too long', async () => {
    const { view, presents, users, adapter, truth } = await setUp(3000)
    await presents.of(view)
    for (const _id of [0, 1, 2]) await users.updateOne({ _id }, { $set: { text: 'x'.repeat(200_000) } })
    expect(byId(documentsOf(await presents.of(view)))).to.deep.equal(byId(await truth()))
    expect(adapter.reads).to.equal(2)
    view.reload('source-changed')
    await presents.of(view)
    expect(adapter.reads).to.equal(3)
  })

  it('costs a client of a small view no more than its documents, however much has changed', async () => {
    const { view, presents, users } = await setUp(10)
    const first = await presents.of(view)
    for (let n = 0; n < 1000; n++) await users.updateOne({ _id: n % 10 }, { $set: { n } })
    const size = ({ parts }: Snapshot) => parts.reduce((sum, { length }) => sum + length, 0)
    expect(size(await presents.of(view))).to.be.below(size(first) + 10 * 3)
  })

  const id = fc.nat(30)
  const step = fc.oneof(
    fc.tuple(id, id).map(([_id, n]) => ({ do: 'put' as const, _id, n })),
    fc.tuple(id, id).map(([_id, n]) => ({ do: 'n' as const, _id, n })),
    id.map((_id) => ({ do: 'team' as const, _id, n: 0 })),
    id.map((_id) => ({ do: 'delete' as const, _id, n: 0 })),
    id.map((_id) => ({ do: 'grow' as const, _id, n: 0 })),
    fc.constant({ do: 'come' as const, _id: 0, n: 0 }),
  )
  const kinds = [{}, { criteria: true }, { sort: true }, { criteria: true, sort: true, limit: 3 }]
  for (const kind of kinds) {
    it(`is what the source has, whatever happened since it was read: ${JSON.stringify(kind)}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          const { view, presents, users, truth, errors, log } = await setUp(12, kind)
          const check = async () => {
            const { head } = log
            const snapshot = await presents.of(view)
            expect(snapshot.sequence).to.be.at.least(head)
            const parts = partsOf(snapshot)
            expect(parts.map(({ part, last }) => [part, last])).to.deep.equal(
              parts.map((_, number) => [number, number === parts.length - 1]),
            )
            const [shown, expected] = [documentsOf(snapshot), await truth()]
            if ('sort' in kind) expect(shown).to.deep.equal(expected)
            else expect(byId(shown)).to.deep.equal(byId(expected))
            expect(snapshot.documents).to.equal(expected.length)
          }
          await check()
          let turn = 0
          for (const { do: what, _id, n } of steps) {
            if (what === 'put') await users.replaceOne({ _id }, { team: 'a', n, hidden: n }, { upsert: true })
            else if (what === 'n') await users.updateOne({ _id }, { $set: { n }, $inc: { hidden: 1 } })
            else if (what === 'team')
              await users.updateOne({ _id }, { $set: { team: turn++ % 2 ? 'a' : 'b' } })
            else if (what === 'delete') await users.deleteOne({ _id })
            else if (what === 'grow') await users.updateOne({ _id }, { $set: { text: 'é'.repeat(40_000) } })
            else await check()
          }
          await check()
          expect(errors).to.deep.equal([])
        }),
        { numRuns: 40 },
      )
    })
  }
})
