import { expect } from 'chai'
import { idKey } from '../../../lib/model/id.ts'
import type { Frame } from '../../../lib/server/feed/frame.ts'
import { type Entry, Log } from '../../../lib/server/feed/log.ts'
import { type Limits, resolveLimits } from '../../../lib/server/options/limits.ts'
import { Sources } from '../../../lib/server/registry/sources.ts'
import { bytesOf, Views } from '../../../lib/server/registry/views.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Viewer } from '../../../lib/server/view/view-spec.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { CountingAdapter } from '../../support/counting.ts'
import { heapHeld } from '../../support/garbage.ts'

const NOBODY: Viewer = { reset() {}, differ() {}, failed() {} }

describe('server/views', () => {
  const setUp = ({ bytes = 1e6, ms = 1e6 } = {}, limits: Limits = {}) => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const cards = store.collection('cards')
    const log = new Log({ bytes, ms })
    const host = { log, adapters: () => [], point: String, onError: () => {}, diagnostics: new Diagnostics() }
    let stops = 0
    const sources = new Sources(
      {
        cards: { manifest: true, collection: adapter.handle('cards'), criteria: { team: '@team' } },
        calls: { manifest: true, payload: () => ({ data: [] }), delta: () => () => void stops++ },
      },
      host,
    )
    const views = new Views(sources, log, () => {}, resolveLimits(limits), host.diagnostics)
    /** The views of a team, looked at and read. */
    const look = async (team: string) => {
      const taken = views.of({ team })
      for (const view of taken) {
        view.viewers.add(NOBODY)
        await view.snapshot()
      }
      return taken as [View, View]
    }
    const leave = (taken: readonly View[]) => {
      for (const view of taken) {
        view.viewers.delete(NOBODY)
        views.left(view)
      }
    }
    const now = Date.now()
    return { adapter, cards, log, views, look, leave, now, stops: () => stops }
  }

  it('are the same for the same rights, by root', async () => {
    const { views, look } = setUp()
    const a = await look('a')
    expect(a.map(({ root }) => root)).to.deep.equal(['cards', 'calls'])
    expect(views.of({ team: 'a' })).to.deep.equal(a)
    expect(views.of({ team: 'b' })[0]).not.to.equal(a[0])
    expect(views.size).to.equal(4)
  })

  it('rest when the last one has left, and are taken up again as they were', async () => {
    const { adapter, cards, views, look, leave } = setUp()
    await cards.insertOne({ _id: 1, team: 'a' })
    const keeper = await look('b')
    const [view] = await look('a')
    view.viewers.add({ ...NOBODY })
    leave([view])
    expect(views.size).to.equal(4)
    for (const each of [...view.viewers]) view.viewers.delete(each)
    views.left(view)
    expect(views.size).to.equal(3)
    await cards.insertOne({ _id: 2, team: 'a' })
    expect(views.of({ team: 'a' })[0]).to.equal(view)
    expect([...(view.known()?.keys() ?? [])]).to.deep.equal(['1', '2'])
    expect(views.size).to.equal(4)
    leave(keeper)
    expect(adapter.closes).to.equal(0)
  })

  it('rest only so many at once, of one address and in all: the longest ago left are closed', async () => {
    const { adapter, views, look, leave } = setUp({}, { restingViews: 3, restingViewsPerAddress: 2 })
    const of = (team: string, address?: string) => views.of({ team }, undefined, address)[0]
    const rest = async (team: string, address?: string) => {
      const made = of(team, address)
      await look(team)
      if (made) leave([made])
      return made
    }
    const keeper = await look('keeper')
    const [first, second, third] = [await rest('a', '::1'), await rest('b', '::1'), await rest('c', '::1')]
    expect(of('a'), 'closed, and made anew').not.to.equal(first)
    expect([of('b'), of('c')]).to.deep.equal([second, third])
    const others: (View | undefined)[] = []
    for (const team of ['d', 'e', 'f', 'g']) others.push(await rest(team))
    expect(of('d')).not.to.equal(others[0])
    expect([of('e'), of('f'), of('g')]).to.deep.equal(others.slice(1))
    leave(keeper)
    expect(adapter.closes).to.equal(0)
  })

  it('do not keep the source open while they rest', async () => {
    const { adapter, views, look, leave } = setUp()
    leave(await look('a'))
    await views.close()
    expect([adapter.opens, adapter.closes, views.size]).to.deep.equal([1, 1, 0])
  })

  it('are closed, not left to rest, where they were not read yet, or belong to a callback source', async () => {
    const { views, look, leave, stops } = setUp()
    const unread = views.of({ team: 'a' })
    leave(unread)
    expect(views.of({ team: 'a' })[0]).not.to.equal(unread[0])
    const [, calls] = await look('b')
    leave([calls])
    await views.close()
    expect(views.of({ team: 'b' })[1]).not.to.equal(calls)
    expect(stops()).to.equal(1)
  })

  it('are closed, not left to rest, while somebody still waits for their reading', async () => {
    const { adapter, log, cards, views, leave } = setUp({ bytes: 0 })
    const [view] = views.of({ team: 'a' })
    if (!view) throw new Error('no view')
    view.viewers.add(NOBODY)
    await view.snapshot()
    await cards.insertOne({ _id: 1, team: 'a' })
    expect(view.resumes(log.head - 1)).to.equal(false)
    let open = () => {}
    adapter.gate = () =>
      new Promise((resolve) => {
        open = resolve
      })
    const ended = view.snapshot().catch((error) => error.code)
    leave([view])
    open()
    expect(views.of({ team: 'a' })[0]).not.to.equal(view)
    open()
    await new Promise((resolve) => setImmediate(resolve))
    open()
    expect(await ended).to.equal('CLOSED')
  })

  it('are left once, however often it is said', async () => {
    const { views, look, leave } = setUp()
    const taken = await look('a')
    const [view] = taken
    leave(taken)
    views.left(view)
    views.left(view)
    expect(views.size).to.equal(0)
    expect(views.of({ team: 'a' })[0]).to.equal(view)
    view.viewers.add(NOBODY)
    views.left(view)
    expect(views.of({ team: 'a' })[0]).to.equal(view)
  })

  it('rest as long as the log may reach back, and no longer', async () => {
    const { views, look, leave, now } = setUp({ ms: 1_000 })
    const [view] = await look('a')
    leave([view])
    views.sweep(now + 900)
    expect(views.of({ team: 'a' })[0]).to.equal(view)
    leave([view])
    views.sweep(Date.now() + 1_100)
    expect(views.of({ team: 'a' })[0]).not.to.equal(view)
  })

  it('rest in as much memory as the log may take: the longest ago goes first', async () => {
    const { cards, views, look, leave } = setUp({ bytes: 7_500 })
    await cards.insertMany(['a', 'b', 'c', 'd'].map((team, _id) => ({ _id, team })))
    const left: View[] = []
    for (const team of ['a', 'b', 'c', 'd']) {
      const [view] = await look(team)
      left.push(view)
      leave([view])
    }
    const kept = ['a', 'b', 'c', 'd'].map((team, index) => views.of({ team })[0] === left[index])
    expect(kept).to.deep.equal([false, true, true, true])
  })

  it('go where they have grown too large while they rested', async () => {
    const { cards, views, look, leave, now } = setUp({ bytes: 6_000 })
    await look('keeper')
    const [view] = await look('a')
    leave([view])
    views.sweep(now)
    expect(views.of({ team: 'a' })[0]).to.equal(view)
    leave([view])
    await cards.insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id, team: 'a' })))
    views.sweep(now)
    expect(views.of({ team: 'a' })[0]).not.to.equal(view)
  })

  it('rest nowhere where nothing is kept for those who come back', async () => {
    const { views, look, leave, adapter } = setUp({ bytes: 0 })
    const [view] = await look('a')
    leave([view])
    await views.close()
    expect(views.of({ team: 'a' })[0]).not.to.equal(view)
    expect(adapter.closes).to.equal(1)
  })

  it('let go of snapshots that are of no use any more', async () => {
    const { cards, log, views, look } = setUp({ bytes: 1_000 })
    const [view] = await look('a')
    const old = await view.snapshot()
    for (let _id = 0; _id < 20; _id++) await cards.insertOne({ _id, team: 'b' })
    expect(log.floor).to.be.above(old.sequence)
    views.sweep(Date.now())
    expect(await view.snapshot()).not.to.equal(old)
  })

  describe('that nobody looks at', () => {
    /** Views of one source that clients have left, and what a write asks of them. */
    const departed = async (
      count: number,
      source: { criteria: unknown; sort?: Record<string, 1 | -1>; limit?: number },
      documents = 20,
    ) => {
      const store = memory()
      const cards = store.collection('cards')
      const rows = Array.from({ length: documents }, (_, _id) => ({ _id: `card-${_id}`, score: _id, n: 0 }))
      await cards.insertMany(rows)
      const log = new Log({ bytes: 1e9, ms: 1e9 })
      const diagnostics = new Diagnostics()
      const host = { log, adapters: () => [], point: String, onError: () => {}, diagnostics }
      const sources = new Sources({ cards: { manifest: true, collection: cards, ...source } as never }, host)
      const limits = { ...resolveLimits({}), restingViewsPerAddress: 1e6 }
      const views = new Views(sources, log, () => {}, limits, diagnostics)
      const take = async (k: number) => {
        const [view] = views.of({ k })
        if (!view) throw new Error('no view')
        view.viewers.add(NOBODY)
        await view.snapshot()
        return view
      }
      const keeper = await take(-1)
      const before = heapHeld()
      const left: View[] = []
      for (let k = 0; k < count; k++) {
        const view = await take(k)
        view.viewers.delete(NOBODY)
        views.left(view)
        left.push(view)
      }
      await new Promise((resolve) => setImmediate(resolve))
      const bytes = (heapHeld() - before) / count
      let asked = 0
      for (const view of left) {
        const { filter } = view
        const { matches } = filter
        for (const name of ['show', 'match', 'needsDocument'] as const) {
          const method = filter[name].bind(filter) as (...given: unknown[]) => unknown
          filter[name] = ((...given: unknown[]) => {
            asked++
            return method(...given)
          }) as never
        }
        if (matches) Object.assign(filter, { matches: (one: never) => asked++ >= 0 && matches(one) })
      }
      const write = () => cards.updateOne({ _id: 'card-3' }, { $inc: { n: 1 } })
      return { cards, log, views, keeper, left, bytes, write, asked: () => asked }
    }
    const RANGE = { criteria: { score: { $gte: '@k' } } }

    it('are asked nothing by a write where a criteria of ranges finds none of them', async () => {
      const { write, asked, keeper, views } = await departed(1_000, RANGE)
      for (let i = 0; i < 10; i++) await write()
      expect([asked(), keeper.size]).to.deep.equal([0, 20])
      await views.close()
    })

    it('let a write cost about what it costs without them', async () => {
      const timeOf = async (count: number) => {
        const { write, views } = await departed(count, RANGE)
        const times: number[] = []
        for (let round = 0; round < 20; round++) {
          const begin = performance.now()
          for (let i = 0; i < 50; i++) await write()
          times.push(performance.now() - begin)
        }
        await views.close()
        return Math.min(...times)
      }
      const alone = await timeOf(0)
      expect((await timeOf(1_000)) / alone).to.be.below(2)
    })

    it('know what happened meanwhile when a client comes back, and it is replayed', async () => {
      const { cards, log, left, views, write } = await departed(10, RANGE)
      const at = log.head
      await write()
      await cards.updateOne({ _id: 'card-3' }, { $set: { score: 100 } })
      await cards.deleteOne({ _id: 'card-19' })
      const [view] = views.of({ k: 5 })
      expect([view, view?.resumes(at)]).to.deep.equal([left[5], true])
      const known = [...(view?.known()?.keys() ?? [])].sort()
      const truth = (await cards.find({ score: { $gte: 5 } }).toArray()).map(({ _id }) => idKey(_id ?? null))
      expect(known).to.deep.equal(truth.sort())
      const told = [1, 2, 3].map((after) => view?.frame(log.at(at + after) as Entry) as Frame | null)
      expect(told.map((frame) => frame?.oplist.map(({ operation }) => operation))).to.deep.equal([
        undefined,
        ['set'],
        ['unset'],
      ])
      await views.close()
    })

    it('are read again where too much happened meanwhile, or the collection was dropped', async () => {
      const { cards, log, views, write } = await departed(2, RANGE)
      for (let i = 0; i < 1_100; i++) await write()
      expect(views.of({ k: 0 })[0]?.known()).to.equal(undefined)
      await cards.drop()
      const [view] = views.of({ k: 1 })
      expect([view?.known(), view?.resumes(log.head - 1)]).to.deep.equal([undefined, false])
      await views.close()
    })

    const kinds: [string, Parameters<typeof departed>[1], number?][] = [
      ['a range', RANGE],
      ['a value', { criteria: { k: '@k' } }],
      [
        'many conditions',
        { criteria: { $or: [...'abcdefghijklmnopqrst'].map((name) => ({ [name]: '@k' })) } },
      ],
      ['many documents', { criteria: { n: { $ne: '@k' } } }, 300],
      ['an order', { criteria: { n: { $ne: '@k' } }, sort: { score: 1 } }, 200],
    ]
    for (const [what, source, documents] of kinds) {
      it(`are reckoned at about what they take: those with ${what}`, async () => {
        const { bytes, left, views } = await departed(500, source, documents)
        const reckoned = left.reduce((sum, view) => sum + bytesOf(view), 0) / left.length
        expect(reckoned / bytes).to.be.within(0.5, 2.5)
        await views.close()
      })
    }
  })
})
