import { ParticleError } from '../errors.ts'
import { encode } from '../protocol/encode.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import { PROTOCOL } from '../protocol/messages.ts'
import type { Crossing, Crossings } from './crossing.ts'
import type { Known } from './difference.ts'
import type { Flusher } from './flusher.ts'
import type { Frame, IdLines } from './frame.ts'
import type { Entry, Log } from './log.ts'
import { Outbox } from './outbox.ts'
import { persist } from './pause.ts'
import { type Replaying, replay } from './replay.ts'
import type { Start } from './resume.ts'
import type { Sink } from './sink.ts'
import type { View, Viewer } from './view.ts'

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly log: Log
  readonly flusher: Flusher
  readonly ids: IdLines
  readonly crossings: Crossings
  readonly maxBufferedBytes: number
  /** The text of the present point. */
  point(): string
  /** The connection looks at a view no more. */
  left(view: View): void
  onError(error: unknown, root: string): void
}

/** `waiting`: whether its position holds is being found out; `loading`: the client is on its way to the present; `live`: it is there. */
type RootState = 'waiting' | 'loading' | 'live'

/** One root as this client sees it. */
interface Root {
  view: View
  state: RootState
  /** Counts what was begun for the root: what an earlier one still does is of no effect. */
  turn: number
}

/** One client's stream: it brings each root from a snapshot or a position up to the present, then passes on the frames of its views. */
export class Connection implements Viewer {
  readonly #outbox: Outbox
  readonly #host: ConnectionHost
  readonly #roots = new Map<string, Root>()
  readonly #onClose: () => void
  #unready: number
  #begun = false
  #stalled = false
  /** Waits until the client reads on. */
  #session: ServerEvent | undefined
  #closed = false

  constructor(sink: Sink, views: readonly View[], rights: string, host: ConnectionHost, onClose: () => void) {
    this.#outbox = new Outbox(sink, host.flusher, host.ids, rights)
    this.#host = host
    this.#onClose = onClose
    this.#unready = views.length
    for (const view of views) {
      this.#roots.set(view.root, { view, state: 'waiting', turn: 0 })
      view.viewers.add(this)
    }
  }

