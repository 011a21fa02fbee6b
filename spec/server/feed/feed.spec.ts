import { expect } from 'chai'
import type { Document, Id } from '../../../lib/model/document.ts'
import { Feed } from '../../../lib/server/feed/feed.ts'
import { beginOf, type Entry, Log } from '../../../lib/server/feed/log.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Adapter, Change, ChangeListener, DocumentChange } from '../../../lib/source/source.ts'
import { until } from '../../support/local.ts'

/** An adapter that does what the spec tells it to; its positions are numbers. */
class Scripted implements Adapter {
  readonly name = 'scripted'
  /** The end of its history when it is opened. */
  head: string | undefined
  past?: (milliseconds: number) => Promise<string>
  readonly opens: (string | undefined)[] = []
  closes = 0
  /** Where the next subscription begins, if not where it was asked to. */
  start: string | undefined
  /** Runs while the adapter is being opened. */
  onOpen: (listener: ChangeListener) => unknown = () => {}
  /** Runs while it is being closed. */
  onClose: () => unknown = () => {}
  readonly asked: [string, readonly Id[]][] = []
  answer: (ids: readonly Id[]) => Document[] | Promise<Document[]> = () => []
  listeners: ChangeListener[] = []

  get listener(): ChangeListener {
    const listener = this.listeners.at(-1)
    if (!listener) throw new Error('not open')
    return listener
  }
  async open(listener: ChangeListener, from?: string) {
    this.opens.push(from)
    this.listeners.push(listener)
    await this.onOpen(listener)
    return {
      position: this.start ?? from ?? '0',
      ...(this.head === undefined ? {} : { head: this.head }),
      close: async () => {
        this.closes++
        await this.onClose()
      },
    }
  }
  compare(a: string, b: string) {
    return Number(a) - Number(b)
  }
  async read() {
    return { from: '0', to: '0' }
  }
  async lookup(collection: string, ids: readonly Id[]) {
    this.asked.push([collection, ids])
    return this.answer(ids)
  }
}

/** As much of a view as a feed knows of. */
class Watcher {
  readonly entries: Entry[] = []
  readonly reloads: string[] = []
  failures = 0
  needy: Id[] = []
  readonly collection: string

  constructor(collection = 'users') {
    this.collection = collection
  }
  get view(): View {
    return this as unknown as View
  }
  /** The positions of the changes that it got, by entry. */
  get seen(): string[][] {
    return this.entries.map((entry) => entry.changes.map((change) => change.position))
  }
  needsDocument(change: DocumentChange): boolean {
    return this.needy.includes(change.id)
  }
  take(entry: Entry): void {
    this.entries.push(entry)
  }
  lost(reason: string): void {
    this.reloads.push(reason)
  }
  failed(): void {
    this.failures++
  }
}

const update = (position: number, more: Partial<DocumentChange> = {}): DocumentChange => ({
  kind: 'update',
  position: String(position),
  timestamp: '2026-01-01T00:00:00.000Z',
  collection: 'users',
  id: 1,
  operations: [{ operation: 'set', path: 'n', data: position }],
  ...more,
})

