import { expect } from 'chai'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Model } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { filterPayload, parseManifest } from '../../../lib/policy/manifest.ts'
import { type CatchUp, CatchUps } from '../../../lib/server/view/catch-up.ts'
import type { ViewDigest } from '../../../lib/server/view/difference.ts'
import { digest } from '../../../lib/server/view/digest.ts'
import type { Viewer } from '../../../lib/server/view/view-spec.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Change, Query } from '../../../lib/source/source.ts'
import { CountingAdapter } from '../../support/counting.ts'
import { deltaIn } from '../../support/delta.ts'
import { feedOf, viewOf as viewIn } from '../../support/feed.ts'
import { until } from '../../support/local.ts'

const SOMEBODY: Viewer = { reset() {}, differ() {}, failed() {} }
const FIELDS = { name: true, n: true }
const MANIFEST = parseManifest(FIELDS, 'manifest')

describe('server/catchUp', () => {
  const setUp = async ({ bytes = 1e7 } = {}) => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const users = store.collection('users')
    await users.insertMany([
      { _id: 1, team: 'a', name: 'Ann', n: 0 },
      { _id: 2, team: 'a', name: 'Bob', n: 0 },
      { _id: 3, team: 'b', name: 'Cat', n: 0 },
    ])
    const place = feedOf(adapter, { bytes })
    const { log, feed } = place
    const viewOf = (query: Query = {}) => {
      const view = viewIn(place, { key: JSON.stringify(query), manifest: FIELDS, query })
      view.viewers.add(SOMEBODY)
      return view
    }
    const imageOf = async (query: Query) =>
      (await users.find(query).toArray()).map((one) => filterPayload(MANIFEST, one) as Document)
    const catchUps = new CatchUps(log)
    /** What a client has that held these documents and crosses. */
    const crossed = (held: readonly Document[], catchUp: CatchUp | undefined) => {
      const model: Model = { users: structuredClone([...held]) }
      if (catchUp?.body) applyDelta(model, deltaIn(catchUp.body))
      return [...(model.users ?? [])].sort((a, b) => Number(a._id) - Number(b._id))
    }
    const oplistOf = (catchUp: CatchUp | undefined) => (catchUp?.body ? deltaIn(catchUp.body).oplist : [])
    return { adapter, users, log, feed, viewOf, imageOf, catchUps, crossed, oplistOf }
  }
  const knownOf = (documents: readonly Document[]): ViewDigest =>
    new Map(documents.map((one) => [idKey(one._id ?? null), digest(one as never)]))
  const A = { team: 'a' }
  const B = { team: 'b' }

  describe('from what clients hold', () => {
    it('leads to what the view shows now, with what came after its snapshot', async () => {
      const { users, log, viewOf, imageOf, catchUps, crossed, adapter } = await setUp()
      const view = viewOf(B)
      await view.snapshot()
      await users.updateOne({ _id: 3 }, { $inc: { n: 1 } })
      await users.updateOne({ _id: 1 }, { $set: { team: 'b' } })
      const held = [
        { _id: 1, name: 'Ann', n: 0 },
        { _id: 2, name: 'Bob', n: 0 },
      ]
      const catchUp = await catchUps.fromKnown(view, knownOf(held))
      expect(crossed(held, catchUp)).to.deep.equal(await imageOf(B))
      expect([catchUp?.sequence, adapter.reads]).to.deep.equal([log.head, 1])
    })

    it('does not tell twice what the client was told under its old view', async () => {
      const { users, viewOf, imageOf, catchUps, crossed } = await setUp()
      const [old, next] = [viewOf(A), viewOf({ n: { $gte: 0 } })]
      await next.snapshot()
      await users.updateOne({ _id: 1 }, { $inc: { n: 5 } })
      await old.snapshot()
      await users.updateOne({ _id: 2 }, { $inc: { n: 5 } })
      await users.updateOne({ _id: 1 }, { $inc: { n: 2 } })
      const held = await imageOf(A)
      const known = old.known()
      if (!known) throw new Error('not known')
      const catchUp = await catchUps.fromKnown(next, known)
      expect(crossed(held, catchUp)).to.deep.equal(await imageOf({}))
    })

    it('tells nothing of what was in the view when its snapshot was read, and is there no more', async () => {
      const { users, viewOf, catchUps, oplistOf, adapter } = await setUp()
      const view = viewOf(A)
      await view.snapshot()
      await users.updateOne({ _id: 1 }, { $set: { team: 'secret' } })
      await users.updateOne({ _id: 2 }, { $set: { name: 'B' } })
      await users.updateOne({ _id: 2 }, { $inc: { n: 1 } })
      const oplist = oplistOf(await catchUps.fromKnown(view, new Map()))
      expect(oplist.map(Object.values)).to.deep.equal([['set', 2, '.', { _id: 2, name: 'B', n: 1 }]])
      expect(adapter.reads).to.equal(1)
    })

    it('has nothing to say where the client has it all', async () => {
      const { log, viewOf, imageOf, catchUps } = await setUp()
      const catchUp = await catchUps.fromKnown(viewOf(A), knownOf(await imageOf(A)))
      expect(catchUp).to.deep.equal({ body: undefined, sequence: log.head, since: log.head })
    })

    it('is one delta of the root, with no id', async () => {
      const { viewOf, catchUps } = await setUp()
      const catchUp = await catchUps.fromKnown(viewOf(B), knownOf([{ _id: 9 }]))
      expect(catchUp?.body?.toString()).to.equal(
        'event: delta\ndata: ["users",["unset",9,"."],["set",3,".",{"_id":3,"name":"Cat","n":0}]]\n\n',
      )
    })

    it('is made once for all who hold the same, as long as nothing that it tells is of the past', async () => {
      const { users, viewOf, catchUps, feed, adapter, oplistOf } = await setUp()
      const view = viewOf(B)
      const known = knownOf([])
      const [one, two] = await Promise.all([catchUps.fromKnown(view, known), catchUps.fromKnown(view, known)])
      await users.updateOne({ _id: 1 }, { $inc: { n: 1 } })
      expect([two, await catchUps.fromKnown(view, known)]).to.deep.equal([one, one])
      await users.updateOne({ _id: 3 }, { $inc: { n: 1 } })
      const later = await catchUps.fromKnown(view, known)
      expect(oplistOf(later).map(Object.values)).to.deep.equal([
        ['set', 3, '.', { _id: 3, name: 'Cat', n: 1 }],
      ])
      expect(await catchUps.fromKnown(view, known)).to.equal(later)
      expect(await catchUps.fromKnown(viewOf(A), known)).not.to.deep.equal(one)
      adapter.listener?.lost('gone', feed.position ?? '')
      await view.snapshot()
      expect(await catchUps.fromKnown(view, known)).to.equal(undefined)
    })

    it('is tried anew after the source could not be read', async () => {
      const { viewOf, catchUps, adapter, oplistOf } = await setUp()
      adapter.failures = [new Error('away')]
      const view = viewOf(B)
      const known = knownOf([])
      const first = await catchUps.fromKnown(view, known).catch((error: Error) => error.message)
      expect(first).to.equal('away')
      expect(oplistOf(await catchUps.fromKnown(view, known)).length).to.equal(1)
    })

    it('is left to a payload where that is shorter, save for what is small', async () => {
      const { users, viewOf, catchUps, imageOf } = await setUp()
      const name = 'x'.repeat(1_000)
      await users.insertMany(Array.from({ length: 100 }, (_, i) => ({ _id: 100 + i, team: 'c', name })))
      const held = Array.from({ length: 300 }, (_, i) => ({ _id: `gone ${i}` }))
      const C = { team: 'c' }
      expect(await catchUps.fromKnown(viewOf(C), knownOf(held))).to.equal(undefined)
      const most = (await imageOf(C)).slice(1)
      expect(await catchUps.fromKnown(viewOf(C), knownOf(most))).not.to.equal(undefined)
      expect(await catchUps.fromKnown(viewOf(B), knownOf(held))).not.to.equal(undefined)
    })

    it('is left to a payload where the collection was dropped after the snapshot', async () => {
      const { users, viewOf, catchUps } = await setUp()
      const view = viewOf()
      await view.snapshot()
      view.take = () => {}
      await users.drop()
      expect(await catchUps.fromKnown(view, knownOf([]))).to.equal(undefined)
    })
  })

  describe('from a point at which clients held the view', () => {
    it('leads over what happened since, and tells nobody of what they never held', async () => {
      const { users, log, viewOf, imageOf, catchUps, crossed, oplistOf } = await setUp()
      await viewOf().open()
      const held = await imageOf(A)
      await users.updateOne({ _id: 1 }, { $inc: { n: 1 } })
      await users.deleteOne({ _id: 2 })
      await users.updateOne({ _id: 3 }, { $set: { name: 'hidden' } })
      await users.insertOne({ _id: 4, team: 'a' })
      const catchUp = await catchUps.fromSequence(viewOf(A), 0)
      expect(crossed(held, catchUp)).to.deep.equal(await imageOf(A))
      expect(oplistOf(catchUp).map(({ id }) => id)).to.deep.equal([1, 2, 4])
      expect(catchUp?.sequence).to.equal(log.head)
    })

    it('takes what came after the snapshot along, and counts nothing twice', async () => {
      const { users, viewOf, imageOf, catchUps, crossed } = await setUp()
      await viewOf().open()
      const held = await imageOf(A)
      await users.updateOne({ _id: 1 }, { $inc: { n: 1 } })
      const view = viewOf(A)
      await view.snapshot()
      await users.updateMany({}, { $inc: { n: 1 } })
      expect(crossed(held, await catchUps.fromSequence(view, 0))).to.deep.equal(await imageOf(A))
    })

    it('is not to be had where it can not be told what they held', async () => {
      const { users, viewOf, catchUps, adapter, feed } = await setUp()
      await viewOf().open()
      const position = feed.position ?? ''
      const change = { kind: 'delete', id: 9, operations: [{ operation: 'unset', path: '.' }] }
      adapter.listener?.changes(
        [{ ...change, position, timestamp: '', collection: 'users' } as Change],
        position,
      )
      await users.insertOne({ _id: 5, team: 'a' })
      expect(await catchUps.fromSequence(viewOf(A), 0)).to.equal(undefined)
      expect(await catchUps.fromSequence(viewOf(A), 1)).not.to.equal(undefined)
    })

    it('keeps what happened since in the log while a snapshot is read, however long that takes', async () => {
      const { users, log, viewOf, imageOf, catchUps, crossed, adapter } = await setUp()
      await viewOf().open()
      const held = await imageOf(A)
      await users.deleteOne({ _id: 2 })
      let read: (() => void) | undefined
      adapter.gate = () =>
        new Promise((resolve) => {
          read = resolve
        })
      const recalling = catchUps.fromSequence(viewOf(A), 0)
      await until(() => read !== undefined, 'it is read')
      log.trim(Number.POSITIVE_INFINITY)
      read?.()
      expect(crossed(held, await recalling)).to.deep.equal(await imageOf(A))
      log.trim(Number.POSITIVE_INFINITY)
      expect(log.floor).to.equal(log.head)
    })

    it('is not to be had from before the log', async () => {
      const { users, log, viewOf, catchUps } = await setUp({ bytes: 2_000 })
      await viewOf().open()
      for (let i = 0; i < 20; i++) await users.updateOne({ _id: 1 }, { $inc: { n: 1 } })
      expect(await catchUps.fromSequence(viewOf(A), log.floor - 1)).to.equal(undefined)
      expect(await catchUps.fromSequence(viewOf(A), log.floor)).not.to.equal(undefined)
    })
  })

  it('reads the snapshot of a view once, until it is swept', async () => {
    const { viewOf, catchUps, adapter } = await setUp()
    const { parse } = JSON
    let parsed = 0
    JSON.parse = (text) => {
      if (text.includes('"part":')) parsed++
      return parse(text)
    }
    try {
      const view = viewOf(A)
      for (const id of [7, 8]) await catchUps.fromKnown(view, knownOf([{ _id: id }]))
      expect([parsed, adapter.reads]).to.deep.equal([1, 1])
      catchUps.sweep()
      await catchUps.fromKnown(view, knownOf([{ _id: 9 }]))
      expect(parsed).to.equal(2)
    } finally {
      JSON.parse = parse
    }
  })
})
