import { expect } from 'chai'
import type { ParticleError } from '../../../lib/errors.ts'
import { type Frame, MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import type { Entry } from '../../../lib/server/feed/log.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { ViewDigest } from '../../../lib/server/view/difference.ts'
import { STALE } from '../../../lib/server/view/digest.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Receiver, Viewer } from '../../../lib/server/view/view-spec.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Change, DocumentChange } from '../../../lib/source/source.ts'
import { CountingAdapter } from '../../support/counting.ts'
import { deltaIn } from '../../support/delta.ts'
import { feedOf, type ViewOptions, viewOf as viewIn } from '../../support/feed.ts'

class Watcher implements Viewer, Receiver {
  readonly frames: Frame[] = []
  readonly ids: string[] = []
  readonly resets: string[] = []
  readonly differences: unknown[] = []
  failures = 0

  deliver(_view: View, entry: Entry, frame: Frame): void {
    this.frames.push(frame)
    this.ids.push(entry.point)
  }
  reset(_view: View, reason: string): void {
    this.resets.push(reason)
  }
  differ(_view: View, known: ViewDigest, reason: string): void {
    this.differences.push([[...known.keys()], reason])
  }
  failed(): void {
    this.failures++
  }
  /** What it was told: operation, id, path and data of each. */
  get told(): unknown[] {
    return this.frames.flatMap(({ body }) => deltaIn(body).oplist.map(Object.values))
  }
}

