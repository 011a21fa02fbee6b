import { expect } from 'chai'
import fc from 'fast-check'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Document, Model } from '../../lib/model/document.ts'
import { Connection } from '../../lib/server/delivery/connection.ts'
import type { ConnectionHost } from '../../lib/server/delivery/connection-host.ts'
import type { ResumePlan } from '../../lib/server/delivery/resume.ts'
import type { Feed } from '../../lib/server/feed/feed.ts'
import { yieldToEventLoop } from '../../lib/server/support/scheduling.ts'
import type { View } from '../../lib/server/view/view.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Query } from '../../lib/source/source.ts'
import { CountingAdapter } from '../support/counting.ts'
import { connectionHost, feedOf, silentTrace, type TestFeed, viewOf } from '../support/feed.ts'
import { eventReceiver } from '../support/receiver.ts'
import { StoppingSink } from '../support/sinks.ts'

interface Seen {
  name: string
  // biome-ignore lint/suspicious/noExplicitAny: specs read the fields that they expect.
  data: any
  id: string | undefined
}

/** A client's end of a stream: it notes what it reads. */
class End extends StoppingSink {
  readonly seen: Seen[] = []
  gone = false
  readonly #read = eventReceiver(
    (name, data, id) => this.seen.push({ name, data: structuredClone(data), id }),
    (error) => {
      throw error
    },
  )
  protected readonly receive = (text: string) => {
    if (!this.gone) this.#read(text)
  }
}

