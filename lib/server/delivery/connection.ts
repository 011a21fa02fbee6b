import { encode } from '../../protocol/encode.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { Frame } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { ViewDigest } from '../view/difference.ts'
import type { View } from '../view/view.ts'
import type { Receiver, Viewer } from '../view/view-spec.ts'
import type { BroadcastGroup, Member } from './broadcast-group.ts'
import type { ConnectionHost } from './connection-host.ts'
import { failureEvent } from './limit-events.ts'
import { isGrouped, isOpen } from './moments.ts'
import { Outbox } from './outbox.ts'
import { manifestOf, type ResumePlan } from './resume.ts'
import { changesTo, dataOf, type Root, setChanges } from './root.ts'
import { type LoadingClient, Roots } from './roots.ts'
import type { Sink } from './sink.ts'
import { closeReasonOf, type StreamTrace } from './stream-trace.ts'
import type { WriteQueue } from './write-queue.ts'

/**
 * Serves one client's stream. `Roots` brings each root to the present. The client is `ready` when all roots
 * are live, and joins a broadcast group. A slow client loses its queue, and gets all roots again.
 */
export class Connection implements Viewer, Receiver, Member, LoadingClient {
  readonly #outbox: Outbox
  readonly #host: ConnectionHost
  readonly #roots: Roots
  readonly #trace: StreamTrace
  /** The digest of the views that the client has from the next `ready` on. */
  #rights: string
  #begun = false
  #stalled = false
  /** Whether data is held back: see {@link Connection.hold}. */
  #held = false
  /** The events of a slow client that are sent after the client has caught up: the last of each name. */
  #kept: Map<string, ServerEvent> | undefined
  #closed = false
  group: BroadcastGroup | undefined
  /** Resolves when the rights are known that the views show; undefined if they depend on no documents. */
  rightsKnown: (() => Promise<void>) | undefined

  constructor(sink: Sink, views: readonly View[], rights: string, host: ConnectionHost, trace: StreamTrace) {
    this.#outbox = new Outbox(sink, host.flusher, host.ids, rights)
    this.#outbox.queue.limit(host.maxBufferedBytes, this)
    this.#host = host
    this.#rights = rights
    this.#trace = trace
    this.#roots = new Roots(this, host, trace)
    for (const view of views) this.#show(this.#roots.add(view, false))
  }

  get rights(): string {
    return this.#outbox.rights
  }

  get views(): View[] {
    return this.#roots.list.map(({ view }) => view)
  }

  /** Whether the client has all data up to the present. */
  get ready(): boolean {
    return this.#begun && this.#roots.areLive && !this.#stalled && !this.#held
  }