  get views(): View[] {
    return [...this.#roots.values()].map(({ view }) => view)
  }

  /** Whether the client holds everything up to the present. */
  get ready(): boolean {
    return this.#begun && this.#unready === 0 && !this.#stalled
  }

  /** Sends the manifest and brings every root up to date. */
  start(start: Start): void {
    if (this.#closed) return
    this.#begun = true
    const { points } = start
    this.send({
      event: 'manifest',
      data: {
        protocol: PROTOCOL,
        timestamp: now(),
        resumed: points !== undefined,
        ...(start.reason === undefined ? {} : { reason: start.reason }),
        sources: Object.fromEntries(this.views.map((view) => [view.root, view.manifest])),
      },
    })
    if (this.#roots.size === 0) this.#readyNow()
    const replayed: Root[] = []
    for (const root of this.#roots.values()) {
      if (points?.has(root.view)) replayed.push(root)
      else this.#load(root, start.presented ? start.why(root.view) : undefined)
    }
    if (points && replayed.length > 0) void this.#replay(replayed, points)
  }

  /** Sends an event of this connection's own. */
  send(event: ServerEvent): void {
    if (!this.#closed && !this.#stalled) this.#outbox.send(event)
    if (event.event === 'session') this.#session = this.#stalled ? event : undefined
  }

  /** Queues bytes for the end of this turn. */
  push(bytes: Buffer): void {
    if (!this.#closed && !this.#stalled) this.#outbox.push(bytes)
  }

  /** Queues an encoded event, with the position of the present where the client holds everything up to it. */
  pushAtPresent(event: Buffer): void {
    if (this.#closed || this.#stalled) return
    if (this.ready) this.#outbox.pushAt(this.#host.point(), event)
    else this.#outbox.push(event)
  }

  deliver(view: View, entry: Entry, frame: Frame): void {
    if (this.#closed || this.#stalled || this.#roots.get(view.root)?.state !== 'live') return
    this.#outbox.pushFrame(entry, frame, this.#unready === 0)
    if (this.#outbox.queue.exceeds(this.#host.maxBufferedBytes)) this.#stall()
  }

  reset(view: View, reason: string): void {
    const root = this.#moving(view)
    if (root) this.#load(root, reason)
  }

  differ(view: View, known: Known, reason: string): void {
    const root = this.#moving(view)
    if (!root) return
    if (root.state === 'live') this.#differ(root, known, reason)
    else this.#load(root, reason)
  }

  failed(view: View): void {
    if (this.#closed || this.#stalled || !this.#begun) return
    const message = `The source of ${view.root} can't be followed at present`
    this.send({ event: 'error', data: { root: view.root, code: 'SOURCE_FAILED', message } })
  }

  /** The client's rights are others now: nothing of a view that it has no more is sent from here on, and each such root becomes what it may see. */
  change(views: readonly View[], rights: string): void {
    if (this.#closed) return
    const changed = views.flatMap((view) => {
      const root = this.#roots.get(view.root)
      return root && root.view !== view ? [{ root, view, old: root.view }] : []
    })
    this.#outbox.rights = rights
    for (const { root, view, old } of changed) {
      const known = root.state === 'live' && !this.#stalled ? old.known() : undefined
      old.viewers.delete(this)
      root.view = view
      view.viewers.add(this)
      if (this.#begun && !this.#stalled) {
        this.#outbox.withdrawId()
        if (known) this.#differ(root, known, 'rights-changed')
        else this.#load(root, 'rights-changed')
      }
      this.#host.left(old)
    }
  }

  /** Ends the stream after a last event. */
  end(event?: ServerEvent): void {
    if (this.#closed) return
    if (event) {
      this.#stalled = false
      this.send(event)
    }
    this.#outbox.queue.end()
    this.close()
  }

  /** The client has gone away, or is to go. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#outbox.queue.close()
    for (const { view } of this.#roots.values()) view.viewers.delete(this)
    this.#onClose()
  }

  /** The root of a view, where what happens to the view is to be told. */
  #moving(view: View): Root | undefined {
    if (this.#closed || this.#stalled || !this.#begun) return undefined
    // What the same entry showed in another root must not tell the client that it holds the entry.
    this.#outbox.withdrawId()
    return this.#roots.get(view.root)
  }

  #readyNow(): void {
    this.pushAtPresent(Buffer.from(encode({ event: 'ready', data: { timestamp: now() } })))
  }

  /** Begins something for a root; what is returned tells whether it is still to be done. */
  #begin(root: Root): () => boolean {
    if (root.state === 'live') this.#unready++
    root.state = 'loading'
    const turn = ++root.turn
    return () => !this.#closed && !this.#stalled && root.turn === turn
  }

  /** Brings one root up to date from a snapshot. */
  #load(root: Root, reason: string | undefined): void {
    const current = this.#begin(root)
    const { view } = root
    if (reason !== undefined) this.send({ event: 'reset', data: { root: view.root, reason }, id: '' })
    void this.#retry(root, current, async () => {
      const snapshot = await view.snapshot()
      if (!current()) return
      for (const part of snapshot.parts) {
        this.push(part)
        await this.#outbox.queue.room()
        if (!current()) return
      }
      await this.#catchUp([root], { points: new Map([[view, snapshot.sequence]]), current, ids: false })
    })
  }

  /** Brings one root from what the client is known to hold to the present. */
  #differ(root: Root, known: Known, reason: string): void {
    this.#outbox.takeBack()
    void this.#cross(root, reason, () => this.#host.crossings.differ(root.view, known))
  }

  /** Brings one root to the present by a difference; by a reset where there is none. */
  async #cross(root: Root, reason: string, make: () => Promise<Crossing | undefined>): Promise<void> {
    const current = this.#begin(root)
    const { view } = root
    await this.#retry(root, current, async () => {
      const crossing = await make()
      if (!current()) return
      if (!crossing) {
        this.#load(root, reason)
        return
      }
      if (crossing.body) this.push(crossing.body)
      await this.#catchUp([root], { points: new Map([[view, crossing.sequence]]), current, ids: false })
    })
  }

  async #retry(root: Root, current: () => boolean, attempt: () => Promise<void>): Promise<void> {
    await persist(attempt, current, (error) => {
      if (error instanceof ParticleError && error.code === 'CLOSED') return
      this.#host.onError(error, root.view.root)
      this.failed(root.view)
    })
  }

  /** Goes on from where the client was in each view. */
  async #replay(roots: readonly Root[], points: ReadonlyMap<View, number>): Promise<void> {
    const begun = roots.map((root) => this.#begin(root))
    const current = () => begun.every((each) => each())
    const pointOf = (root: Root) => points.get(root.view) ?? -1
    try {
      await Promise.all(
        roots.map(async ({ view }) => {
          await view.open()
          // A source that was just opened may have more to tell than what is in the log.
          await view.feed.present()
        }),
      )
    } catch (error) {
      this.#restart(roots, begun, error)
      return
    }
    if (!current()) return this.#restart(roots, begun)
    const lost = roots.filter((root) => !root.view.reaches(pointOf(root)))
    const told = roots.filter((root) => !lost.includes(root) && root.view.resumes(pointOf(root)))
    const recalled = roots.filter((root) => !lost.includes(root) && !told.includes(root))
    // Where roots go on from different points, or one by a difference, no position says what the client holds on the way. A reset takes it back by itself.
    const together = told.length === this.#roots.size && new Set(told.map(pointOf)).size === 1
    if (!together && lost.length === 0 && roots.length === this.#roots.size) this.#outbox.takeBack()
    for (const root of lost) this.#load(root, 'history-lost')
    for (const root of recalled)
      void this.#cross(root, 'history-lost', () => this.#host.crossings.recall(root.view, pointOf(root)))
    const still = told.map((root) => begun[roots.indexOf(root)])
    const going = () => still.every((each) => each?.())
    if (told.length === 0) return
    const through = await this.#catchUp(told, { points, current: going, ids: together })
    if (!through) this.#restart(roots, begun)
  }

  /** What was being replayed begins anew, save for the roots for which something else has begun. */
  #restart(roots: readonly Root[], begun: readonly (() => boolean)[], error?: unknown): void {
    roots.forEach((root, index) => {
      if (!begun[index]?.()) return
      if (error !== undefined) this.#host.onError(error, root.view.root)
      this.#load(root, 'history-lost')
    })
  }

  /** Replays what the log has for the roots after their points, and makes them live. False when something else began meanwhile. */
  async #catchUp(roots: readonly Root[], replaying: Replaying): Promise<boolean> {
    const { points, current } = replaying
    const own = new Map(roots.map(({ view }) => [view, points.get(view) ?? -1]))
    const arrived = () => {
      for (const root of roots) root.state = 'live'
      this.#unready -= roots.length
      if (this.#unready === 0) this.#readyNow()
    }
    const result = await replay(this.#host.log, this.#outbox, { ...replaying, points: own }, arrived)
    if (result === 'barred' && current()) for (const root of roots) this.#load(root, 'history-lost')
    return result !== 'overtaken'
  }

  /** The client is too slow: its queue goes, and it is reset from fresh snapshots once it has read what the socket holds. */
  #stall(): void {
    this.#stalled = true
    this.#outbox.queue.drop(() => {
      this.#stalled = false
      if (this.#session) this.send(this.#session)
      for (const root of this.#roots.values()) this.#load(root, 'slow-client')
    })
  }
}

function now(): string {
  return new Date().toISOString()
}
