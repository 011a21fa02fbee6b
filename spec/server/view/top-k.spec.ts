import { expect } from 'chai'
import fc from 'fast-check'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Model } from '../../../lib/model/document.ts'
import { parseSortLimit, type SortLimit } from '../../../lib/policy/order.ts'
import { MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import type { Log } from '../../../lib/server/feed/log.ts'
import type { Snapshot } from '../../../lib/server/view/snapshot.ts'
import { TopK } from '../../../lib/server/view/top-k.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Query } from '../../../lib/source/source.ts'
import { deltaIn } from '../../support/delta.ts'
import { feedOf, viewOf } from '../../support/feed.ts'
import { Interleaved } from '../../support/interleaved.ts'

const cutOf = (sort: object, limit?: number) => parseSortLimit(sort, limit, 'source') as SortLimit

const setUp = (adapter: Interleaved, sortLimit: SortLimit, query: Query = {}) => {
  const place = feedOf(adapter)
  return { ...place, view: viewOf(place, { sortLimit, query }) }
}

const documentsOf = (snapshot: Snapshot): Document[] =>
  snapshot.parts.flatMap((part) => JSON.parse(/data: (.*)/.exec(part.toString())?.[1] ?? '').data)

/** What a client has that gets the snapshot, then what the log holds after it; undefined where it is to be read again. */
const clientOf = (view: View, log: Log, snapshot: Snapshot): Document[] | undefined => {
  const model: Model = { users: documentsOf(snapshot) }
  if (!view.resumes(snapshot.sequence)) return undefined
  for (const entry of log.after(snapshot.sequence, view.feed)) {
    const frame = view.frame(entry)
    if (frame === MUST_RELOAD) return undefined
    if (frame) applyDelta(model, deltaIn(frame.body))
  }
  return model.users
}

describe('server/top', () => {
  it('gathers the first documents of whatever a source gives, and knows whether these are all', async () => {
    const cut = cutOf({ n: -1 }, 3)
    for (const count of [5, 16, 17, 5000]) {
      const top = new TopK(cut, 0)
      expect(top.options).to.deep.equal({
        sort: [
          ['n', -1],
          ['_id', 1],
        ],
        limit: 16,
      })
      await top.put(Array.from({ length: count }, (_, _id) => ({ _id, n: (_id * 7919) % count })))
      const window = top.window()
      expect(window.visible.map(({ document }) => document.n)).to.deep.equal([
        count - 1,
        count - 2,
        count - 3,
      ])
      expect(window.size).to.equal(Math.min(count, 16))
      for (const key of [...window.keys]) window.remove(key)
      expect(window.short).to.equal(count >= 16)
    }
  })

  it('takes the newer of two forms of a document that it is given twice', async () => {
    const top = new TopK(cutOf({ n: 1 }, 2), 0)
    await top.put([
      { _id: 1, n: 1 },
      { _id: 2, n: 2 },
      { _id: 1, n: 3 },
    ])
    expect(top.window().visible.map(({ document }) => document)).to.deep.equal([
      { _id: 2, n: 2 },
      { _id: 1, n: 3 },
    ])
  })

  it('asks for twice as many at each attempt, and gives up at last', () => {
    const cut = cutOf({ n: 1 }, 3)
    expect([0, 1, 2].map((attempt) => new TopK(cut, attempt).options.limit)).to.deep.equal([16, 32, 64])
    expect(() => new TopK(cut, 13))
      .to.throw()
      .with.property('code', 'SOURCE_FAILED')
  })

  it('is read again, for more, where too many of it left while it was read', async () => {
    const adapter = new Interleaved(Array.from({ length: 100 }, (_, _id) => ({ _id, n: _id })))
    adapter.sorts = true
    let left = 0
    adapter.during = (index) => {
      if (index === 100 && left === 0) for (; left < 15; left++) adapter.remove(left)
    }
    const { view, errors } = setUp(adapter, cutOf({ n: 1 }, 3))
    const snapshot = await view.snapshot()
    expect(documentsOf(snapshot)).to.deep.equal([15, 16, 17].map((_id) => ({ _id, n: _id })))
    expect([adapter.reads, errors]).to.deep.equal([2, []])
  })

  const id = fc.nat(30)
  const team = fc.constantFrom('a', 'b')
  const n = fc.nat(9)
  const write = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), id, team, n }),
    fc.record({ kind: fc.constant('remove' as const), id }),
    fc.record({ kind: fc.constant('n' as const), id, n }),
    fc.record({ kind: fc.constant('n' as const), id, n }),
    fc.record({ kind: fc.constant('team' as const), id, team }),
    fc.record({ kind: fc.constant('text' as const), id, n }),
  )
  type Write = typeof write extends fc.Arbitrary<infer T> ? T : never
  const run = (adapter: Interleaved, step: Write, exact: boolean) => {
    const set = (path: string, data: string | number) =>
      adapter.update(step.id, { operation: 'set', path, data }, exact)
    if (step.kind === 'remove') adapter.remove(step.id)
    else if (step.kind === 'put') adapter.put({ _id: step.id, team: step.team, n: step.n })
    else if (step.kind === 'team') set('team', step.team)
    else set(step.kind, step.n)
  }

  for (const [what, limit] of [
    ['a limit', 2],
    ['no limit', undefined],
  ] as const) {
    for (const query of [{}, { team: 'a' }] as Query[]) {
      const criteria = Object.keys(query).length > 0
      it(`meets the changes exactly, with ${what}${criteria ? ' and a criteria' : ''}, whatever was written while it was read and after`, async () => {
        const cut = cutOf({ n: -1 }, limit)
        let told = 0
        let again = 0
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.tuple(fc.nat(30), write), { maxLength: 25 }),
            fc.array(write, { maxLength: 8 }),
            fc.boolean(),
            fc.boolean(),
            fc.boolean(),
            async (during, after, exact, late, sorts) => {
              const begin = Array.from({ length: 24 }, (_, _id) => ({
                _id,
                n: _id % 10,
                team: _id % 3 ? 'a' : 'b',
              }))
              const adapter = new Interleaved(begin)
              Object.assign(adapter, { late, sorts })
              adapter.during = (index) => {
                for (const [when, step] of during) if (when === index) run(adapter, step, exact)
              }
              const { view, log, feed, errors } = setUp(adapter, cut, query)
              const snapshot = await view.snapshot()
              adapter.during = () => {}
              for (const step of after) run(adapter, step, exact)
              adapter.tell()
              await feed.reached(adapter.position)
              const truth = [...adapter.documents.values()]
                .filter((one) => !criteria || one.team === 'a')
                .sort((a, b) => Number(b.n) - Number(a.n) || Number(a._id) - Number(b._id))
                .slice(0, limit)
              const client = clientOf(view, log, snapshot)
              if (client) {
                told++
                expect(client).to.deep.equal(truth)
              } else again++
              expect(documentsOf(await view.snapshot()).length).to.equal(
                client ? documentsOf(snapshot).length : truth.length,
              )
              if (!client) expect(documentsOf(await view.snapshot())).to.deep.equal(truth)
              expect(errors).to.deep.equal([])
            },
          ),
          { numRuns: 300 },
        )
        expect(told).to.be.above(200)
        expect(again).to.be.below(100)
      })
    }
  }
})
