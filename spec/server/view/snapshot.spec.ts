import { expect } from 'chai'
import fc from 'fast-check'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Model } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import type { Log } from '../../../lib/server/feed/log.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import { digest } from '../../../lib/server/view/digest.ts'
import { documentsOf as parsed, type Snapshot } from '../../../lib/server/view/snapshot.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Adapter } from '../../../lib/source/source.ts'
import { deltaIn } from '../../support/delta.ts'
import { feedOf, type ViewOptions, viewOf } from '../../support/feed.ts'
import { Interleaved } from '../../support/interleaved.ts'
import { until } from '../../support/local.ts'

const setUp = (adapter: Adapter, options: ViewOptions = {}) => {
  const place = feedOf(adapter)
  return { ...place, view: viewOf(place, options) }
}

interface Part {
  root: string
  timestamp: string
  data: Document[]
  part: number
  last: boolean
}

const partsOf = (snapshot: Snapshot): Part[] =>
  snapshot.parts.map((bytes) => {
    const [, json] = /^event: payload\ndata: ([^\n]*)\n\n$/.exec(bytes.toString()) ?? []
    return JSON.parse(json ?? '')
  })
const documentsOf = (snapshot: Snapshot) => partsOf(snapshot).flatMap((part) => part.data)
const sorted = (documents: Iterable<Document>) => [...documents].sort((a, b) => Number(a._id) - Number(b._id))

/** What a client has that gets the snapshot, then what the log holds after it. */
const clientOf = (view: View, log: Log, snapshot: Snapshot): Document[] => {
  const model: Model = { users: documentsOf(snapshot) }
  for (let at = snapshot.sequence + 1; at <= log.head; at++) {
    const entry = log.at(at)
    const frame = entry && view.frame(entry)
    expect(frame).not.to.equal(MUST_RELOAD)
    if (!frame || frame === MUST_RELOAD) continue
    applyDelta(model, deltaIn(frame.body))
  }
  return sorted(model.users ?? [])
}

const DOCUMENTS = [0, 1, 2, 3, 4].map((_id) => ({ _id, n: _id, team: _id % 2 ? 'a' : 'b', tags: [] }))
const inTeam = (document: Document) => document.team === 'a'