const QUERIES: Record<string, Query> = { a: { team: 'a' }, b: { team: 'b' }, c: { n: { $gte: 2 } }, all: {} }
const rights = fc.constantFrom('a', 'b', 'c', 'all')
const peer = fc.nat(1)
const write = fc.record({
  kind: fc.constantFrom('insert', 'team', 'count', 'text', 'delete'),
  id: fc.nat(4),
  team: fc.constantFrom('a', 'b'),
})
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write }) },
  { weight: 3, arbitrary: fc.record({ turns: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ peer, rights }) },
  { weight: 1, arbitrary: fc.record({ peer, stop: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ peer, hold: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ peer, back: fc.array(write, { maxLength: 3 }), lost: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ lose: fc.array(write, { maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ drop: fc.constant(true) }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
type Write = typeof write extends fc.Arbitrary<infer W> ? W : never

const sorted = (documents: readonly Document[] = []) =>
  [...documents].sort((one, other) => Number(one._id) - Number(other._id))

interface Peer {
  rights: string
  /** Lists what a client of these rights may have been shown of its own root, while it had them. */
  readonly allowed: Set<string>
  /** Tells when the rights last changed, in the order of the log. */
  since: number
  before: Seen[]
  end: End
  connection: Connection
}

/** A source, its views, and two clients that look at all of it and at a part. */
class World {
  readonly store = memory()
  readonly adapter = new CountingAdapter(this.store)
  readonly users = this.store.collection('users')
  readonly states = new Set<string>()
  readonly errors: Error[]
  readonly #views = new Map<string, View>()
  readonly #host: ConnectionHost
  readonly #place: TestFeed
  readonly feed: Feed
  #serial = 100
  peers: Peer[] = []

  constructor(bytes: number, delay: () => number) {
    this.#place = feedOf(this.adapter, { bytes, point: (at) => `id${at}` })
    const { log, feed, errors } = this.#place
    this.feed = feed
    this.errors = errors
    this.#host = connectionHost(log, {
      maxBufferedBytes: 1500,
      left: (view) => this.#left(view, delay() % 2 === 0),
      onError: (error) => errors.push(error as Error),
    })
    this.adapter.gate = async () => {
      for (let turns = delay(); turns > 0; turns--) await yieldToEventLoop()
    }
  }

  /** What the source has, as the rights show it. */
  async image(rights: string): Promise<Document[]> {
    return sorted(await this.users.find(QUERIES[rights]).toArray())
  }

  async write({ kind, id, team }: Write): Promise<void> {
    const serial = this.#serial++
    if (kind === 'insert') await this.users.insertOne({ _id: id, team, n: 0, list: [] }).catch(() => {})
    else if (kind === 'delete') await this.users.deleteOne({ _id: id })
    else {
      const updates = {
        team: { $set: { team } },
        count: { $inc: { n: 1 }, $push: { list: serial } },
        text: { $set: { text: 'x'.repeat(900) } },
      }
      await this.users.updateOne({ _id: id }, updates[kind as keyof typeof updates])
    }
    await this.note()
  }

  async note(): Promise<void> {
    for (const rights of Object.keys(QUERIES)) {
      const image = JSON.stringify(await this.image(rights))
      this.states.add(image)
      for (const peer of this.peers) if (peer.rights === rights) peer.allowed.add(image)
    }
  }

  async take(step: Step): Promise<void> {
    if ('write' in step) await this.write(step.write)
    else if ('turns' in step) for (let turns = step.turns; turns >= 0; turns--) await yieldToEventLoop()
    else if ('lose' in step) await this.#lose(step.lose)
    else if ('drop' in step) {
      await this.users.drop()
      await this.note()
    } else if ('rights' in step) {
      const peer = this.peer(step.peer)
      if (peer.rights !== step.rights) peer.since = this.#place.log.head
      peer.rights = step.rights
      peer.connection.change(this.#viewsOf(step.rights), step.rights)
      peer.allowed.add(JSON.stringify(await this.image(step.rights)))
    } else if ('hold' in step) {
      const { connection } = this.peer(step.peer)
      if (step.hold) connection.hold()
      else connection.release()
    } else if ('stop' in step) {
      const { end } = this.peer(step.peer)
      end.stopped = step.stop
      if (!step.stop) end.read()
    } else {
      const peer = this.peer(step.peer)
      const { before, end, connection } = peer
      end.gone = true
      connection.close()
      // What was on its way when the connection broke.
      const seen = [...before, ...end.seen.slice(0, Math.max(0, end.seen.length - step.lost))]
      for (const each of step.back) await this.write(each)
      this.peers[step.peer] = this.open({ ...peer, before: seen })
    }
  }

  peer(index: number) {
    const found = this.peers[index]
    if (!found) throw new Error('no such peer')
    return found
  }

  /** Opens a stream for a client that has seen these events before. */
  open({ rights, allowed, since, before }: Omit<Peer, 'end' | 'connection'>): Peer {
    const end = new End()
    const views = this.#viewsOf(rights)
    const trace = silentTrace(() => {
      for (const view of connection.views) this.#host.left(view)
    })
    const connection = new Connection(end, views, rights, this.#host, trace)
    connection.start(this.#start(rights, since, views, before))
    return { rights, allowed, since, before, end, connection }
  }

  async settle(): Promise<void> {
    for (const { end, connection } of this.peers) {
      connection.release()
      end.stopped = false
      end.read()
    }
    const end = Date.now() + 10_000
    for (let still = 0; still < 20; await yieldToEventLoop()) {
      still = this.peers.every(({ connection }) => connection.ready) ? still + 1 : 0
      if (Date.now() > end) throw new Error('Not all were ready in the end')
    }
  }

  async close(): Promise<void> {
    for (const { connection } of this.peers) connection.close()
    await Promise.all([...this.#views.values()].map((view) => view.close()))
  }

  #start(rights: string, since: number, views: readonly View[], before: readonly Seen[]): ResumePlan {
    const id = before.findLast((event) => event.id !== undefined)?.id
    const [, sequence, given] = /^id(\d+):(\w+)$/.exec(id ?? '') ?? []
    if (before.length === 0) return { presented: false, reasonFor: () => 'history-lost' }
    const isGranted = given === rights && Number(sequence) >= since
    const held = views.filter((view) => view.root === 'all' || isGranted)
    const points = new Map(
      held.filter((view) => view.reaches(Number(sequence))).map((view) => [view, Number(sequence)]),
    )
    if (points.size > 0) return { presented: true, points, reasonFor: () => 'rights-changed' }
    return { presented: true, reason: 'history-lost', reasonFor: () => 'history-lost' }
  }

  #viewsOf(rights: string): View[] {
    return [
      ['all', 'all'],
      ['own', rights],
    ].map(([root = '', name = '']) => {
      const key = `${root} ${name}`
      const query = QUERIES[name] ?? {}
      const view = this.#views.get(key) ?? viewOf(this.#place, { key, root, query })
      this.#views.set(key, view)
      view.wake()
      return view
    })
  }

  #left(view: View, rest: boolean): void {
    if (view.viewers.size > 0) return
    if (rest && view.settled) {
      void view.rest()
      return
    }
    this.#views.delete(view.key)
    void view.close()
  }

  async #lose(writes: readonly Write[]): Promise<void> {
    const { listener } = this.adapter
    if (!listener || this.feed.position === undefined) return
    const { changes } = listener
    listener.changes = () => {}
    for (const each of writes) await this.write(each)
    listener.changes = changes
    listener.lost('gone', (await this.store.read('users', {}, () => {})).to)
  }
}

/** What a client shows after these events; each state of a root on the way is handed to `see`. */
function modelOf(events: readonly Seen[], see: (root: string, documents: Document[]) => void): Model {
  const model: Model = {}
  let parts: Document[] = []
  for (const { name, data } of structuredClone(events) as Seen[]) {
    if (name === 'payload') {
      parts = data.part === 0 ? data.data : [...parts, ...data.data]
      if (data.last) model[data.root] = parts
    } else if (name === 'delta') applyDelta(model, data)
    if (name === 'delta' || (name === 'payload' && data.last)) see(data.root, model[data.root] ?? [])
  }
  return model
}

describe('Whatever happens to a stream', () => {
  it('its client ends with what the source has and it may see, and showed nothing on the way that never was', async function () {
    this.timeout(120_000)
    const script = fc.tuple(
      fc.array(step, { maxLength: 50, size: 'max' }),
      fc.constantFrom(4_000, 1e7),
      fc.infiniteStream(fc.nat(5)),
    )
    await fc.assert(
      fc.asyncProperty(script, async ([steps, bytes, delays]) => {
        const world = new World(bytes, () => delays.next().value ?? 0)
        for (let id = 0; id < 4; id++) await world.write({ kind: 'insert', id, team: id % 2 ? 'a' : 'b' })
        for (const rights of ['a', 'b']) {
          const allowed = new Set([JSON.stringify(await world.image(rights))])
          world.peers.push(world.open({ rights, allowed, since: 0, before: [] }))
        }
        for (const each of steps) await world.take(each)
        await world.settle()
        for (const { rights, allowed, before, end } of world.peers) {
          const model = modelOf([...before, ...end.seen], (root, documents) => {
            const state = JSON.stringify(sorted(documents))
            const states = root === 'own' ? allowed : world.states
            expect(states.has(state), `${root} never was ${state}`).to.equal(true)
          })
          expect(sorted(model.all)).to.deep.equal(await world.image('all'))
          expect(sorted(model.own)).to.deep.equal(await world.image(rights))
          expect(end.seen.findLast(({ id }) => id !== undefined)?.id).to.match(
            new RegExp(`^id\\d+:${rights}$`),
          )
        }
        await world.close()
        expect(world.errors).to.deep.equal([])
      }),
      { numRuns: 200 },
    )
  })
})