  has(view: View): boolean {
    return this.ready || (this.isActive && this.#roots.of(view)?.state === 'live')
  }

  /** The figures of the connection, for the inspector. */
  get figures() {
    const state: 'ready' | 'loading' | 'slow' = this.#stalled ? 'slow' : this.ready ? 'ready' : 'loading'
    const roots = this.views.map(({ root }) => root)
    return { ...this.#trace.figures, roots, state, buffered: this.buffered }
  }

  /** The number of the stream in this process. */
  get number(): number {
    return this.#trace.number
  }

  /** The unsent bytes of the client. */
  get buffered(): number {
    return this.#outbox.queue.buffered
  }

  /** Calls a listener with all bytes that the client gets. Returns a function that ends it. */
  tap(listener: (bytes: Buffer) => void): () => void {
    return this.#outbox.queue.tap(listener)
  }

  get canJoin(): boolean {
    return this.ready && !this.#closed && !this.group
  }

  get queue(): WriteQueue {
    return this.#outbox.queue
  }

  /** Sends the manifest, and brings every root up to date. */
  start(start: ResumePlan): void {
    if (this.#closed) return
    this.#begun = true
    this.#outbox.rights = start.rights ?? this.#rights
    this.#trace.resume(start)
    this.send(manifestOf(this.views, start))
    // Keeps the manifest, which waits for the first data, also for a client that falls behind by then.
    this.queue.keep()
    if (this.#roots.list.length === 0) this.readyNow()
    this.#roots.start(start)
  }

  /** Sends an event to this client only. */
  send(event: ServerEvent): void {
    if (!this.#closed && !this.#stalled) {
      this.#trace.sent(event)
      // Moves the client past the change of its rights: its last position may be from before that change.
      if (event.event === 'session') this.pushAtPresent(Buffer.from(encode(event)))
      else this.own.send(event)
      // A client can cause any number of these by its requests, and read none.
      if (event.event === 'watching' || event.event === 'error') this.queue.check()
    }
    // Keeps the list of watched roots, which may be in the queue that a slow client loses.
    if (event.event === 'watching' || (event.event === 'session' && this.#stalled))
      this.#kept = new Map(this.#kept).set(event.event, event)
    else if (event.event === 'session') this.#kept?.delete('session')
  }

  /** Queues bytes until the end of this turn. */
  push(bytes: Buffer): void {
    if (!this.#closed && !this.#stalled) this.own.push(bytes)
  }

  /** Queues an encoded event, with the present position if the client is `ready`. */
  pushAtPresent(event: Buffer): void {
    if (this.#closed || this.#stalled) return
    if (this.ready) this.own.pushAt(this.#host.point(), event)
    else this.own.push(event)
  }

  deliver(view: View, entry: Entry, frame: Frame): void {
    if (!this.isActive || this.#roots.of(view)?.state !== 'live') return
    if (this.#roots.areLive) this.#outbox.joinFrame(entry, frame)
    else this.#outbox.pushFrame(entry, frame, this.#roots.areKnown, isOpen(this.#roots.list, view))
    this.queue.check()
  }

  reset(view: View, reason: string): void {
    const root = this.#moving(view)
    if (root) this.#roots.load(root, reason)
  }

  differ(view: View, known: ViewDigest, reason: string): void {
    const root = this.#moving(view)
    if (!root) return
    this.#roots.differ(root, root.state === 'live' ? known : root.known, reason)
  }

  failed(view: View, error?: unknown): void {
    const root = this.#closed || this.#stalled || !this.#begun ? undefined : this.#roots.of(view)
    const event = root && failureEvent(root, error)
    if (event) this.send(event)
  }

  /**
   * Replaces the client's views. Sends no more of a removed view, loads each changed root as new rights, and
   * each root that the client did not have.
   */
  change(views: readonly View[], rights: string): void {
    if (this.#closed) return
    this.#rights = rights
    const endsSome = this.isActive && this.views.some((view) => !views.includes(view))
    for (const { root, view, old } of changesTo(this.#roots.list, views)) {
      const known = this.isActive ? dataOf(root) : undefined
      this.#hide(root)
      root.view = view
      this.#show(root)
      if (this.#begun && this.isActive) {
        this.own.retractId()
        this.#roots.differ(root, known, 'rights-changed')
      }
      this.#host.left(old)
    }
    const { removed, added } = setChanges(this.#roots.list, views)
    if (removed.length + added.length > 0) this.#changeSet(removed, added)
    else if (this.#roots.joining === 0) this.own.rights = rights
    // Writes what waits now: nothing of a view that has ended may follow the decision.
    if (endsSome) this.own.queue.flush()
  }

  #changeSet(removed: readonly Root[], added: readonly View[]): void {
    // Leaves the broadcast group first, which serves the earlier views.
    this.#leaveGroup()
    for (const root of removed) {
      this.#roots.remove(root)
      this.#hide(root)
      this.#host.left(root.view, true)
    }
    const roots = added.map((view) => this.#roots.add(view, true))
    for (const root of roots) this.#show(root)
    if (!this.#begun || !this.isActive) return
    this.#roots.endMoments(removed)
    for (const root of roots) this.#roots.join(root)
    if (removed.length > 0 && this.#roots.areLive) this.readyNow()
  }

  #show({ view }: Root): void {
    for (const each of [view.viewers, view.receivers]) each.add(this)
  }

  #hide({ view }: Root): void {
    for (const each of [view.viewers, view.receivers]) each.delete(this)
  }

  /** Ends the stream after a last event. */
  end(event?: ServerEvent, reason = closeReasonOf(event)): void {
    if (this.#closed) return
    if (event) {
      this.#stalled = false
      this.send(event)
    }
    this.own.queue.end()
    this.close(reason)
  }

  /** Closes the connection after the client has gone, or to disconnect the client. */
  close(reason = 'connection-closed'): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.groups.leave(this)
    this.#outbox.queue.close()
    for (const root of this.#roots.list) this.#hide(root)
    this.#trace.close(reason)
  }

  /** Whether the client can get data. */
  get isActive(): boolean {
    return !this.#closed && !this.#stalled && !this.#held
  }

  /**
   * Holds all data back until {@link Connection.release}, since the client's rights may have ended. Other
   * events still go to the client. Call it while no changes are being delivered, as from a timer.
   */
  hold(): void {
    if (this.#closed || this.#held) return
    this.#leaveGroup()
    this.#held = true
    if (!this.#stalled) for (const root of this.#roots.list) this.#roots.stop(root)
  }

  /**
   * Stops the changes of roots whose rights must be read again. {@link LoadingClient.rightsKnown} then lets
   * the roots continue with a difference to the present.
   *
   * @param isMeant checks whether the rights to a root are in doubt
   */
  doubt(isMeant: (root: string) => boolean): void {
    if (this.#closed || !this.#begun) return
    for (const root of this.#roots.list) {
      if (!isMeant(root.view.root) || !this.isActive) continue
      this.own.retractId()
      this.#roots.differ(root, dataOf(root), root.state === 'live' ? 'rights-changed' : undefined)
    }
  }

  /**
   * Brings the roots from their data at {@link Connection.hold} to the present. Replays no changes in
   * between, since the client may have lacked the rights to them.
   */
  release(): void {
    if (!this.#held) return
    this.#held = false
    if (this.#closed || this.#stalled || !this.#begun) return
    if (this.#roots.list.length === 0) this.readyNow()
    for (const root of this.#roots.list) this.#roots.differ(root, root.known, 'rights-changed')
  }

  get outbox(): Outbox {
    return this.#outbox
  }

  /** Returns the client's own outbox. Leaves the broadcast group first, whose outbox serves all members. */
  get own(): Outbox {
    this.#leaveGroup()
    return this.#outbox
  }

  #leaveGroup(): void {
    const left = this.#host.groups.leave(this)
    if (left) this.#outbox.follow(left.outbox)
  }

  /** Returns the root of a changed view, or undefined when the connection can't send now. */
  #moving(view: View): Root | undefined {
    if (!this.isActive || !this.#begun) return undefined
    // Takes the entry's id back, since its frames in other roots must not mark the whole entry as received.
    this.own.interrupt(isGrouped(this.#roots.list, view) ? view.feed : undefined)
    return this.#roots.of(view)
  }

  /** Reports that all roots are live. */
  readyNow(): void {
    this.own.rights = this.#rights
    this.#trace.ready()
    this.pushAtPresent(Buffer.from(encode({ event: 'ready', data: { timestamp: new Date().toISOString() } })))
    this.#host.groups.join(this)
  }

  /** Drops the queue of a slow client. Loads all roots again after the client has read the socket's bytes. */
  stall(): void {
    this.#stalled = true
    this.#trace.slow(this.#outbox.queue.buffered)
    this.#host.groups.leave(this)
    for (const root of this.#roots.list) root.known = undefined
    this.#outbox.queue.drop(() => {
      this.#stalled = false
      for (const event of [...(this.#kept?.values() ?? [])]) this.send(event)
      if (this.#held) return
      for (const root of this.#roots.list) this.#roots.load(root, 'slow-client')
      if (this.#roots.list.length === 0) this.readyNow()
    })
  }
}