describe('server/snapshot', () => {
  it('gives others their turn while it reads, however small the batches are', async () => {
    const adapter = new Interleaved(Array.from({ length: 20_000 }, (_, _id) => ({ _id, team: 'a' })))
    const { view } = setUp(adapter)
    let turns = 0
    let read = 0
    let reading = true
    adapter.during = (index) => {
      read = index
    }
    const count = () => {
      if (read > 0 && read < 20_000) turns++
      if (reading) setImmediate(count)
    }
    count()
    const snapshot = await view.snapshot()
    reading = false
    expect(snapshot.documents).to.equal(20_000)
    expect(turns).to.be.greaterThan(1)
  })

  const rows: [string, (adapter: Interleaved) => void][] = [
    ['an insert', (adapter) => adapter.put({ _id: 9, team: 'a' })],
    [
      'an update that tells the document',
      (adapter) => adapter.update(1, { operation: 'inc', path: 'n', data: 1 }, true),
    ],
    [
      'an update that does not',
      (adapter) => adapter.update(1, { operation: 'set', path: 'n', data: 7 }, false),
    ],
    [
      'an update by which a document enters',
      (adapter) => adapter.update(2, { operation: 'set', path: 'team', data: 'a' }, true),
    ],
    [
      'an update by which a document leaves',
      (adapter) => adapter.update(1, { operation: 'set', path: 'team', data: 'b' }, true),
    ],
    [
      'an update that fits only what the document was',
      (adapter) => {
        adapter.update(1, { operation: 'set', path: 'tags.x', data: 1 }, false)
        adapter.update(1, { operation: 'set', path: 'tags', data: 5 }, false)
      },
    ],
    ['a delete', (adapter) => adapter.remove(1)],
    ['a replacement', (adapter) => adapter.put({ _id: 1, team: 'a', other: true })],
    [
      'a delete and an insert of the same id',
      (adapter) => {
        adapter.remove(1)
        adapter.put({ _id: 1, team: 'a', again: true })
      },
    ],
    ['no change at all', () => {}],
  ]
  for (const [name, change] of rows) {
    for (const query of [{}, { team: 'a' }]) {
      const criteria = Object.keys(query).length > 0 ? ', with a criteria' : ''
      it(`holds ${name} made while it was read, before or after the document was${criteria}`, async () => {
        for (let when = 0; when <= DOCUMENTS.length; when++) {
          for (const late of [false, true]) {
            const adapter = new Interleaved(structuredClone(DOCUMENTS))
            adapter.late = late
            adapter.during = (index) => {
              if (index === when) change(adapter)
            }
            const { view, log } = setUp(adapter, { query })
            const snapshot = await view.snapshot()
            const truth = [...adapter.documents.values()].filter((one) => !criteria || inTeam(one))
            expect(sorted(documentsOf(snapshot))).to.deep.equal(sorted(truth))
            expect(snapshot).to.include({ sequence: log.head, documents: truth.length })
          }
        }
      })
    }
  }

  for (const [name, change] of rows) {
    it(`holds ${name} made while it was read with other views by one query`, async () => {
      for (let when = 0; when <= DOCUMENTS.length; when++) {
        for (const late of [false, true]) {
          const adapter = new Interleaved(structuredClone(DOCUMENTS))
          adapter.late = late
          adapter.during = (index) => {
            if (index === when) change(adapter)
          }
          const place = feedOf(adapter)
          const teams = ['a', 'b', 'c']
          const views = teams.map((team) => viewOf(place, { key: team, query: { team } }))
          const begun = adapter.reads
          const snapshots = views.map((view) => view.snapshot())
          await Promise.race(snapshots)
          // A change by operations alone makes the view that its document enters read again, and no other one.
          expect(adapter.reads - begun).to.be.at.most(2)
          for (const [at, snapshot] of (await Promise.all(snapshots)).entries()) {
            const truth = [...adapter.documents.values()].filter(({ team }) => team === teams[at])
            expect(sorted(documentsOf(snapshot))).to.deep.equal(sorted(truth))
          }
        }
      }
    })
  }

  it('is read by as few queries as there are turns of the pace, whose views get their documents each', async () => {
    const adapter = new Interleaved(Array.from({ length: 100 }, (_, _id) => ({ _id, team: _id })))
    const place = feedOf(adapter)
    const snapshots = await Promise.all(
      Array.from({ length: 100 }, (_, team) => viewOf(place, { key: `${team}`, query: { team } }).snapshot()),
    )
    expect(adapter.reads).to.equal(4)
    for (const [team, snapshot] of snapshots.entries())
      expect(documentsOf(snapshot)).to.deep.equal([{ _id: team, team }])
  })

  it('comes to the other views of its query when its view is closed while it is read', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const place = feedOf(adapter)
    const [closed, other] = ['a', 'b'].map((team) => viewOf(place, { key: team, query: { team } }))
    const closing: unknown[] = []
    adapter.during = (index) => {
      if (index === 2) closing.push(closed?.close())
    }
    const [ended, read] = await Promise.allSettled([closed?.snapshot(), other?.snapshot()])
    await Promise.all(closing)
    expect(closing).to.have.length(1)
    expect(ended.status === 'rejected' && ended.reason.code).to.equal('CLOSED')
    expect(read.status === 'fulfilled' && read.value?.documents).to.equal(3)
    expect(adapter.reads).to.equal(1)
  })

  it('comes to the other views of its query when its view is larger than a limit', async () => {
    const adapter = new Interleaved(
      Array.from({ length: 20 }, (_, _id) => ({ _id, team: _id < 15 ? 'a' : 'b' })),
    )
    const place = feedOf(adapter)
    Object.assign(place.feed, { limits: { snapshotDocuments: 10, snapshotBytes: 1e6 } })
    const [large, small] = ['a', 'b'].map((team) => viewOf(place, { key: team, query: { team } }))
    const [refused, read] = await Promise.allSettled([large?.snapshot(), small?.snapshot()])
    expect(refused.status === 'rejected' && refused.reason.code).to.equal('LIMIT_EXCEEDED')
    expect(read.status === 'fulfilled' && read.value?.documents).to.equal(5)
    expect(adapter.reads).to.equal(1)
  })

  const id = fc.nat(6)
  const team = fc.constantFrom('a', 'b')
  const data = fc.nat(9)
  const absolute = fc.oneof(
    fc.record({ operation: fc.constant('set' as const), path: fc.constant('team'), data: team }),
    fc.record({ operation: fc.constant('set' as const), path: fc.constant('n'), data }),
    fc.record({ operation: fc.constant('unset' as const), path: fc.constant('n') }),
  )
  const operation = fc.oneof(
    absolute,
    fc.record({ operation: fc.constant('inc' as const), path: fc.constant('n'), data }),
    fc.record({ operation: fc.constant('push' as const), path: fc.constant('tags'), data }),
  )
  const write = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), id, team }),
    fc.record({ kind: fc.constant('remove' as const), id }),
    fc.record({ kind: fc.constant('update' as const), id, operation, exact: fc.constant(true) }),
    fc.record({ kind: fc.constant('update' as const), id, operation: absolute, exact: fc.constant(false) }),
    fc.record({ kind: fc.constant('tell' as const), count: fc.integer({ min: 1, max: 3 }) }),
  )
  const run = (adapter: Interleaved, step: typeof write extends fc.Arbitrary<infer Step> ? Step : never) => {
    if (step.kind === 'tell') adapter.tell(step.count)
    else if (step.kind === 'remove') adapter.remove(step.id)
    else if (step.kind === 'put') adapter.put({ _id: step.id, team: step.team, n: 0, tags: [] })
    else adapter.update(step.id, step.operation, step.exact)
  }

  for (const query of [{}, { team: 'a' }]) {
    const criteria = Object.keys(query).length > 0
    const what = criteria ? 'a part of a store' : 'a whole store'
    it(`meets the changes exactly, whatever was written to ${what} and whenever it was told`, async () => {
      // As change streams do, a source that doesn't tell the documents tells values: what is looked up later holds them already.
      const script = fc.constantFrom(true, false).chain((exact) => {
        const step = write.filter((one) => one.kind !== 'update' || one.exact === exact)
        return fc.tuple(
          fc.array(fc.array(step, { maxLength: 3 }), { minLength: 6, maxLength: 9 }),
          fc.array(step, { maxLength: 5 }),
        )
      })
      await fc.assert(
        fc.asyncProperty(script, async ([during, after]) => {
          const adapter = new Interleaved(structuredClone(DOCUMENTS))
          adapter.late = true
          adapter.during = (index) => {
            for (const step of during[index] ?? []) run(adapter, step)
          }
          const { view, log, feed, errors } = setUp(adapter, { query })
          const snapshot = await view.snapshot()
          for (const step of after) run(adapter, step)
          adapter.tell()
          await feed.reached(adapter.position)
          const truth = [...adapter.documents.values()].filter((one) => !criteria || inTeam(one))
          expect(clientOf(view, log, snapshot)).to.deep.equal(sorted(truth))
          expect(errors).to.deep.equal([])
        }),
        { numRuns: 300 },
      )
    })
  }

  it('holds a document once that a source reads twice, as it was read last', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const { view } = setUp(adapter)
    const { read } = adapter
    adapter.read = (collection, query, each, options) =>
      read.call(
        adapter,
        collection,
        query,
        async ([one]) => {
          await each(one ? [{ ...one, n: -1 }] : [])
          await each(one ? [one] : [])
        },
        options,
      )
    const snapshot = await view.snapshot()
    expect(documentsOf(snapshot)).to.deep.equal(DOCUMENTS)
    expect(snapshot.documents).to.equal(DOCUMENTS.length)
    expect(snapshot.members.size).to.equal(DOCUMENTS.length)
  })

  it('drops the changes that the source had made before it was read', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const { view, log } = setUp(adapter)
    await view.open()
    adapter.late = true
    adapter.update(1, { operation: 'push', path: 'tags', data: 'once' }, false)
    adapter.during = (index) => {
      if (index === 1) adapter.tell()
    }
    const snapshot = await view.snapshot()
    expect(documentsOf(snapshot)[1]).to.deep.include({ tags: ['once'] })
    expect(snapshot.sequence).to.equal(log.head)
  })

  it('leaves to the log what came after it was read', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const { view, log } = setUp(adapter)
    adapter.late = true
    const { read } = adapter
    adapter.read = async (...args) => {
      const reading = await read.apply(adapter, args)
      adapter.put({ _id: 8, team: 'a' })
      return reading
    }
    const snapshot = await view.snapshot()
    expect(documentsOf(snapshot).map((document) => document._id)).not.to.include(8)
    adapter.tell()
    expect([snapshot.sequence, log.head]).to.deep.equal([0, 1])
    expect(clientOf(view, log, snapshot).map((document) => document._id)).to.include(8)
  })

  it('holds all of what is shown at once, though it was read in the middle of it', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const { open, read } = adapter
    adapter.open = (listener) => {
      const changes: typeof listener.changes = (all, position) =>
        listener.changes(
          all.map((change) => ({ ...change, transaction: 'one' })),
          position,
        )
      return open.call(adapter, { ...listener, changes })
    }
    const { view, log } = setUp(adapter)
    await view.open()
    adapter.late = true
    adapter.update(1, { operation: 'inc', path: 'n', data: 10 }, true)
    adapter.read = async (...args) => {
      const reading = await read.apply(adapter, args)
      adapter.update(2, { operation: 'inc', path: 'n', data: 10 }, true)
      return reading
    }
    const snapshot = await view.snapshot()
    expect([snapshot.sequence, log.head]).to.deep.equal([1, 1])
    expect(clientOf(view, log, snapshot).map(({ n }) => n)).to.deep.equal([0, 11, 12, 3, 4])
  })

  it('holds only what the manifest lets through', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const { view } = setUp(adapter, { manifest: { n: true } })
    adapter.during = (index) => {
      if (index === 2) adapter.update(1, { operation: 'set', path: 'team', data: 'secret' }, false)
    }
    expect(documentsOf(await view.snapshot())).to.deep.equal(DOCUMENTS.map(({ _id, n }) => ({ _id, n })))
  })

  for (const query of [{}, { team: 'a' }]) {
    const criteria = Object.keys(query).length > 0 ? ', with a criteria' : ''
    for (const when of [0, 3, DOCUMENTS.length]) {
      it(`is read anew when its collection is cleared before document ${when} of it was read${criteria}`, async () => {
        const adapter = new Interleaved(structuredClone(DOCUMENTS))
        const { view } = setUp(adapter, { query })
        let cleared = false
        adapter.during = (index) => {
          if (cleared || index < when) return
          cleared = true
          adapter.clear()
          adapter.put({ _id: 7, team: 'a' })
        }
        const snapshot = await view.snapshot()
        expect(adapter.reads).to.equal(2)
        expect(documentsOf(snapshot)).to.deep.equal([{ _id: 7, team: 'a' }])
      })
    }

    it(`is read anew when its collection is cleared right after it was read${criteria}`, async () => {
      const adapter = new Interleaved(structuredClone(DOCUMENTS))
      const { view, log } = setUp(adapter, { query })
      const { read } = adapter
      adapter.read = async (...args) => {
        const reading = await read.apply(adapter, args)
        if (adapter.reads === 1) {
          adapter.clear()
          adapter.put({ _id: 7, team: 'a' })
        }
        return reading
      }
      const snapshot = await view.snapshot()
      expect(clientOf(view, log, snapshot)).to.deep.equal([{ _id: 7, team: 'a' }])
      expect(adapter.reads).to.equal(2)
    })
  }

  it('is read anew rather than guessed where a criteria needs a document that the source can not tell', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    Object.assign(adapter, { lookup: undefined })
    const { view } = setUp(adapter, { query: { team: 'a' } })
    adapter.during = (index) => {
      if (adapter.reads === 1 && index === 4)
        adapter.update(1, { operation: 'set', path: 'team', data: 'b' }, false)
    }
    expect(documentsOf(await view.snapshot()).map((document) => document._id)).to.deep.equal([3])
  })

  it('ends, and lets go of the log, when its view is closed before the changes come that the reading has already', async () => {
    const adapter = new Interleaved(structuredClone(DOCUMENTS))
    const { view, log } = setUp(adapter)
    adapter.late = true
    adapter.during = async (index) => {
      if (index !== DOCUMENTS.length) return
      adapter.put({ _id: 9 })
      await view.close()
    }
    let ended: unknown
    void view.snapshot().catch((error) => {
      ended = error.code
    })
    await until(() => ended !== undefined)
    expect(ended).to.equal('CLOSED')
    const entry = { feed: view.feed, changes: [], point: () => '', adapters: [], bytes: 1e8 }
    log.append(entry, Date.now())
    expect(log.bytes).to.equal(0)
  })

  it('tells the digest of what is shown of each document, by the key of its id', async () => {
    const adapter = new Interleaved([{ _id: 1, n: 1, secret: 's' }, { _id: '1', n: 2 }, { _id: { a: 1 } }])
    const { view } = setUp(adapter, { manifest: { n: true } })
    const { members } = await view.snapshot()
    expect([...members]).to.deep.equal([
      ['1', digest({ _id: 1, n: 1 })],
      ['"1', digest({ _id: '1', n: 2 })],
      ['{"a":1}', digest({ _id: { a: 1 } })],
    ])
  })

  it('gives its documents back as they were sent, whatever stands in them, over all parts', async () => {
    const text = 'data: [\n\u2028"}],"part":0 ü'
    const documents = Array.from({ length: 300 }, (_, _id) => ({ _id, text, filler: 'x'.repeat(500) }))
    const { view } = setUp(new Interleaved(documents), { manifest: { text: true, filler: true } })
    const snapshot = await view.snapshot()
    expect(snapshot.parts.length).to.be.above(2)
    expect(await parsed(snapshot)).to.deep.equal(
      new Map(documents.map((document) => [idKey(document._id), document])),
    )
    expect(await parsed(await setUp(new Interleaved()).view.snapshot())).to.deep.equal(new Map())
  })

  describe('parts', () => {
    const many = (count: number, size = 0) =>
      new Interleaved(Array.from({ length: count }, (_, _id) => ({ _id, text: 'x'.repeat(size) })))

    it('gives one empty part for an empty collection', async () => {
      const parts = partsOf(await setUp(many(0)).view.snapshot())
      expect(parts.map(({ timestamp, ...part }) => part)).to.deep.equal([
        { root: 'users', data: [], part: 0, last: true },
      ])
    })

    it('gives parts of about 64 KiB, numbered, the last of which says so', async () => {
      const snapshot = await setUp(many(500, 1000)).view.snapshot()
      const parts = partsOf(snapshot)
      expect(parts.length).to.equal(8)
      expect(parts.map((part) => part.part)).to.deep.equal(parts.map((_, index) => index))
      expect(parts.map((part) => part.last)).to.deep.equal(parts.map((_, index) => index === 7))
      expect(parts.flatMap((part) => part.data.map(({ _id }) => _id))).to.deep.equal([...Array(500).keys()])
      for (const bytes of snapshot.parts) expect(bytes.length).to.be.below(68_000)
      for (const bytes of snapshot.parts.slice(0, -1)) expect(bytes.length).to.be.above(65_000)
    })

    it('gives a document that is larger than a part whole', async () => {
      const parts = partsOf(await setUp(many(3, 100_000)).view.snapshot())
      expect(parts.map((part) => [part.data.length, part.last])).to.deep.equal([
        [1, false],
        [1, false],
        [1, true],
      ])
    })

    it('dates them as the source does, else by the clock', async () => {
      const adapter = many(1)
      const before = Date.now()
      const [part] = partsOf(await setUp(adapter).view.snapshot())
      expect(Date.parse(part?.timestamp ?? '')).to.be.within(before, Date.now())
      adapter.read = async () => ({ from: '0', to: '0', timestamp: '2000-01-01T00:00:00.000Z' })
      const [dated] = partsOf(await setUp(adapter).view.snapshot())
      expect(dated?.timestamp).to.equal('2000-01-01T00:00:00.000Z')
    })
  })

  it('does not hold up the event loop, however many documents there are', async () => {
    const documents = Array.from({ length: 20_000 }, (_, _id) => ({
      _id,
      name: `name ${_id}`,
      address: { street: 'street', secret: 1 },
      tags: ['a', 'b'],
    }))
    const adapter = new Interleaved()
    adapter.read = async (_collection, _query, each) => {
      for (let at = 0; at < documents.length; at += 1000) await each(documents.slice(at, at + 1000))
      return { from: '0', to: '0' }
    }
    const longest: number[] = []
    for (let attempt = 0; attempt < 3; attempt++) {
      const { view } = setUp(adapter, { manifest: { name: true, address: { street: true }, tags: true } })
      const gaps: number[] = []
      let loading = true
      const watch = (async () => {
        for (let last = performance.now(); loading; ) {
          await yieldToEventLoop()
          const now = performance.now()
          gaps.push(now - last)
          last = now
        }
      })()
      expect((await view.snapshot()).documents).to.equal(20_000)
      loading = false
      await watch
      expect(gaps.length).to.be.above(3)
      longest.push(Math.max(...gaps))
    }
    // A slice is 4 ms; the rest is room for the collector of garbage. A machine that is busy with other things may be late once, or twice.
    expect(Math.min(...longest)).to.be.below(60)
  })
})