describe('server/view', () => {
  const setUp = async ({ bytes = 1e7 } = {}) => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const users = store.collection('users')
    await users.insertMany([
      { _id: 1, team: 'a', name: 'Ann', secret: 's1' },
      { _id: 2, team: 'b', name: 'Bob', secret: 's2' },
    ])
    const place = feedOf(adapter, { bytes, point: (at) => `id${at}` })
    const { log, errors, feed } = place
    const viewOf = (options: ViewOptions = {}) => viewIn(place, { root: 'people', ...options })
    /** A view that is up to date, and someone who looks at it. */
    const watch = async (options?: Parameters<typeof viewOf>[0]) => {
      const view = viewOf(options)
      const watcher = new Watcher()
      view.viewers.add(watcher)
      view.receivers.add(watcher)
      await view.snapshot()
      return { view, watcher }
    }
    /** Makes the source tell what a sane one wouldn't. */
    const tell = (...changes: object[]) => {
      const position = feed.position ?? ''
      const rest = { position, timestamp: '', collection: 'users' }
      adapter.listener?.changes(
        changes.map((change) => ({ ...rest, ...change }) as Change),
        position,
      )
    }
    return { store, adapter, users, log, feed, errors, viewOf, watch, tell }
  }

  describe('frames', () => {
    it('show the changes of its own collection only', async () => {
      const { store, users, watch } = await setUp()
      const { watcher } = await watch()
      await store.collection('others').insertOne({ _id: 9 })
      await users.updateOne({ _id: 1 }, { $set: { name: 'Anna' } })
      expect(watcher.told).to.deep.equal([['set', 1, 'name', 'Anna']])
    })

    it('show what the manifest lets through, and nothing at all where it lets nothing through', async () => {
      const { users, watch } = await setUp()
      const { watcher } = await watch({ manifest: { name: true } })
      await users.updateOne({ _id: 1 }, { $set: { secret: 't' } })
      await users.updateOne({ _id: 1 }, { $set: { secret: 'u', name: 'Anna' } })
      await users.insertOne({ _id: 3, secret: 'v', name: 'Cat' })
      expect(watcher.told).to.deep.equal([
        ['set', 1, 'name', 'Anna'],
        ['set', 3, '.', { _id: 3, name: 'Cat' }],
      ])
      expect(watcher.ids).to.deep.equal(['id2', 'id3'])
    })

    it('are events of the root', async () => {
      const { users, watch } = await setUp()
      const { watcher } = await watch()
      await users.deleteOne({ _id: 1 })
      const [frame] = watcher.frames
      expect(frame?.body.toString()).to.match(/^event: delta\ndata: \["people",.*\]\n\n$/)
    })

    it('are filtered and encoded once: all viewers get the same bytes, and so does a replay', async () => {
      const { users, log, watch } = await setUp()
      const { view, watcher } = await watch()
      const other = new Watcher()
      view.viewers.add(other)
      view.receivers.add(other)
      await users.updateOne({ _id: 1 }, { $set: { name: 'Anna' } })
      expect(other.frames[0]?.body).to.equal(watcher.frames[0]?.body)
      const entry = log.at(1) as Entry
      expect(view.frame(entry)).to.equal(watcher.frames[0])
    })

    it('tell what one transaction changed in one event', async () => {
      const { tell, watch } = await setUp()
      const { watcher } = await watch()
      const operations = [{ operation: 'set', path: 'n', data: 1 }]
      tell(
        { kind: 'update', transaction: 't', id: 1, operations },
        { kind: 'update', transaction: 't', id: 9, operations, collection: 'others' },
        { kind: 'update', transaction: 't', id: 2, operations },
      )
      expect(watcher.frames.length).to.equal(1)
      expect(watcher.told).to.deep.equal([1, 2].map((id) => ['set', id, 'n', 1]))
    })
  })

  describe('with a criteria', () => {
    const CRITERIA = { query: { team: 'a' }, manifest: { name: true } }

    it('shows a document whole when it enters, by an update or by a replacement', async () => {
      const { users, watch } = await setUp()
      const { watcher } = await watch(CRITERIA)
      await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
      await users.insertOne({ _id: 3, team: 'b', name: 'Cat' })
      await users.replaceOne({ _id: 3 }, { team: 'a', name: 'Cat', secret: 's' })
      expect(watcher.told).to.deep.equal([
        ['set', 2, '.', { _id: 2, name: 'Bob' }],
        ['set', 3, '.', { _id: 3, name: 'Cat' }],
      ])
    })

    it('removes a document when it leaves, by an update, a replacement or a delete', async () => {
      const { users, watch } = await setUp()
      await users.insertMany([
        { _id: 5, team: 'a' },
        { _id: 6, team: 'a' },
      ])
      const { watcher } = await watch(CRITERIA)
      await users.updateOne({ _id: 1 }, { $set: { team: 'b', name: 'hidden' } })
      await users.replaceOne({ _id: 5 }, { team: 'c' })
      await users.deleteOne({ _id: 6 })
      expect(watcher.told).to.deep.equal([1, 5, 6].map((id) => ['unset', id, '.']))
    })

    it('never mentions a document that it never saw, not even by its id', async () => {
      const { users, log, watch } = await setUp()
      const { watcher } = await watch(CRITERIA)
      await users.updateOne({ _id: 2 }, { $set: { name: 'Bobby' } })
      await users.insertOne({ _id: 7, team: 'b' })
      await users.updateOne({ _id: 7 }, { $set: { team: 'c' } })
      await users.replaceOne({ _id: 7 }, { team: 'd' })
      await users.deleteOne({ _id: 7 })
      await users.deleteOne({ _id: 2 })
      expect([log.head, watcher.frames, watcher.resets]).to.deep.equal([6, [], []])
    })

    it('shows the changes of a document that it holds as they are, and of one that left no more', async () => {
      const { users, watch } = await setUp()
      const { watcher } = await watch(CRITERIA)
      await users.updateOne({ _id: 1 }, { $set: { name: 'Anna' } })
      await users.updateOne({ _id: 1 }, { $set: { team: 'b' } })
      await users.updateOne({ _id: 1 }, { $set: { name: 'hidden' } })
      await users.deleteOne({ _id: 1 })
      await users.insertOne({ _id: 1, team: 'a', name: 'again' })
      expect(watcher.told).to.deep.equal([
        ['set', 1, 'name', 'Anna'],
        ['unset', 1, '.'],
        ['set', 1, '.', { _id: 1, name: 'again' }],
      ])
    })

    it('says nothing of what comes before it knows its members, and follows from there', async () => {
      const { users, adapter, log, viewOf } = await setUp()
      const view = viewOf(CRITERIA)
      const watcher = new Watcher()
      view.viewers.add(watcher)
      view.receivers.add(watcher)
      adapter.gate = async () => {
        adapter.gate = undefined
        await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
      }
      const snapshot = await view.snapshot()
      expect([watcher.frames, snapshot.sequence, log.head]).to.deep.equal([[], 0, 1])
      await users.updateOne({ _id: 2 }, { $set: { name: 'Bobby' } })
      expect(watcher.told).to.deep.equal([['set', 2, 'name', 'Bobby']])
    })

    it('needs the document of one that it does not have only where the criteria looks at what changed', async () => {
      const { viewOf, watch } = await setUp()
      const change = (operation: 'set' | 'rename', path: string, id: number, document?: object) =>
        ({
          kind: 'update',
          id,
          operations: [{ operation, path, data: path === 'team' ? 'a' : 'name' }],
          ...(document ? { document } : {}),
        }) as unknown as DocumentChange
      const { view } = await watch(CRITERIA)
      const unread = viewOf(CRITERIA)
      const needs = (...given: Parameters<typeof change>) =>
        [view, unread].map((each) => each.needsDocument(change(...given)))
      expect(needs('set', 'secret', 1)).to.deep.equal([false, false])
      expect(needs('set', 'team', 2)).to.deep.equal([true, true])
      expect(needs('set', 'team.name', 2)).to.deep.equal([true, true])
      expect(needs('rename', 'secret', 1)).to.deep.equal([true, true])
      expect(needs('rename', 'secret', 2)).to.deep.equal([false, true])
      expect(needs('rename', 'team', 2)).to.deep.equal([true, true])
      expect(needs('set', 'team', 2, {})).to.deep.equal([false, false])
    })

    it('follows documents that it has by updates that tell no document', async () => {
      const { adapter, tell, watch } = await setUp()
      Object.assign(adapter, { lookup: undefined })
      const { watcher } = await watch(CRITERIA)
      const operations = [{ operation: 'set', path: 'name', data: 'new' }]
      tell({ kind: 'update', id: 1, operations }, { kind: 'update', id: 2, operations })
      expect([watcher.told, watcher.resets]).to.deep.equal([[['set', 1, 'name', 'new']], []])
    })
  })

  describe('what can not be told as a delta', () => {
    it('resets the viewers when the collection is dropped, and stays a barrier for a replay', async () => {
      const { users, log, watch } = await setUp()
      const { view, watcher } = await watch()
      await users.drop()
      expect([watcher.resets, watcher.frames]).to.deep.equal([['source-changed'], []])
      expect(view.frame(log.at(log.head) as Entry)).to.equal(MUST_RELOAD)
    })

    it('brings the viewers by a difference to what the collection is, where it must be read again', async () => {
      for (const query of [{}, { team: 'a' }]) {
        const { tell, watch } = await setUp()
        const { watcher } = await watch({ query })
        tell({ kind: 'reload' })
        expect([watcher.resets, watcher.frames]).to.deep.equal([[], []])
        const held = 'team' in query ? ['1'] : ['1', '2']
        expect(watcher.differences).to.deep.equal([[held, 'source-changed']])
      }
    })

    it('resets the viewers when a change is malformed, reports it, and goes on', async () => {
      const { users, errors, tell, watch } = await setUp()
      const { view, watcher } = await watch({ manifest: { name: true } })
      const other = await watch({ manifest: { team: true } })
      tell({ kind: 'update', id: 1, operations: [{ operation: 'set', path: 'name..x', data: 1 }] })
      expect(watcher.resets).to.deep.equal(['source-changed'])
      expect(errors.map((error) => (error as ParticleError).code)).to.include('INVALID_PATH')
      await view.snapshot()
      await other.view.snapshot()
      await users.updateOne({ _id: 1 }, { $set: { name: 'Anna' } })
      expect(watcher.told).to.deep.equal([['set', 1, 'name', 'Anna']])
    })

    it('resets the viewers where the document is needed and not to be had', async () => {
      const { adapter, tell, watch } = await setUp()
      Object.assign(adapter, { lookup: undefined })
      const views = [
        await watch({ manifest: { name: true } }),
        await watch({ query: { team: 'a' } }),
        await watch(),
      ]
      tell({ kind: 'update', id: 1, operations: [{ operation: 'rename', path: 'secret', data: 'name' }] })
      expect(views.map(({ watcher }) => watcher.resets.length)).to.deep.equal([1, 0, 0])
      tell({ kind: 'update', id: 1, operations: [{ operation: 'push', path: 'team', data: 'b' }] })
      expect(views.map(({ watcher }) => watcher.resets.length)).to.deep.equal([1, 1, 0])
    })

    it('resets the viewers with the reason that a reload has, and tells them of failures', async () => {
      const { watch } = await setUp()
      const { view, watcher } = await watch()
      view.reload('gone')
      view.failed()
      expect([watcher.resets, watcher.failures]).to.deep.equal([['gone'], 1])
    })
  })

  describe('what it knows', () => {
    it('are the ids that its viewers hold, whatever happened to them since', async () => {
      const { users, watch } = await setUp()
      const { view } = await watch({ query: { team: 'a' }, manifest: { name: true } })
      const first = view.known()
      await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
      await users.updateOne({ _id: 1 }, { $set: { name: 'Anna' } })
      await users.insertOne({ _id: 3, team: 'a' })
      await users.deleteOne({ _id: 3 })
      const second = view.known()
      expect([...(first?.keys() ?? [])]).to.deep.equal(['1'])
      expect(first?.get('1')).to.be.above(0)
      expect([...(second ?? [])]).to.deep.equal([
        ['1', STALE],
        ['2', STALE],
      ])
      expect(view.known()).to.equal(second)
    })

    it('is what the viewers are told of when the history is lost, as it was before', async () => {
      const { feed, adapter, watch } = await setUp()
      const { view, watcher } = await watch()
      adapter.listener?.lost('gone', feed.position ?? '')
      expect([watcher.differences, watcher.resets]).to.deep.equal([[[['1', '2'], 'history-lost']], []])
      expect(view.known()).to.equal(undefined)
      adapter.listener?.lost('gone', feed.position ?? '')
      expect(watcher.resets).to.deep.equal(['history-lost'])
    })

    it('stays current while nobody looks at it', async () => {
      const { users, adapter, log, watch } = await setUp()
      const other = await watch()
      const { view, watcher } = await watch({ query: { team: 'a' } })
      view.viewers.delete(watcher)
      view.receivers.delete(watcher)
      await view.rest()
      await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
      await other.view.rest()
      expect(adapter.closes).to.equal(1)
      await users.updateOne({ _id: 1 }, { $set: { team: 'b' } })
      await view.open()
      expect([...(view.known()?.keys() ?? [])]).to.deep.equal(['2'])
      expect([view.resumes(0), adapter.reads, log.head]).to.deep.equal([true, 2, 2])
    })
  })

  describe('resting', () => {
    it('is settled once its members are known, and nobody is reading it', async () => {
      const { adapter, users, log, viewOf } = await setUp({ bytes: 1000 })
      const view = viewOf({ query: { team: 'a' } })
      const states = [view.settled]
      let open = () => {}
      adapter.gate = () =>
        new Promise((resolve) => {
          open = resolve
        })
      const read = async () => {
        const reads = adapter.reads
        const reading = view.snapshot()
        while (adapter.reads === reads) await yieldToEventLoop()
        states.push(view.settled)
        await yieldToEventLoop()
        open()
        await reading
        states.push(view.settled)
      }
      await read()
      for (let i = 0; i < 20; i++) await users.updateOne({ _id: 1 }, { $set: { n: i } })
      expect(log.floor).to.be.above(0)
      await read()
      view.reload('gone')
      states.push(view.settled)
      expect(states).to.deep.equal([false, false, true, false, true, false])
    })

    it('knows how many documents it has', async () => {
      const { users, viewOf, watch } = await setUp()
      expect(viewOf().size).to.equal(0)
      const { view } = await watch({ query: { team: 'a' } })
      await users.insertMany([{ _id: 5, team: 'a' }, { _id: 6 }])
      expect(view.size).to.equal(2)
    })

    it('lets its snapshot go, and is read again when it is taken up', async () => {
      const { adapter, watch } = await setUp()
      const { view, watcher } = await watch({ query: { team: 'a' } })
      const snapshot = await view.snapshot()
      view.viewers.delete(watcher)
      view.receivers.delete(watcher)
      await view.rest()
      view.viewers.add(watcher)
      view.receivers.add(watcher)
      const again = await view.snapshot()
      expect([again === snapshot, again.parts.length, adapter.reads]).to.deep.equal([false, 1, 2])
    })

    it('shows what happened meanwhile to one that comes back', async () => {
      const { users, log, watch } = await setUp()
      await watch()
      const { view, watcher } = await watch({ query: { team: 'a' }, manifest: { name: true } })
      view.viewers.delete(watcher)
      view.receivers.delete(watcher)
      await view.rest()
      await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
      await users.updateOne({ _id: 1 }, { $set: { team: 'b' } })
      const frames = [1, 2].map((at) => view.frame(log.at(at) as Entry) as Frame)
      const told = frames.flatMap(({ oplist }) => oplist.map(({ operation, id }) => [operation, id]))
      expect([view.resumes(0), told]).to.deep.equal([
        true,
        [
          ['set', 2],
          ['unset', 1],
        ],
      ])
    })

    it('remembers nothing of a collection that was dropped meanwhile', async () => {
      const { users, watch } = await setUp()
      await watch()
      const { view, watcher } = await watch({ query: { team: 'a' } })
      view.viewers.delete(watcher)
      view.receivers.delete(watcher)
      await view.rest()
      await users.drop()
      expect([view.known(), view.settled, view.resumes(1)]).to.deep.equal([undefined, false, false])
    })

    it('is reckoned to the log: frames of which nobody asked for the bytes take memory too', async () => {
      const { users, log, watch } = await setUp()
      const { view, watcher } = await watch()
      view.viewers.delete(watcher)
      view.receivers.delete(watcher)
      const others = await Promise.all([1, 2, 3].map(() => watch({ query: { team: 'a' } })))
      for (const other of others) other.view.viewers.delete(other.watcher)
      const before = log.bytes
      await users.updateOne({ _id: 1 }, { $set: { secret: 't' } })
      expect(log.bytes - before).to.be.above(4 * 300)
    })
  })

  describe('a snapshot that is read again', () => {
    const CRITERIA = { query: { team: 'a' }, manifest: { name: true } }
    /** Writes as soon as the reading has its documents, before they are taken over. */
    const during = (adapter: CountingAdapter, write: () => Promise<unknown>) => {
      adapter.gate = async () => {
        adapter.gate = undefined
        await write()
      }
    }

    it('tells the members anew, with what came after it', async () => {
      const { users, adapter, viewOf, log } = await setUp()
      const view = viewOf(CRITERIA)
      during(adapter, async () => {
        await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
        await users.deleteOne({ _id: 1 })
      })
      const snapshot = await view.snapshot()
      expect([snapshot.sequence, log.head]).to.deep.equal([0, 2])
      expect([...(view.known() ?? [])]).to.deep.equal([['2', STALE]])
      const ids = [1, 2].map((at) => (view.frame(log.at(at) as Entry) as Frame).oplist.map(({ id }) => id))
      expect([ids, view.resumes(0)]).to.deep.equal([[[2], [1]], true])
    })

    it('leaves the frames as they were told, where the members were known before', async () => {
      const { users, adapter, log, watch } = await setUp({ bytes: 3000 })
      const { view, watcher } = await watch(CRITERIA)
      for (let i = 0; i < 20; i++) await users.updateOne({ _id: 1 }, { $set: { n: i } })
      during(adapter, async () => {
        await users.updateOne({ _id: 2 }, { $set: { team: 'a' } })
        await users.updateOne({ _id: 1 }, { $set: { name: 'Anna' } })
      })
      const snapshot = await view.snapshot()
      expect(adapter.reads).to.equal(2)
      expect(watcher.told).to.deep.equal([
        ['set', 2, '.', { _id: 2, name: 'Bob' }],
        ['set', 1, 'name', 'Anna'],
      ])
      expect(view.frame(log.at(log.head) as Entry)).to.equal(watcher.frames[1])
      expect([snapshot.sequence, log.head]).to.deep.equal([20, 22])
      expect([...(view.known() ?? [])]).to.deep.equal([
        ['1', STALE],
        ['2', STALE],
      ])
    })

    it('has what is known of all documents where there is no criteria, whoever looked before', async () => {
      const { users, adapter, viewOf } = await setUp()
      const view = viewOf()
      const watcher = new Watcher()
      view.viewers.add(watcher)
      view.receivers.add(watcher)
      await view.open()
      await users.updateOne({ _id: 1 }, { $set: { n: 1 } })
      expect([watcher.told.length, view.known()]).to.deep.equal([1, undefined])
      during(adapter, () => users.insertOne({ _id: 3 }))
      await view.snapshot()
      const known = view.known()
      expect([...(known?.keys() ?? [])]).to.deep.equal(['1', '2', '3'])
      expect([known?.get('1') === STALE, known?.get('3') === STALE]).to.deep.equal([false, true])
    })

    it('is read once more where what came after it can not be told', async () => {
      const { users, adapter, viewOf } = await setUp()
      const view = viewOf(CRITERIA)
      during(adapter, async () => {
        await users.drop()
        await users.insertOne({ _id: 8, team: 'a' })
      })
      await view.snapshot()
      expect([adapter.reads, [...(view.known()?.keys() ?? [])]]).to.deep.equal([2, ['8']])
    })
  })

  describe('sweeping', () => {
    it('lets a snapshot go that nothing leads on from, and no other', async () => {
      const { users, adapter, log, watch } = await setUp({ bytes: 1000 })
      const { view } = await watch({ query: { team: 'a' } })
      view.sweep()
      await view.snapshot()
      expect(adapter.reads).to.equal(1)
      for (let i = 0; i < 20; i++) await users.updateOne({ _id: 2 }, { $set: { n: i } })
      expect(log.floor).to.be.above(0)
      view.sweep()
      expect(view.known()?.size).to.equal(1)
      expect((await view.snapshot()).sequence).to.equal(20)
    })
  })

  describe('resuming', () => {
    it('goes back as far as the log does', async () => {
      const { users, log, watch } = await setUp({ bytes: 1000 })
      const { view } = await watch()
      for (let i = 0; i < 20; i++) await users.updateOne({ _id: 1 }, { $set: { n: i } })
      expect(log.floor).to.be.above(5)
      const answers = [log.floor - 1, log.floor, log.head].map((sequence) => view.resumes(sequence))
      expect(answers).to.deep.equal([false, true, true])
    })

    it('goes back nowhere before the source is followed', async () => {
      const { log, viewOf } = await setUp()
      const view = viewOf()
      expect(view.reaches(log.head)).to.equal(false)
      await view.open()
      expect(view.reaches(log.head)).to.equal(true)
    })

    it('goes back as far as its feed does', async () => {
      const { users, feed, adapter, watch } = await setUp()
      const { view } = await watch()
      await users.updateOne({ _id: 1 }, { $set: { n: 1 } })
      expect(view.resumes(0)).to.equal(true)
      adapter.listener?.lost('gone', feed.position ?? '')
      expect([0, 1, 2].map((sequence) => view.resumes(sequence))).to.deep.equal([false, false, true])
    })

    it('goes back, with a criteria, as far as the members are known', async () => {
      const { users, viewOf, watch } = await setUp()
      const { view: first } = await watch()
      await users.updateOne({ _id: 1 }, { $set: { n: 1 } })
      const view = viewOf({ query: { team: 'a' } })
      expect(view.resumes(1)).to.equal(false)
      await view.snapshot()
      expect([view.resumes(0), view.resumes(1), first.resumes(0)]).to.deep.equal([false, true, true])
      view.reload('gone')
      expect(view.resumes(1)).to.equal(false)
    })
  })

  describe('its snapshot', () => {
    it('is read once for all who ask at once, and for those who ask later', async () => {
      const { users, adapter, viewOf } = await setUp()
      const view = viewOf()
      const snapshots = await Promise.all([1, 2, 3].map(() => view.snapshot()))
      await users.updateOne({ _id: 1 }, { $set: { n: 1 } })
      snapshots.push(await view.snapshot())
      expect([new Set(snapshots).size, adapter.reads]).to.deep.equal([1, 1])
    })

    it('is read again once the log does not reach back to it', async () => {
      const { users, adapter, viewOf } = await setUp({ bytes: 1000 })
      const view = viewOf()
      await view.snapshot()
      for (let i = 0; i < 20; i++) await users.updateOne({ _id: 1 }, { $set: { n: i } })
      expect((await view.snapshot()).sequence).to.equal(20)
      expect(adapter.reads).to.equal(2)
    })

    it('is read again rather than followed by very many changes', async () => {
      const { users, adapter, viewOf } = await setUp()
      const view = viewOf()
      await view.snapshot()
      for (let i = 0; i < 1002; i++) await users.updateOne({ _id: 1 }, { $set: { n: i } })
      await view.snapshot()
      expect(adapter.reads).to.equal(1)
      await users.updateOne({ _id: 1 }, { $set: { n: -1 } })
      await view.snapshot()
      expect(adapter.reads).to.equal(2)
    })

    it('is not read again for the changes of others, however many there are', async () => {
      const { users, store, adapter, watch, viewOf } = await setUp()
      const { view } = await watch({ query: { team: 'a' } })
      const all = viewOf()
      await all.snapshot()
      for (let i = 0; i < 1500; i++) await store.collection('other').insertOne({ i })
      await Promise.all([view.snapshot(), all.snapshot()])
      expect(adapter.reads).to.equal(2)
      for (let i = 0; i < 1500; i++) await users.updateOne({ _id: 2 }, { $set: { n: i } })
      await Promise.all([view.snapshot(), all.snapshot()])
      expect(adapter.reads, 'reads, of which one is of the view of all').to.equal(3)
    })

    it('wakes with what it knew after very many changes of other collections, and without after its own', async () => {
      const { users, store, watch } = await setUp()
      await watch()
      const { view, watcher } = await watch({ manifest: { name: true } })
      const sleep = async (changes: () => Promise<void>) => {
        view.viewers.delete(watcher)
        view.receivers.delete(watcher)
        await view.rest()
        await changes()
        view.wake()
        view.viewers.add(watcher)
        view.receivers.add(watcher)
        return view.settled
      }
      const other = store.collection('other')
      const settled = await sleep(async () => {
        for (let i = 0; i < 1500; i++) await other.insertOne({ i })
        await users.insertOne({ _id: 3, name: 'Cid' })
      })
      expect([settled, view.size]).to.deep.equal([true, 3])
      const unsettled = await sleep(async () => {
        for (let i = 0; i < 1500; i++) await users.updateOne({ _id: 1 }, { $set: { name: `${i}` } })
      })
      expect(unsettled).to.equal(false)
    })

    it('is read once more for all, and no more than that, when a reload overtakes its reading', async () => {
      const { adapter, viewOf } = await setUp()
      const view = viewOf()
      let later: Promise<unknown> = Promise.resolve()
      adapter.gate = async () => {
        adapter.gate = undefined
        view.reload('gone')
        later = view.snapshot()
      }
      const early = await view.snapshot()
      expect(await later).to.equal(early)
      expect([await view.snapshot(), adapter.reads]).to.deep.equal([early, 2])
    })

    it('is read anew after a reading failed', async () => {
      const { adapter, viewOf } = await setUp()
      adapter.failures = [new Error('away')]
      const view = viewOf()
      const both = await Promise.allSettled([view.snapshot(), view.snapshot()])
      expect(both.map((result) => result.status)).to.deep.equal(['rejected', 'rejected'])
      expect((await view.snapshot()).documents).to.equal(2)
      expect(adapter.reads).to.equal(2)
    })

    it('lets go of the log when it is there, or when it failed', async () => {
      const { users, adapter, log, viewOf } = await setUp({ bytes: 0 })
      adapter.failures = [new Error('away')]
      const view = viewOf()
      await view.snapshot().catch(() => {})
      await view.snapshot()
      await users.updateOne({ _id: 1 }, { $set: { n: 1 } })
      expect(log.floor).to.equal(log.head)
    })
  })

  describe('closing', () => {
    it('closes the source with the last view', async () => {
      const { adapter, watch } = await setUp()
      const one = await watch()
      const other = await watch({ query: { team: 'a' } })
      await one.view.close()
      expect(adapter.closes).to.equal(0)
      await other.view.close()
      expect(adapter.closes).to.equal(1)
    })

    it('ends a reading that is under way, and opens nothing again', async () => {
      const { adapter, log, viewOf } = await setUp()
      const view = viewOf()
      let open = () => {}
      adapter.gate = () =>
        new Promise((resolve) => {
          open = resolve
        })
      const ended = view.snapshot().catch((error: ParticleError) => error.code)
      while (adapter.reads === 0) await yieldToEventLoop()
      await view.close()
      open()
      expect(await ended).to.equal('CLOSED')
      expect([adapter.opens, adapter.closes, adapter.reads]).to.deep.equal([1, 1, 1])
      expect(log.head).to.equal(0)
    })

    it('refuses a snapshot after that', async () => {
      const { adapter, watch } = await setUp()
      const { view } = await watch()
      await view.close()
      expect(await view.snapshot().catch((error: ParticleError) => error.code)).to.equal('CLOSED')
      expect(adapter.opens).to.equal(1)
    })
  })
})
