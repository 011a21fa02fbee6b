import { ParticleError } from '../../errors.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import { withMore } from '../feed/frame.ts'
import { retryUntil, withTimeout } from '../support/scheduling.ts'
import type { CatchUp } from '../view/catch-up.ts'
import type { ViewDigest } from '../view/difference.ts'
import type { View } from '../view/view.ts'
import type { ConnectionHost } from './connection-host.ts'
import { isOpen, momentEnds } from './moments.ts'
import type { Outbox } from './outbox.ts'
import { byStrategy, type ReplayRequest, replay } from './replay.ts'
import type { ResumePlan } from './resume.ts'
import { dataOf, type Root, rootOf } from './root.ts'
import type { StreamTrace } from './stream-trace.ts'
import { BEHIND_BYTES } from './write-queue.ts'

/** Describes a client, as far as its roots are loaded for it. */
export interface LoadingClient {
  /** Whether the client can get events. */
  readonly isActive: boolean
  /** Resolves when the rights are known, after a loss of the documents that they depend on. */
  readonly rightsKnown: (() => Promise<void>) | undefined
  readonly outbox: Outbox
  /** The outbox of this client only. Leaves the broadcast group. */
  readonly own: Outbox
  push(bytes: Buffer): void
  send(event: ServerEvent): void
  failed(view: View, error: unknown): void
  /** Reports that all roots are live. */
  readyNow(): void
}

/** Limits the wait for the sources of the other roots once one is open, in milliseconds. */
const OPENING_MS = 2000

/**
 * Brings the roots of one client to the present. `load` sends a snapshot of a root, `#cross` a catch-up
 * delta, `#replay` the log's entries. `#catchUp` replays the rest of the log, and makes the roots live in the
 * same step. `#begin` counts the root's generation, so that older work stops.
 */
export class Roots {
  list: readonly Root[] = []
  /** The number of joining roots. Positions of the earlier roots stay valid meanwhile. */
  joining = 0
  #unready = 0
  /** The turns of the roots that send parts of their snapshots. */
  #turns: Promise<void> | undefined
  readonly #client: LoadingClient
  readonly #host: ConnectionHost
  readonly #trace: StreamTrace

  constructor(client: LoadingClient, host: ConnectionHost, trace: StreamTrace) {
    this.#client = client
    this.#host = host
    this.#trace = trace
  }

  /** Whether the client has all data up to the present. */
  get areLive(): boolean {
    return this.#unready === 0
  }

  /** Whether the client has all data of the roots that its last position is for. */
  get areKnown(): boolean {
    return this.#unready === this.joining
  }

  of(view: View): Root | undefined {
    return rootOf(this.list, view)
  }

  add(view: View, apart: boolean): Root {
    // Has the fields that each load sets. V8 would keep later ones in a list of their own.
    const root: Root = { view, state: 'waiting', apart, generation: 0, known: undefined, failure: undefined }
    // Copies the list to its length. A list that grew has room for 17, for the life of the client.
    this.list = this.list.concat(root)
    this.#unready++
    return root
  }

  remove(root: Root): void {
    this.list = this.list.filter((each) => each !== root)
    if (root.state !== 'live') this.#unready--
    this.#joined(root)
    root.generation++
    root.isGone = true
  }

  /** Starts all roots: from the client's points, or by a load. */
  start({ points, isNew, presented, reasonFor }: ResumePlan): void {
    const replayed: Root[] = []
    for (const root of this.list) {
      // A client that comes back may show earlier data of the root beside the others.
      root.apart = false
      if (points && isNew?.(root.view)) this.#join(root)
      if (points?.has(root.view)) replayed.push(root)
      else this.load(root, presented ? reasonFor(root.view) : undefined)
    }
    if (points && replayed.length > 0) void this.#replay(replayed, points)
  }

  /** Loads a root that the client did not have. The other roots keep their positions meanwhile. */
  join(root: Root): void {
    this.#join(root)
    this.load(root, undefined)
  }

  /** Ends the moments of the roots' adapters, where they can end now. */
  endMoments(roots: readonly Root[]): void {
    for (const end of momentEnds(this.list, roots)) this.#client.push(end)
  }

