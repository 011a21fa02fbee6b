import { expect } from 'chai'
import { Log } from '../../../lib/server/feed/log.ts'
import { type Limits, resolveLimits } from '../../../lib/server/options/limits.ts'
import { Sources } from '../../../lib/server/registry/sources.ts'
import { Views } from '../../../lib/server/registry/views.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Viewer } from '../../../lib/server/view/view-spec.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { CountingAdapter } from '../../support/counting.ts'

const NOBODY: Viewer = { reset() {}, differ() {}, failed() {} }

describe('server/views', () => {
  const setUp = ({ bytes = 1e6, ms = 1e6 } = {}, limits: Limits = {}) => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const cards = store.collection('cards')
    const log = new Log({ bytes, ms })
    const host = { log, adapters: () => [], point: String, onError: () => {}, onDebug: () => {} }
    let stops = 0
    const sources = new Sources(
      {
        cards: { manifest: true, collection: adapter.handle('cards'), criteria: { team: '@team' } },
        calls: { manifest: true, payload: () => ({ data: [] }), delta: () => () => void stops++ },
      },
      host,
    )
    const views = new Views(sources, log, () => {}, resolveLimits(limits))
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
    view.viewers.clear()
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
    const { cards, views, look, leave } = setUp({ bytes: 3_500 })
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
    const { cards, views, look, leave, now } = setUp({ bytes: 5_000 })
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
})
