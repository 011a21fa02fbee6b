import { ParticleError } from '../../errors.ts'
import { encode } from '../../protocol/encode.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { Frame } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import { retryUntil } from '../support/scheduling.ts'
import type { CatchUp } from '../view/catch-up.ts'
import type { ViewDigest } from '../view/difference.ts'
import type { View } from '../view/view.ts'
import type { Receiver, Viewer } from '../view/view-spec.ts'
import { type BroadcastGroup, GroupMembership, type Member } from './broadcast-group.ts'
import { type ConnectionHost, changesTo, type Root, rootOf } from './connection-host.ts'
import { failureEvent } from './limit-events.ts'
import { Outbox } from './outbox.ts'
import { byStrategy, type ReplayRequest, replay } from './replay.ts'
import { manifestOf, type ResumePlan } from './resume.ts'
import type { Sink } from './sink.ts'
import { closeReasonOf, type StreamTrace } from './stream-trace.ts'
import { BEHIND_BYTES, type WriteQueue } from './write-queue.ts'

/**
 * Serves one client's stream. Each root goes through these states:
 *
 *    waiting --start--> loading (#load, #cross, #replay) --#catchUp--> live (deliver passes frames on)
 *                          ^-------- reset, differ, change, slow client --------'
 *
 * `#load` sends a snapshot, `#cross` a catch-up delta, `#replay` the log's entries. `#catchUp` replays the
 * rest of the log, and makes the root live in the same step. `#begin` counts the root's generation, so that
 * older work stops. The client is `ready` when all roots are live, and joins a broadcast group.
 */
export class Connection implements Viewer, Receiver, Member {
  readonly #outbox: Outbox
  readonly #host: ConnectionHost
  readonly #roots: Root[] = []
  readonly #trace: StreamTrace
  #unready: number
  #begun = false
  #stalled = false
  /** The last session event of a slow client, which is sent after the client has caught up. */
  #session: ServerEvent | undefined
  #closed = false
  readonly #membership: GroupMembership

  constructor(sink: Sink, views: readonly View[], rights: string, host: ConnectionHost, trace: StreamTrace) {
    this.#outbox = new Outbox(sink, host.flusher, host.ids, rights)
    this.#outbox.queue.limit(host.maxBufferedBytes, () => this.#stall())
    this.#host = host
    this.#trace = trace
    this.#membership = new GroupMembership(this, host.groups)
    this.#unready = views.length
    for (const view of views) {
      this.#roots.push({ view, state: 'waiting', generation: 0 })
      for (const each of [view.viewers, view.receivers]) each.add(this)
    }
  }

  get rights(): string {
    return this.#outbox.rights
  }

  get views(): View[] {
    return this.#roots.map(({ view }) => view)
  }

  /** Whether the client has all data up to the present. */
  get ready(): boolean {
    return this.#begun && this.#unready === 0 && !this.#stalled
  }