  #join(root: Root): void {
    root.joining = true
    root.apart = true
    this.joining++
  }

  #joined(root: Root): void {
    if (!root.joining) return
    this.joining--
    root.joining = false
  }

  /**
   * Starts a new load of a root. Returns a function that checks whether the load is current.
   *
   * @param known the client's data, if the load starts from it
   */
  #begin(root: Root, known?: ViewDigest): () => boolean {
    if (root.state === 'live') this.#unready++
    root.state = 'loading'
    root.known = known
    const generation = ++root.generation
    return () => this.#client.isActive && root.generation === generation
  }

  /** Stops a root, and keeps the client's data for a later {@link Roots.differ}. */
  stop(root: Root): void {
    this.#begin(root, dataOf(root))
  }

  /** Brings one root up to date by a snapshot. */
  load(root: Root, reason: string | undefined): void {
    const current = this.#begin(root)
    const { view } = root
    // Holds the other roots up again: a slow client may have lost the error of an earlier failure.
    root.apart = root.joining === true
    if (reason !== undefined) {
      root.failure = undefined
      this.#client.send({ event: 'reset', data: { root: view.root, reason }, id: '' })
    }
    void this.#retry(root, current, async () => {
      const part = this.#host.readings.atHand(view)
      if (part && !this.#client.outbox.queue.behind) {
        root.apart = root.joining === true
        this.#client.push(part)
        this.#arrive([root])
        return
      }
      const sequence = await this.#host.readings.send(view, current, async (part) => {
        await this.#turn()
        if (!current()) return
        root.apart = root.joining === true
        this.#client.push(part)
        const { queue } = this.#client.outbox
        if (queue.behind) await queue.room()
      })
      // Checks once more: another load may have begun in the same step that ended this one.
      if (sequence === undefined || !current()) return
      await this.#catchUp([root], { points: new Map([[view, sequence]]), current, ids: false })
    })
  }

  /**
   * Waits while the reader is behind, and lets one root after the other continue. The roots together would
   * otherwise fill the queue of a slow reader.
   */
  #turn(): Promise<void> | undefined {
    const { queue } = this.#client.outbox
    if (!this.#turns && !queue.behind) return undefined
    const before = this.#turns ?? Promise.resolve()
    const turns = before.then(() => (queue.behind ? queue.room() : undefined))
    this.#turns = turns
    return turns
  }

  /** Brings one root from the client's known documents to the present. Loads it if they are not known. */
  differ(root: Root, known: ViewDigest | undefined, reason: string | undefined): void {
    if (!known) {
      this.load(root, reason)
      return
    }
    this.#client.own.invalidatePosition()
    void this.#cross(root, reason, () => this.#host.catchUps.fromKnown(root.view, known), known)
  }

  /** Brings one root to the present by a catch-up delta. Resets the root when no delta can be computed. */
  async #cross(
    root: Root,
    reason: string | undefined,
    make: () => Promise<CatchUp | undefined>,
    known?: ViewDigest,
  ): Promise<void> {
    const current = this.#begin(root, known)
    const { view } = root
    if (reason !== undefined) this.#trace.diff(view.root, reason)
    await this.#retry(root, current, async () => {
      const catchUp = await make()
      if (!current()) return
      // Limits the size of a catch-up delta. Clients share the bytes of a payload, but each may need a delta
      // of its own.
      if (!catchUp || (catchUp.body?.length ?? 0) > Math.max(BEHIND_BYTES, this.#host.maxBufferedBytes)) {
        this.load(root, reason)
        return
      }
      root.apart = false
      root.known = undefined
      if (catchUp.body) this.#client.push(isOpen(this.list, view) ? withMore(catchUp.body) : catchUp.body)
      await this.#catchUp([root], { points: new Map([[view, catchUp.sequence]]), current, ids: false })
    })
  }

  async #retry(root: Root, current: () => boolean, attempt: () => Promise<void>): Promise<void> {
    const attemptByRights = async () => {
      await this.#client.rightsKnown?.()
      if (current()) await attempt()
    }
    await retryUntil(attemptByRights, current, (error) => {
      if (error instanceof ParticleError && error.code === 'CLOSED') return
      this.#host.onError(error, root.view.root)
      this.#client.failed(root.view, error)
      root.apart = true
      this.endMoments([root])
    })
  }

  /** Resumes each view from the client's point. */
  async #replay(roots: readonly Root[], points: ReadonlyMap<View, number>): Promise<void> {
    const begun = roots.map((root) => this.#begin(root))
    const current = () => begun.every((each, index) => each() || roots[index]?.isGone)
    const pointOf = (root: Root) => points.get(root.view) ?? -1
    const opened = new Set<Root>()
    const open = async (root: Root, index: number) => {
      try {
        await root.view.open()
        // Waits for a newly opened source to report the changes that the log lacks.
        await root.view.feed.present()
      } catch (error) {
        this.#restart([root], begun.slice(index, index + 1), error)
      }
      opened.add(root)
    }
    try {
      const opening = roots.map(open)
      await Promise.race(opening)
      if (opened.size < roots.length) await withTimeout(Promise.all(opening), OPENING_MS)
      // Leaves the roots to a replay of their own whose sources do not open: a source may be down for long.
      const late = roots.filter((root, index) => !opened.has(root) && begun[index]?.())
      if (late.length > 0) void this.#replay(late, points)
      await this.#client.rightsKnown?.()
    } catch (error) {
      return this.#restart(roots, begun, error)
    }
    if (!current()) {
      // Goes on with the other roots: a source that fails, or lost its history, says nothing of theirs.
      const left = roots.filter((root, index) => !root.isGone && begun[index]?.())
      if (left.length === 0) return
      this.#client.own.invalidatePosition()
      return this.#replay(left, points)
    }
    const { reset, replay: replayed, diff: diffed } = byStrategy(roots, pointOf)
    // Invalidates the position if none describes the client's data meanwhile. A reset does so by itself.
    const count = this.list.length - this.joining
    const together = replayed.length === count && new Set(replayed.map(pointOf)).size === 1
    if (!together && reset.length === 0 && roots.length === count) this.#client.own.invalidatePosition()
    for (const root of reset) this.load(root, 'history-lost')
    for (const root of diffed)
      void this.#cross(root, 'history-lost', () => this.#host.catchUps.fromSequence(root.view, pointOf(root)))
    const going = () => replayed.every((root) => root.isGone || begun[roots.indexOf(root)]?.())
    if (replayed.length === 0) return
    const own = new Map(replayed.map((root) => [root.view, pointOf(root)]))
    const through = await this.#catchUp(replayed, { points: own, current: going, ids: together })
    if (!through) this.#restart(roots, begun)
  }

  /** Restarts the replay with a full load, except for roots that have started another load. */
  #restart(roots: readonly Root[], begun: readonly (() => boolean)[], error?: unknown): void {
    roots.forEach((root, index) => {
      if (!begun[index]?.()) return
      if (error !== undefined) this.#host.onError(error, root.view.root)
      this.load(root, 'history-lost')
    })
  }

  /** Makes roots live whose data the client has up to the present. */
  #arrive(roots: readonly Root[]): void {
    for (const root of roots) {
      if (root.isGone) continue
      root.state = 'live'
      root.failure = undefined
      root.apart = false
      this.#unready--
      this.#joined(root)
    }
    if (this.#unready === 0) this.#client.readyNow()
    else this.endMoments(roots)
  }

  /** Replays the log after the roots' points, and makes the roots live. Returns false after a newer load. */
  async #catchUp(roots: readonly Root[], replaying: Omit<ReplayRequest, 'isOpen'>): Promise<boolean> {
    const arrived = () => this.#arrive(roots)
    const open = (view: View) => isOpen(this.list, view)
    // Stops a load that another one has replaced since its last part was sent.
    if (!replaying.current()) return false
    const result = await replay(this.#host.log, this.#client.outbox, { ...replaying, isOpen: open }, arrived)
    if (result === 'must-reload' && replaying.current())
      for (const root of roots) this.load(root, 'history-lost')
    return result !== 'cancelled'
  }
}