/** Something that others wait for until the spec lets it come. */
const gate = () => {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

describe('server/feed', () => {
  const setUp = ({ bytes = 1e6, ms = 1e6 } = {}) => {
    const adapter = new Scripted()
    const log = new Log({ bytes, ms })
    const errors: unknown[] = []
    const host = {
      log,
      adapters: () => [],
      point: (sequence: number) => `id${sequence}`,
      onError: (error: unknown, source: string) => errors.push([source, (error as Error).message]),
      diagnostics: new Diagnostics(),
    }
    const feed = new Feed(adapter, host, 0)
    const send = (...changes: Change[]) => adapter.listener.changes(changes, changes.at(-1)?.position ?? '0')
    return { adapter, log, errors, host, feed, send, watcher: new Watcher() }
  }

  describe('opening and closing', () => {
    it('opens the adapter once for many views, also for those that come at once', async () => {
      const { adapter, feed } = setUp()
      await Promise.all([1, 2, 3].map(() => feed.acquire(new Watcher().view)))
      await feed.acquire(new Watcher('teams').view)
      expect(adapter.opens).to.deep.equal([undefined])
    })

    it('closes it after the last view, and counts a view once', async () => {
      const { adapter, feed, watcher } = setUp()
      const other = new Watcher('teams')
      await feed.acquire(watcher.view)
      await feed.acquire(watcher.view)
      await feed.acquire(other.view)
      await feed.release(watcher.view)
      await feed.release(watcher.view)
      expect(adapter.closes).to.equal(0)
      await feed.release(other.view)
      expect(adapter.closes).to.equal(1)
    })

    it('reopens from the last position, the log going on without a gap', async () => {
      const { adapter, log, feed, send, watcher } = setUp()
      await feed.acquire(watcher.view)
      send(update(1), update(2))
      adapter.listener.progress('7')
      await feed.release(watcher.view)
      await feed.acquire(watcher.view)
      send(update(8))
      expect(adapter.opens).to.deep.equal([undefined, '7'])
      expect([feed.floor, log.head, feed.position]).to.deep.equal([0, 3, '8'])
    })

    it('knows where its source is: while it is open by what it was told, else it asks, once for all who ask at once', async () => {
      const { adapter, feed, send, watcher } = setUp()
      let readings = 0
      Object.assign(adapter, {
        past: async () => '0',
        read: async (_collection: string, query: object) => {
          expect(query).to.deep.equal({ _id: { $in: [] } })
          readings++
          return { from: '5', to: '5' }
        },
      })
      expect(await Promise.all([feed.now(), feed.now()])).to.deep.equal(['5', '5'])
      expect(readings).to.equal(1)
      adapter.head = '7'
      await feed.acquire(watcher.view)
      // What lies before the end of the history may still be on its way.
      expect([feed.position, await feed.now()]).to.deep.equal(['0', '7'])
      send(update(8))
      expect(await feed.now()).to.equal('8')
      await feed.release(watcher.view)
      expect([await feed.now(), readings]).to.deep.equal(['5', 2])
    })

    it('does not know where its source is where that can not say, and need not where it keeps no history', async () => {
      const { adapter, feed } = setUp()
      adapter.read = async () => {
        throw new Error('away')
      }
      expect(await feed.now()).to.equal(undefined)
      Object.assign(adapter, { past: async () => '0' })
      expect(await feed.now()).to.equal(undefined)
    })

    it('moves the floor when the source can not go on from there', async () => {
      const { adapter, log, feed, send, watcher } = setUp()
      await feed.acquire(watcher.view)
      send(update(1), update(2))
      await feed.release(watcher.view)
      adapter.start = '50'
      await feed.acquire(watcher.view)
      expect([feed.floor, log.head, feed.position]).to.deep.equal([3, 3, '50'])
    })

    it('gives a gap a place of its own, so that who held everything before it does not pass for who came after', async () => {
      const { adapter, log, feed, send, watcher } = setUp()
      await feed.acquire(watcher.view)
      send(update(1))
      adapter.listener.lost('gone', '30')
      expect([feed.floor, feed.floorPosition]).to.deep.equal([2, '30'])
      expect(log.at(2)).to.deep.include({ changes: [], point: 'id2' })
      expect(log.at(2)?.feed).to.equal(feed)
      expect(watcher.seen).to.deep.equal([['1']])
    })

    it('begins with a gap where it was made for a view: the view may have been there before', async () => {
      const { adapter, log, host, watcher } = setUp()
      const [shared, own] = [new Feed(adapter, host, 0), new Feed(adapter, host)]
      await shared.acquire(watcher.view)
      expect([log.head, shared.floor]).to.deep.equal([0, 0])
      await own.acquire(watcher.view)
      expect([log.head, own.floor]).to.deep.equal([1, 1])
    })

    it('keeps what comes while it is being opened until it knows where it begins', async () => {
      const { adapter, feed, watcher } = setUp()
      adapter.start = '10'
      adapter.onOpen = async (listener) => {
        listener.changes([update(11)], '11')
        await yieldToEventLoop()
        expect(watcher.seen).to.deep.equal([])
        listener.changes([update(12)], '12')
      }
      await feed.acquire(watcher.view)
      expect(watcher.seen).to.deep.equal([['11'], ['12']])
      expect([feed.floor, feed.position]).to.deep.equal([0, '12'])
    })

    it('rejects when the adapter can not be opened, and tries anew for the next view', async () => {
      const { adapter, feed, watcher } = setUp()
      adapter.onOpen = () => {
        throw new Error('standalone')
      }
      const both = await Promise.allSettled([feed.acquire(watcher.view), feed.acquire(new Watcher().view)])
      expect(both.map((result) => result.status)).to.deep.equal(['rejected', 'rejected'])
      expect(adapter.opens.length).to.equal(1)
      adapter.onOpen = () => {}
      await feed.acquire(watcher.view)
      expect(adapter.opens.length).to.equal(2)
    })

    it('waits with opening until the last subscription is closed', async () => {
      const { adapter, feed, watcher } = setUp()
      const { passed, open } = gate()
      adapter.onClose = () => passed
      await feed.acquire(watcher.view)
      const closed = feed.release(watcher.view)
      const opened = feed.acquire(watcher.view)
      await yieldToEventLoop()
      expect(adapter.opens.length).to.equal(1)
      open()
      await Promise.all([closed, opened])
      expect([adapter.opens.length, adapter.closes]).to.deep.equal([2, 1])
    })

    it('comes to an end when a view comes and goes while it is being closed', async () => {
      const { adapter, feed, watcher } = setUp()
      const { passed, open } = gate()
      adapter.onClose = () => passed
      await feed.acquire(watcher.view)
      const ends = [feed.release(watcher.view), feed.acquire(watcher.view), feed.release(watcher.view)]
      open()
      let ended = false
      void Promise.all(ends).then(() => {
        ended = true
      })
      await until(() => ended, 'the end', 200)
      expect(adapter.closes).to.equal(adapter.opens.length)
      await feed.acquire(watcher.view)
      expect(adapter.opens.length).to.equal(adapter.closes + 1)
    })

    it('does not forget a newer opening when an older one fails', async () => {
      const { adapter, feed, watcher } = setUp()
      const { passed, open } = gate()
      adapter.onOpen = async () => {
        await passed
        throw new Error('standalone')
      }
      const failing = feed.acquire(watcher.view).catch(() => 'failed')
      const released = feed.release(watcher.view)
      const other = new Watcher()
      const next = feed.acquire(other.view)
      open()
      expect(await failing).to.equal('failed')
      adapter.onOpen = () => {}
      await Promise.all([released, next, feed.acquire(new Watcher().view)])
      expect(adapter.opens.length).to.equal(2)
    })

    it('closes what is still being opened, once it is open', async () => {
      const { adapter, feed, watcher } = setUp()
      const { passed, open } = gate()
      adapter.onOpen = () => passed
      const opened = feed.acquire(watcher.view)
      const closed = feed.release(watcher.view)
      open()
      await Promise.all([opened, closed])
      expect([adapter.opens.length, adapter.closes]).to.deep.equal([1, 1])
    })

    it('gives up what is still being opened, as no failure, and opens it again for the next view', async () => {
      const { adapter, errors, feed, watcher } = setUp()
      const open = adapter.open.bind(adapter)
      const reasons: unknown[] = []
      adapter.open = (_listener, _from, signal?: AbortSignal) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      const opened = feed.acquire(watcher.view).catch((error: unknown) => reasons.push(error))
      await yieldToEventLoop()
      await feed.release(watcher.view)
      await opened
      expect(reasons[0]).to.include({ code: 'CLOSED' })
      expect([errors, watcher.failures, feed.report.state]).to.deep.equal([[], 0, 'closed'])
      adapter.open = open
      await feed.acquire(watcher.view)
      expect(adapter.opens).to.have.length(1)
    })

    it('reports a subscription that can not be closed, and is closed', async () => {
      const { adapter, errors, feed, watcher } = setUp()
      adapter.onClose = () => {
        throw new Error('no')
      }
      await feed.acquire(watcher.view)
      await feed.release(watcher.view)
      expect(errors).to.deep.equal([['scripted', 'no']])
      await feed.acquire(watcher.view)
      expect(adapter.opens.length).to.equal(2)
    })

    it('hears nothing of a subscription that it closed', async () => {
      const { adapter, log, errors, feed, watcher } = setUp()
      await feed.acquire(watcher.view)
      const [old] = adapter.listeners
      await feed.release(watcher.view)
      await feed.acquire(watcher.view)
      old?.changes([update(1)], '1')
      old?.progress('5')
      old?.lost('old', '6')
      old?.error(new Error('old'))
      expect([log.head, feed.position, watcher.reloads, errors]).to.deep.equal([0, '0', [], []])
    })
  })

  describe('where it opens', () => {
    const PAST = (adapter: Scripted, position: string) => {
      const asked: number[] = []
      adapter.past = async (ms) => {
        asked.push(ms)
        return position
      }
      return asked
    }

    it('is as far in the past as the log reaches, so that it can tell those who were elsewhere', async () => {
      const { adapter, log, feed, watcher } = setUp({ ms: 5_000 })
      const asked = PAST(adapter, '40')
      adapter.onOpen = (listener) => listener.changes([update(41)], '41')
      await feed.acquire(watcher.view)
      expect([asked, adapter.opens]).to.deep.equal([[5_000], ['40']])
      expect([feed.floor, feed.floorPosition, log.head, watcher.seen]).to.deep.equal([0, '40', 1, [['41']]])
    })

    const rows: [string, string, string][] = [
      ['where it had come to, if that is not longer ago', '5', '7'],
      ['where it had come to, if that is as long ago', '7', '7'],
      ['in the past, if it had come to no further than before that', '9', '9'],
    ]
    for (const [what, past, expected] of rows) {
      it(`is ${what}`, async () => {
        const { adapter, feed, watcher } = setUp()
        await feed.acquire(watcher.view)
        adapter.listener.progress('7')
        await feed.release(watcher.view, true)
        PAST(adapter, past)
        await feed.acquire(watcher.view)
        expect(adapter.opens).to.deep.equal([undefined, expected])
        expect(watcher.reloads.length).to.equal(expected === '7' ? 0 : 1)
      })
    }

    it('is the present where nothing is kept', async () => {
      for (const replay of [{ ms: 0 }, { bytes: 0 }]) {
        const { adapter, feed, watcher } = setUp(replay)
        const asked = PAST(adapter, '40')
        await feed.acquire(watcher.view)
        expect([asked, adapter.opens]).to.deep.equal([[], [undefined]])
      }
    })

    it('is the present where the source can not tell its past: the opening says what is wrong', async () => {
      const { adapter, feed, watcher, errors } = setUp()
      adapter.past = async () => {
        throw new Error('away')
      }
      await feed.acquire(watcher.view)
      expect([adapter.opens, errors]).to.deep.equal([[undefined], []])
    })

    it('is told to all views where it is not where the log ends, also to those that rest', async () => {
      const { adapter, feed, send, watcher } = setUp()
      const resting = new Watcher('teams')
      await feed.acquire(watcher.view)
      await feed.acquire(resting.view)
      await feed.release(resting.view, true)
      send(update(1), update(2, { collection: 'teams' }))
      expect(resting.seen).to.deep.equal([['2']])
      await feed.release(watcher.view, true)
      expect(adapter.closes).to.equal(1)
      adapter.start = '9'
      await feed.acquire(watcher.view)
      expect([watcher.reloads, resting.reloads]).to.deep.equal([['history-lost'], ['history-lost']])
    })

    it('is not told to views that are closed, nor are changes', async () => {
      const { adapter, feed, send, watcher } = setUp()
      const closed = new Watcher()
      await feed.acquire(watcher.view)
      await feed.acquire(closed.view)
      await feed.release(closed.view, true)
      await feed.release(closed.view)
      send(update(1))
      adapter.listener.lost('gone', '5')
      expect([closed.seen, closed.reloads, watcher.reloads.length]).to.deep.equal([[], [], 1])
    })

    it('takes nothing along of an opening that failed', async () => {
      const { adapter, log, feed, watcher } = setUp()
      adapter.onOpen = (listener) => {
        listener.changes([update(1)], '1')
        throw new Error('away')
      }
      await feed.acquire(watcher.view).catch(() => {})
      const [failed] = adapter.listeners
      adapter.onOpen = () => {}
      failed?.changes([update(2)], '2')
      await feed.acquire(watcher.view)
      expect([log.head, watcher.seen]).to.deep.equal([0, []])
    })
  })

  describe('the present', () => {
    it('is there once all is told that there was when it was opened', async () => {
      const { adapter, feed, watcher } = setUp()
      adapter.head = '3'
      await feed.acquire(watcher.view)
      let there = false
      const present = feed.present().then(() => {
        there = true
      })
      adapter.listener.changes([update(2)], '2')
      await yieldToEventLoop()
      expect(there).to.equal(false)
      adapter.listener.progress('3')
      await present
    })

    it('is there at once where the source begins with it, or is not open', async () => {
      const { feed, watcher } = setUp()
      await feed.present()
      await feed.acquire(watcher.view)
      await feed.present()
    })

    it('is not waited for any more where the feed is closed, or its history lost', async () => {
      const { adapter, feed, watcher } = setUp()
      adapter.head = '3'
      await feed.acquire(watcher.view)
      const lost = feed.present()
      await yieldToEventLoop()
      adapter.listener.lost('gone', '1')
      await lost
      const closed = feed.present()
      await yieldToEventLoop()
      await feed.release(watcher.view)
      await closed
    })
  })

  describe('changes', () => {
    it('tells whether a position was reached in time', async () => {
      const { adapter, feed, watcher } = setUp()
      await feed.acquire(watcher.view)
      adapter.listener.progress('3')
      expect(await Promise.all([feed.reached('3', 0), feed.reached('4', 5)])).to.deep.equal([true, false])
      const reached = [feed.reached('5', 10_000), feed.reached('x', 5)]
      adapter.listener.progress('5')
      expect(await Promise.all(reached)).to.deep.equal([true, false])
    })

    it('makes an entry of each, with the id of its position, for the views of its collection', async () => {
      const { log, feed, send, watcher } = setUp()
      const teams = new Watcher('teams')
      await feed.acquire(watcher.view)
      await feed.acquire(teams.view)
      send(update(1), update(2, { collection: 'teams' }), update(3, { collection: 'others' }))
      expect([watcher.seen, teams.seen]).to.deep.equal([[['1']], [['2']]])
      expect([1, 2, 3].map((sequence) => log.at(sequence)?.point)).to.deep.equal(['id1', 'id2', 'id3'])
    })

    it('makes one entry of what one transaction changed, and shows it once to each view', async () => {
      const { feed, send, watcher } = setUp()
      const teams = new Watcher('teams')
      await feed.acquire(watcher.view)
      await feed.acquire(teams.view)
      const [a, b] = [{ transaction: 'a' }, { transaction: 'b' }]
      send(
        update(1, a),
        update(2, { ...a, collection: 'teams' }),
        update(3, { ...a, id: 3 }),
        update(4, b),
        update(5),
        update(6),
      )
      expect(watcher.seen).to.deep.equal([['1', '2', '3'], ['4'], ['5'], ['6']])
      expect(teams.seen).to.deep.equal([['1', '2', '3']])
    })

    it('tells where a transaction began, also where its changes come to less than they were, or to nothing', async () => {
      const { log, feed, send, watcher } = setUp()
      await feed.acquire(watcher.view)
      const a = { transaction: 'a' }
      send(
        update(1),
        update(2, {
          ...a,
          id: 2,
          kind: 'insert',
          operations: [{ operation: 'set', path: '.', data: { _id: 2 } }],
        }),
        update(3, { ...a, id: 2, kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }),
        update(4),
        update(5, a),
        update(6, { ...a, id: 2 }),
        update(7, a),
      )
      expect(watcher.seen).to.deep.equal([['1'], ['4'], ['6', '7']])
      const entries = [1, 2, 3, 4].map((sequence) => log.at(sequence) as Entry)
      expect(entries.map(beginOf)).to.deep.equal(['1', '2', '4', '5'])
      expect(entries.map(({ changes }) => changes.length)).to.deep.equal([1, 0, 1, 2])
    })

    it('has the position of an entry when it is shown, and the later one after it', async () => {
      const { adapter, feed, watcher } = setUp()
      const positions: unknown[] = []
      watcher.take = () => positions.push(feed.position)
      await feed.acquire(watcher.view)
      adapter.listener.changes([update(1), update(2)], '9')
      expect([positions, feed.position]).to.deep.equal([['1', '2'], '9'])
    })

    it('tells when a position is reached: by a change, by progress, by being there already', async () => {
      const { adapter, feed, send, watcher } = setUp()
      await feed.acquire(watcher.view)
      const reached: string[] = []
      const wait = (position: string) => feed.reached(position).then(() => reached.push(position))
      const waits = [wait('0'), wait('3'), wait('5'), wait('6')]
      await yieldToEventLoop()
      expect(reached).to.deep.equal(['0'])
      send(update(2), update(4))
      await yieldToEventLoop()
      expect(reached).to.deep.equal(['0', '3'])
      adapter.listener.progress('5')
      await yieldToEventLoop()
      expect(reached).to.deep.equal(['0', '3', '5'])
      await feed.close()
      await Promise.all(waits)
    })

    it('lets go who waits when it is closed, and lets nobody wait from then on', async () => {
      const { feed, watcher } = setUp()
      await feed.acquire(watcher.view)
      const waits = feed.reached('4')
      await feed.release(watcher.view)
      expect(await waits).to.equal(false)
      expect(await feed.reached('4')).to.equal(false)
    })

    it('reloads all views when the history is lost, moves the floor and lets go who waits', async () => {
      const { adapter, log, feed, send, watcher } = setUp()
      const teams = new Watcher('teams')
      await feed.acquire(watcher.view)
      await feed.acquire(teams.view)
      send(update(1), update(2))
      const waits = feed.reached('4')
      adapter.listener.lost('gone', '30')
      await waits
      expect([watcher.reloads, teams.reloads]).to.deep.equal([['history-lost'], ['history-lost']])
      expect([feed.floor, log.head, feed.position]).to.deep.equal([3, 3, '30'])
      send(update(31))
      expect(watcher.seen.at(-1)).to.deep.equal(['31'])
    })

    it('reports what the adapter fails at, and tells all views', async () => {
      const { adapter, errors, feed, watcher } = setUp()
      await feed.acquire(watcher.view)
      adapter.listener.error(new Error('away'))
      expect([errors, watcher.failures]).to.deep.equal([[['scripted', 'away']], 1])
    })
  })

  describe('changes that need their document', () => {
    const needy = async () => {
      const all = setUp()
      all.watcher.needy = [1, 2]
      await all.feed.acquire(all.watcher.view)
      return all
    }
    const documents = (watcher: Watcher) =>
      watcher.entries.flatMap((entry) => entry.changes).map((change) => (change as DocumentChange).document)

    it('are looked up at once, by collection, for all views', async () => {
      const { adapter, feed, send, watcher } = await needy()
      const second = new Watcher()
      second.needy = [1]
      const teams = new Watcher('teams')
      teams.needy = [1]
      await feed.acquire(second.view)
      await feed.acquire(teams.view)
      adapter.answer = (ids) => ids.map((_id) => ({ _id, found: true }))
      send(update(1), update(2, { id: 2 }), update(3, { id: 3 }), update(4, { collection: 'teams' }))
      await until(() => teams.entries.length === 1)
      expect(adapter.asked).to.deep.equal([
        ['users', [1, 2]],
        ['teams', [1]],
      ])
      // What the look-up may have missed is folded in, by values.
      expect(documents(watcher)).to.deep.equal([
        { _id: 1, found: true, n: 1 },
        { _id: 2, found: true, n: 2 },
        undefined,
      ])
    })

    it('are not looked up where the source told it, or where it is no update', async () => {
      const { adapter, send, watcher } = await needy()
      send(
        update(1, { document: { _id: 1 } }),
        update(2, { kind: 'insert' }),
        update(3, { kind: 'delete' }),
        { kind: 'clear', collection: 'users', position: '4', timestamp: '' },
      )
      expect(watcher.entries.length).to.equal(4)
      expect(adapter.asked).to.deep.equal([])
    })

    it('hold up the later ones, which follow in order', async () => {
      const { adapter, send, watcher } = await needy()
      const { passed, open } = gate()
      adapter.answer = async (ids) => {
        await passed
        return ids.map((_id) => ({ _id }))
      }
      send(update(1))
      send(update(2, { id: 3 }))
      adapter.listener.lost('gone', '3')
      send(update(4, { id: 2 }))
      send(update(5, { id: 3 }))
      await yieldToEventLoop()
      expect([watcher.seen, watcher.reloads]).to.deep.equal([[], []])
      open()
      await until(() => watcher.seen.length === 4)
      expect(watcher.seen.flat()).to.deep.equal(['1', '2', '4', '5'])
      expect([watcher.reloads, adapter.asked.length]).to.deep.equal([['history-lost'], 2])
    })

    it('become removals where the document is gone by then', async () => {
      const { send, watcher } = await needy()
      send(update(1))
      await until(() => watcher.entries.length === 1)
      const [change] = watcher.entries[0]?.changes ?? []
      expect(change).to.deep.include({ kind: 'delete', id: 1, position: '1' })
      expect(change).to.have.deep.property('operations', [{ operation: 'unset', path: '.' }])
    })

    it('tell an id of one type from the same of another', async () => {
      const { adapter, send, watcher } = await needy()
      adapter.answer = () => [{ _id: '1' }]
      send(update(1))
      await until(() => watcher.entries.length === 1)
      expect(watcher.entries[0]?.changes[0]?.kind).to.equal('delete')
    })

    it('are looked up again, with longer and longer pauses, when that failed, and errors are reported', async () => {
      const { adapter, errors, send, watcher } = await needy()
      const failures = [new Error('one'), new Error('two'), new Error('three')]
      adapter.answer = (ids) => {
        const failure = failures.shift()
        if (failure) throw failure
        return ids.map((_id) => ({ _id }))
      }
      const pauses: unknown[] = []
      const { setTimeout } = globalThis
      globalThis.setTimeout = ((run: () => void, ms: number) => {
        if (ms >= 100) pauses.push(ms)
        return setTimeout(run, ms >= 100 ? 0 : ms)
      }) as never
      try {
        send(update(1))
        send(update(2, { id: 3 }))
        await until(() => watcher.entries.length === 2)
      } finally {
        globalThis.setTimeout = setTimeout
      }
      expect(errors.map((error) => (error as string[])[1])).to.deep.equal(['one', 'two', 'three'])
      expect([watcher.failures, pauses]).to.deep.equal([3, [500, 1000, 2000]])
      expect(watcher.seen).to.deep.equal([['1'], ['2']])
    })

    it('are not looked up again where the feed was closed after that failed', async () => {
      const { adapter, feed, send, watcher } = await needy()
      adapter.answer = () => {
        throw new Error('away')
      }
      const { setTimeout } = globalThis
      let resume = () => {}
      globalThis.setTimeout = ((run: () => void) => {
        resume = run
        return { unref() {} }
      }) as never
      try {
        send(update(1))
        await yieldToEventLoop()
        await feed.release(watcher.view)
      } finally {
        globalThis.setTimeout = setTimeout
      }
      resume()
      await yieldToEventLoop()
      expect([adapter.asked.length, watcher.failures]).to.deep.equal([1, 1])
    })

    it('are forgotten when the feed is closed meanwhile, and told again by the next subscription', async () => {
      const { adapter, log, feed, send, watcher } = await needy()
      const { passed, open } = gate()
      adapter.answer = async (ids) => {
        await passed
        return ids.map((_id) => ({ _id }))
      }
      send(update(1))
      send(update(2, { id: 3 }))
      await feed.release(watcher.view)
      await feed.acquire(watcher.view)
      open()
      await yieldToEventLoop()
      expect([log.head, adapter.opens]).to.deep.equal([0, [undefined, '0']])
      send(update(1))
      send(update(2, { id: 3 }))
      await until(() => watcher.seen.length === 2)
      expect(watcher.seen).to.deep.equal([['1'], ['2']])
    })

    it('go as they are where the source can not look them up', async () => {
      const { adapter, send, watcher } = await needy()
      Object.assign(adapter, { lookup: undefined })
      send(update(1))
      expect(documents(watcher)).to.deep.equal([undefined])
    })
  })
})