  has(view: View): boolean {
    return this.ready || (!this.#stalled && rootOf(this.#roots, view)?.state === 'live')
  }

  get canJoin(): boolean {
    return this.ready && !this.#closed && !this.#membership.joined
  }

  joined(group: BroadcastGroup): void {
    this.#membership.join(group)
  }

  get queue(): WriteQueue {
    return this.#outbox.queue
  }

  /** Sends the manifest, and brings every root up to date. */
  start(start: ResumePlan): void {
    if (this.#closed) return
    this.#begun = true
    const { points } = start
    this.#trace.resume(start)
    this.send(manifestOf(this.views, start))
    if (this.#roots.length === 0) this.#readyNow()
    const replayed: Root[] = []
    for (const root of this.#roots) {
      if (points?.has(root.view)) replayed.push(root)
      else this.#load(root, start.presented ? start.reasonFor(root.view) : undefined)
    }
    if (points && replayed.length > 0) void this.#replay(replayed, points)
  }

  /** Sends an event to this client only. */
  send(event: ServerEvent): void {
    if (!this.#closed && !this.#stalled) {
      this.#trace.sent(event)
      this.#own.send(event)
    }
    if (event.event === 'session') this.#session = this.#stalled ? event : undefined
  }

  /** Queues bytes until the end of this turn. */
  push(bytes: Buffer): void {
    if (!this.#closed && !this.#stalled) this.#own.push(bytes)
  }

  /** Queues an encoded event, with the present position if the client is `ready`. */
  pushAtPresent(event: Buffer): void {
    if (this.#closed || this.#stalled) return
    if (this.ready) this.#own.pushAt(this.#host.point(), event)
    else this.#own.push(event)
  }

  deliver(view: View, entry: Entry, frame: Frame): void {
    if (this.#closed || this.#stalled || rootOf(this.#roots, view)?.state !== 'live') return
    this.#outbox.pushFrame(entry, frame, this.#unready === 0)
    if (this.#outbox.queue.exceeds(this.#host.maxBufferedBytes)) this.#stall()
  }

  reset(view: View, reason: string): void {
    const root = this.#moving(view)
    if (root) this.#load(root, reason)
  }

  differ(view: View, known: ViewDigest, reason: string): void {
    const root = this.#moving(view)
    if (!root) return
    if (root.state === 'live') this.#differ(root, known, reason)
    else this.#load(root, reason)
  }

  failed(view: View, error?: unknown): void {
    if (this.#closed || this.#stalled || !this.#begun) return
    this.send(failureEvent(view.root, error))
  }

  /** Replaces the client's views. Sends no more of a removed view, and loads each changed root. */
  change(views: readonly View[], rights: string): void {
    if (this.#closed) return
    this.#own.rights = rights
    for (const { root, view, old } of changesTo(this.#roots, views)) {
      const known = root.state === 'live' && !this.#stalled ? old.known() : undefined
      for (const each of [old.viewers, old.receivers]) each.delete(this)
      root.view = view
      for (const each of [view.viewers, view.receivers]) each.add(this)
      if (this.#begun && !this.#stalled) {
        this.#own.retractId()
        if (known) this.#differ(root, known, 'rights-changed')
        else this.#load(root, 'rights-changed')
      }
      this.#host.left(old)
    }
  }

  /** Ends the stream after a last event. */
  end(event?: ServerEvent, reason = closeReasonOf(event)): void {
    if (this.#closed) return
    if (event) {
      this.#stalled = false
      this.send(event)
    }
    this.#own.queue.end()
    this.close(reason)
  }

  /** Closes the connection after the client has gone, or to disconnect the client. */
  close(reason = 'connection-closed'): void {
    if (this.#closed) return
    this.#closed = true
    this.#membership.leave()
    this.#outbox.queue.close()
    for (const { viewers, receivers } of this.views)
      for (const each of [viewers, receivers]) each.delete(this)
    this.#trace.close(reason)
  }

  /** Returns the client's own outbox. Leaves the broadcast group first, whose outbox serves all members. */
  get #own(): Outbox {
    const left = this.#membership.leave()
    if (left) this.#outbox.follow(left.outbox)
    return this.#outbox
  }

  /** Returns the root of a changed view, or undefined when the connection can't send now. */
  #moving(view: View): Root | undefined {
    if (this.#closed || this.#stalled || !this.#begun) return undefined
    // Takes the entry's id back: its frames in other roots must not mark the whole entry as received.
    this.#own.retractId()
    return rootOf(this.#roots, view)
  }

  #readyNow(): void {
    this.#trace.ready()
    const data = { timestamp: new Date().toISOString() }
    this.pushAtPresent(Buffer.from(encode({ event: 'ready', data })))
    this.#host.groups.join(this)
  }

  /** Starts a new load of a root. Returns a function that checks whether the load is current. */
  #begin(root: Root): () => boolean {
    if (root.state === 'live') this.#unready++
    root.state = 'loading'
    const generation = ++root.generation
    return () => !this.#closed && !this.#stalled && root.generation === generation
  }

  /** Brings one root up to date by a snapshot. */
  #load(root: Root, reason: string | undefined): void {
    const current = this.#begin(root)
    const { view } = root
    if (reason !== undefined) this.send({ event: 'reset', data: { root: view.root, reason }, id: '' })
    void this.#retry(root, current, async () => {
      const sequence = await this.#host.readings.send(view, current, (part) => {
        this.push(part)
        return this.#outbox.queue.room()
      })
      if (sequence === undefined) return
      await this.#catchUp([root], { points: new Map([[view, sequence]]), current, ids: false })
    })
  }

  /** Brings one root from the client's known documents to the present. */
  #differ(root: Root, known: ViewDigest, reason: string): void {
    this.#own.invalidatePosition()
    void this.#cross(root, reason, () => this.#host.catchUps.fromKnown(root.view, known))
  }

  /** Brings one root to the present by a catch-up delta. Resets the root when no delta can be computed. */
  async #cross(root: Root, reason: string, make: () => Promise<CatchUp | undefined>): Promise<void> {
    const current = this.#begin(root)
    const { view } = root
    this.#trace.diff(view.root, reason)
    await this.#retry(root, current, async () => {
      const catchUp = await make()
      if (!current()) return
      // Limits the size of a catch-up delta. Clients share the bytes of a payload, but each may need a delta
      // of its own.
      if (!catchUp || (catchUp.body?.length ?? 0) > Math.max(BEHIND_BYTES, this.#host.maxBufferedBytes)) {
        this.#load(root, reason)
        return
      }
      if (catchUp.body) this.push(catchUp.body)
      await this.#catchUp([root], { points: new Map([[view, catchUp.sequence]]), current, ids: false })
    })
  }

  async #retry(root: Root, current: () => boolean, attempt: () => Promise<void>): Promise<void> {
    await retryUntil(attempt, current, (error) => {
      if (error instanceof ParticleError && error.code === 'CLOSED') return
      this.#host.onError(error, root.view.root)
      this.failed(root.view, error)
    })
  }

  /** Resumes each view from the client's point. */
  async #replay(roots: readonly Root[], points: ReadonlyMap<View, number>): Promise<void> {
    const begun = roots.map((root) => this.#begin(root))
    const current = () => begun.every((each) => each())
    const pointOf = (root: Root) => points.get(root.view) ?? -1
    try {
      await Promise.all(
        roots.map(async ({ view }) => {
          await view.open()
          // Waits for a newly opened source to report the changes that the log lacks.
          await view.feed.present()
        }),
      )
    } catch (error) {
      return this.#restart(roots, begun, error)
    }
    if (!current()) return this.#restart(roots, begun)
    const { reset, replay: replayed, diff: diffed } = byStrategy(roots, pointOf)
    // Invalidates the position if none describes the client's data meanwhile. A reset does so by itself.
    const together = replayed.length === this.#roots.length && new Set(replayed.map(pointOf)).size === 1
    if (!together && reset.length === 0 && roots.length === this.#roots.length) this.#own.invalidatePosition()
    for (const root of reset) this.#load(root, 'history-lost')
    for (const root of diffed)
      void this.#cross(root, 'history-lost', () => this.#host.catchUps.fromSequence(root.view, pointOf(root)))
    const going = () => replayed.every((root) => begun[roots.indexOf(root)]?.())
    if (replayed.length === 0) return
    const through = await this.#catchUp(replayed, { points, current: going, ids: together })
    if (!through) this.#restart(roots, begun)
  }

  /** Restarts the replay with a full load, except for roots that have started another load. */
  #restart(roots: readonly Root[], begun: readonly (() => boolean)[], error?: unknown): void {
    roots.forEach((root, index) => {
      if (!begun[index]?.()) return
      if (error !== undefined) this.#host.onError(error, root.view.root)
      this.#load(root, 'history-lost')
    })
  }

  /** Replays the log after the roots' points, and makes the roots live. Returns false after a newer load. */
  async #catchUp(roots: readonly Root[], replaying: ReplayRequest): Promise<boolean> {
    const { points, current } = replaying
    const own = new Map(roots.map(({ view }) => [view, points.get(view) ?? -1]))
    const arrived = () => {
      for (const root of roots) root.state = 'live'
      this.#unready -= roots.length
      if (this.#unready === 0) this.#readyNow()
    }
    const result = await replay(this.#host.log, this.#outbox, { ...replaying, points: own }, arrived)
    if (result === 'must-reload' && current()) for (const root of roots) this.#load(root, 'history-lost')
    return result !== 'cancelled'
  }

  /** Drops the queue of a slow client. Loads all roots again after the client has read the socket's bytes. */
  #stall(): void {
    this.#stalled = true
    this.#trace.slow(this.#outbox.queue.buffered)
    this.#membership.leave()
    this.#outbox.queue.drop(() => {
      this.#stalled = false
      if (this.#session) this.send(this.#session)
      for (const root of this.#roots) this.#load(root, 'slow-client')
    })
  }
}
