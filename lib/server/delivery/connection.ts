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
import { type ConnectionHost, type Root, rootOf } from './connection-host.ts'
import { failureEvent } from './limit-events.ts'
import { Outbox } from './outbox.ts'
import { type Replaying, type ResumeStrategy, replay, strategyOf } from './replay.ts'
import { manifestOf, type ResumePlan } from './resume.ts'
import type { Sink } from './sink.ts'
import { BEHIND_BYTES, type WriteQueue } from './write-queue.ts'

/** One client's stream: it brings each root from a snapshot or a position up to the present, then passes on the frames of its views. */
export class Connection implements Viewer, Receiver, Member {
  readonly #outbox: Outbox
  readonly #host: ConnectionHost
  readonly #roots: Root[] = []
  readonly #onClose: () => void
  #unready: number
  #begun = false
  #stalled = false
  /** Waits until the client reads on. */
  #session: ServerEvent | undefined
  #closed = false
  readonly #membership: GroupMembership

  constructor(sink: Sink, views: readonly View[], rights: string, host: ConnectionHost, onClose: () => void) {
    this.#outbox = new Outbox(sink, host.flusher, host.ids, rights)
    this.#outbox.queue.limit(host.maxBufferedBytes, () => this.#stall())
    this.#host = host
    this.#membership = new GroupMembership(this, host.groups)
    this.#onClose = onClose
    this.#unready = views.length
    for (const view of views) {
      this.#roots.push({ view, state: 'waiting', turn: 0 })
      view.viewers.add(this)
      view.receivers.add(this)
    }
  }

  get rights(): string {
    return this.#outbox.rights
  }

  get views(): View[] {
    return this.#roots.map(({ view }) => view)
  }

  /** Whether the client holds everything up to the present. */
  get ready(): boolean {
    return this.#begun && this.#unready === 0 && !this.#stalled
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

  /** Sends the manifest and brings every root up to date. */
  start(start: ResumePlan): void {
    if (this.#closed) return
    this.#begun = true
    const { points } = start
    this.send(manifestOf(this.views, start))
    if (this.#roots.length === 0) this.#readyNow()
    const replayed: Root[] = []
    for (const root of this.#roots) {
      if (points?.has(root.view)) replayed.push(root)
      else this.#load(root, start.presented ? start.reasonFor(root.view) : undefined)
    }
    if (points && replayed.length > 0) void this.#replay(replayed, points)
  }

  /** Sends an event of this connection's own. */
  send(event: ServerEvent): void {
    if (!this.#closed && !this.#stalled) this.#own.send(event)
    if (event.event === 'session') this.#session = this.#stalled ? event : undefined
  }

  /** Queues bytes for the end of this turn. */
  push(bytes: Buffer): void {
    if (!this.#closed && !this.#stalled) this.#own.push(bytes)
  }

  /** Queues an encoded event, with the position of the present where the client holds everything up to it. */
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

  /** The client's rights are others now: nothing of a view that it has no more is sent from here on, and each such root becomes what it may see. */
  change(views: readonly View[], rights: string): void {
    if (this.#closed) return
    const changed = views.flatMap((view) => {
      const root = rootOf(this.#roots, view)
      return root && root.view !== view ? [{ root, view, old: root.view }] : []
    })
    this.#own.rights = rights
    for (const { root, view, old } of changed) {
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
  end(event?: ServerEvent): void {
    if (this.#closed) return
    if (event) {
      this.#stalled = false
      this.send(event)
    }
    this.#own.queue.end()
    this.close()
  }

  /** The client has gone away, or is to go. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#membership.leave()
    this.#outbox.queue.close()
    for (const { viewers, receivers } of this.views)
      for (const each of [viewers, receivers]) each.delete(this)
    this.#onClose()
  }

  /** What is said to this client alone: it leaves its group for that. */
  get #own(): Outbox {
    const left = this.#membership.leave()
    if (left) this.#outbox.follow(left.outbox)
    return this.#outbox
  }

  /** The root of a view, where what happens to the view is to be told. */
  #moving(view: View): Root | undefined {
    if (this.#closed || this.#stalled || !this.#begun) return undefined
    // What the same entry showed in another root must not tell the client that it holds the entry.
    this.#own.retractId()
    return rootOf(this.#roots, view)
  }

  #readyNow(): void {
    this.pushAtPresent(Buffer.from(encode({ event: 'ready', data: { timestamp: now() } })))
    this.#host.groups.join(this)
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
      const sequence = await this.#host.readings.send(view, current, (part) => {
        this.push(part)
        return this.#outbox.queue.room()
      })
      if (sequence === undefined) return
      await this.#catchUp([root], { points: new Map([[view, sequence]]), current, ids: false })
    })
  }

  /** Brings one root from what the client is known to hold to the present. */
  #differ(root: Root, known: ViewDigest, reason: string): void {
    this.#own.invalidatePosition()
    void this.#cross(root, reason, () => this.#host.catchUps.fromKnown(root.view, known))
  }

  /** Brings one root to the present by a difference; by a reset where there is none. */
  async #cross(root: Root, reason: string, make: () => Promise<CatchUp | undefined>): Promise<void> {
    const current = this.#begin(root)
    const { view } = root
    await this.#retry(root, current, async () => {
      const catchUp = await make()
      if (!current()) return
      // Those who get the same payload share its bytes; each may need a difference of its own.
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
    const rootsBy = (strategy: ResumeStrategy) =>
      roots.filter((root) => strategyOf(root.view, pointOf(root)) === strategy)
    const [reset, replayed, diffed] = [rootsBy('reset'), rootsBy('replay'), rootsBy('diff')]
    // Where roots go on from different points, or one by a difference, no position says what the client holds on the way. A reset takes it back by itself.
    const together = replayed.length === this.#roots.length && new Set(replayed.map(pointOf)).size === 1
    if (!together && reset.length === 0 && roots.length === this.#roots.length) this.#own.invalidatePosition()
    for (const root of reset) this.#load(root, 'history-lost')
    for (const root of diffed)
      void this.#cross(root, 'history-lost', () => this.#host.catchUps.fromSequence(root.view, pointOf(root)))
    const still = replayed.map((root) => begun[roots.indexOf(root)])
    const going = () => still.every((each) => each?.())
    if (replayed.length === 0) return
    const through = await this.#catchUp(replayed, { points, current: going, ids: together })
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
    this.#membership.leave()
    this.#outbox.queue.drop(() => {
      this.#stalled = false
      if (this.#session) this.send(this.#session)
      for (const root of this.#roots) this.#load(root, 'slow-client')
    })
  }
}

function now(): string {
  return new Date().toISOString()
}
