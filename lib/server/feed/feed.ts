import { ParticleError } from '../../errors.ts'
import { idKey } from '../../model/id.ts'
import type { Adapter, ReportedChange, Subscription } from '../../source/source.ts'
import { Coalesced } from '../support/coalesced.ts'
import { withTimeout } from '../support/scheduling.ts'
import { Batch } from './batch.ts'
import { bounded } from './bounded.ts'
import { sizeOf } from './change.ts'
import { ChangePipeline } from './change-pipeline.ts'
import type { FeedHost, FeedLimits } from './feed-host.ts'
import { JointReads } from './joint-reads.ts'
import type { Entry } from './log.ts'
import { PositionWaiters } from './position-waiters.ts'
import { Router, viewsTouchedBy } from './router.ts'
import { SourceReport } from './source-report.ts'
import type { Subscriber } from './subscriber.ts'

/** Limits the wait of a handshake for the position of a source that isn't followed, in milliseconds. */
const POSITION_TIMEOUT_MS = 1_000

/** Estimates the bytes of a gap in the log. */
const GAP_BYTES = 200

/**
 * Follows one adapter's stream of changes for this process:
 *
 *    closed --acquire (the first view)--> opening --> open --release (the last view)--> closing --> closed
 *
 * Each change passes the `ChangePipeline` (document lookups), enters the log as an entry, and goes by the
 * router to the views that it touches. The batch then delivers the views' frames to clients. An opening
 * continues from the feed's position, or from as far back as the log may reach. A gap entry and `floor` mark
 * where the log lacks changes. An idle view may stay in the router: it receives changes while the adapter is
 * open for others, but does not keep the adapter open.
 */
export class Feed {
  readonly adapter: Adapter
  /** Reads the documents of views. */
  readonly reads: JointReads
  readonly report: SourceReport
  /** The index among the adapters of a position; undefined for a source that positions do not include. */
  readonly index: number | undefined
  /** The sequence up to which changes of this feed may be missing from the log. */
  floor: number
  /** The source's position at `floor`. */
  floorPosition: string | undefined
  /** The position of the source's changes in the log; undefined before the first opening. */
  position: string | undefined
  /** The limits of reads of the source. */
  readonly limits: FeedLimits | undefined
  readonly #host: FeedHost
  readonly #collection: string
  readonly #routers = new Map<string, Router<Subscriber>>()
  readonly #users = new Set<Subscriber>()
  #opening: Promise<void> | undefined
  /** Aborts the attempts to open the adapter. */
  #abort = new AbortController()
  #closing: Promise<void> | undefined
  #subscription: Subscription | undefined
  #pipeline: ChangePipeline | undefined
  readonly #asking = new Coalesced(
    async () => (await this.adapter.read(this.#collection, { _id: { $in: [] } }, () => {})).to,
  )
  readonly #batch: Batch
  /** The callers that wait for a position in the log. */
  readonly #waiting: PositionWaiters

  /**
   * @param collection one of the adapter's collections, whose read asks for the source's position
   * @param name names the source in events and figures
   */
  constructor(adapter: Adapter, host: FeedHost, index?: number, collection = '', name = adapter.name) {
    const { limits } = host
    this.adapter = bounded(adapter, (error) => host.onError(error, adapter.name), limits?.queryMs)
    this.reads = new JointReads(this.adapter)
    this.limits = limits
    this.report = new SourceReport(name, host.diagnostics)
    this.#batch = new Batch((views, streams) => this.report.delivered(views, streams), host.rights)
    this.index = index
    this.#collection = collection
    this.#host = host
    this.floor = host.log.head
    this.#waiting = new PositionWaiters(adapter)
  }

  /** Adds a view with viewers. The first view opens the adapter. Rejects when the adapter can't be opened. */
  async acquire(view: Subscriber): Promise<void> {
    this.follow(view)
    this.#users.add(view)
    this.#opening ??= this.#open()
    const opening = this.#opening
    try {
      await opening
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw error
    }
  }

  /**
   * Removes a view without viewers. The last view closes the adapter. With `rest`, the view receives changes
   * while the adapter is open.
   */
  async release(view: Subscriber, rest = false): Promise<void> {
    if (!rest) this.#forget(view)
    if (this.#users.delete(view) && this.#users.size === 0) await this.close()
  }

  /** Returns the number of views with viewers. */
  get users(): number {
    return this.#users.size
  }

  /** Sends changes to a view while the adapter is open. */
  follow(view: Subscriber): void {
    this.#routerOf(view.collection).add(view)
  }

  /** Records that a view has a document or no longer has it: see {@link Router.hold}. */
  hold(view: Subscriber, key: string, held: boolean): void {
    this.#routerOf(view.collection).hold(view, key, held)
  }

  /** Sets whether the router finds the view by a change's fields: see {@link Router.route}. */
  route(view: Subscriber, knows: boolean): boolean {
    return this.#routers.get(view.collection)?.route(view, knows) ?? false
  }

  /**
   * Resolves to true when the log has all changes up to the position. Resolves to false when the position
   * can't be reached, or after `ms` milliseconds.
   */
  async reached(position: string, ms?: number): Promise<boolean> {
    if (this.#isPast(position)) return true
    // Answers at once while the feed is closed: a read may end after the last view has left.
    return this.#opening !== undefined && (await this.#waiting.for(position, ms))
  }

  /** Resolves when the log has all changes from before the adapter's opening. */
  async present(): Promise<void> {
    await this.#opening
    const head = this.#subscription?.head
    if (head !== undefined) await this.reached(head)
  }

  /**
   * Returns the source's current position, or undefined when it is unknown or takes too long to get. A source
   * that isn't followed is asked, because an opening may start in the past and the log may then be older than
   * now.
   */
  async now(): Promise<string | undefined> {
    const { adapter } = this
    if (this.#opening && this.#subscription) {
      const { head } = this.#subscription
      const position = this.position ?? head
      return head !== undefined && adapter.compare(head, position ?? '') > 0 ? head : position
    }
    if (!adapter.past) return this.position
    return withTimeout(this.ask(), POSITION_TIMEOUT_MS).catch(() => undefined)
  }

  /**
   * Asks the source for its position. No write from before the call comes after it, and an open adapter comes
   * to it soon. Rejects with the source's error.
   */
  ask(): Promise<string> {
    return this.#asking.run()
  }

  /** Whether the adapter is open, or being opened. */
  readonly isOpen = (): boolean => this.#opening !== undefined

  /** Adds a gap of a single view to the log, so that positions before and after the gap differ. */
  mark(): { sequence: number; position: string } {
    return { sequence: this.#append([], GAP_BYTES, Date.now()).sequence, position: this.position ?? '' }
  }

  async close(): Promise<void> {
    const opening = this.#opening
    if (!opening) return this.#closing
    this.#opening = undefined
    this.#abort.abort(new ParticleError('CLOSED', 'The source was closed while it was being opened'))
    this.#closing = (async () => {
      await opening.catch(() => {})
      this.#pipeline?.close()
      const subscription = this.#subscription
      this.#subscription = undefined
      this.#waiting.cancelAll()
      try {
        await subscription?.close()
      } catch (error) {
        this.#host.onError(error, this.adapter.name)
      }
      this.report.close(this.#opening !== undefined)
    })()
    await this.#closing
  }

  async #open(): Promise<void> {
    this.report.opening()
    this.#abort = new AbortController()
    const { signal } = this.#abort
    // Waits for the current closing only. A later closing waits for this opening.
    await this.#closing
    // Holds messages back until `begin`: only the subscription's position shows whether they continue the
    // log.
    const pipeline = new ChangePipeline(this.adapter, {
      isShown: (collection) => this.#routers.has(collection),
      needsDocument: (change) =>
        this.#routers.get(change.collection)?.needsDocument(change, idKey(change.id)) ?? false,
      dispatch: (changes, position, begin) => this.#dispatch(changes, position, begin),
      deliver: () => this.#batch.deliver(),
      lost: (reason, position) => this.#lost(reason, position),
      failed: (error) => this.#failed(error),
      hasRole: (role, reason) => this.report.hasRole(role, reason),
    })
    this.#pipeline = pipeline
    try {
      const from = await this.#from(signal)
      this.#subscription = await this.adapter.open(pipeline.listener, from, signal)
    } catch (error) {
      pipeline.close()
      if (!signal.aborted) this.report.failed('open', this.users)
      throw error
    }
    const { position } = this.#subscription
    const known = this.position
    const isContinued = known !== undefined && this.adapter.compare(position, known) === 0
    if (!isContinued) {
      this.#gap(position)
      if (known !== undefined) for (const view of this.#allViews()) view.lost('history-lost')
    }
    this.report.open(isContinued)
    pipeline.begin()
  }

  /**
   * Returns the position to open from. The feed continues from its own position if the log reaches back that
   * far. Otherwise it starts as far in the past as the log may reach, so that clients of other nodes and of
   * an earlier process find their positions.
   */
  async #from(signal: AbortSignal): Promise<string | undefined> {
    const { ms, bytes } = this.#host.log.replay
    if (!this.adapter.past || ms === 0 || bytes === 0) return this.position
    try {
      const past = await this.adapter.past(ms)
      const known = this.position
      return known !== undefined && this.adapter.compare(known, past) >= 0 ? known : past
    } catch {
      signal.throwIfAborted()
      // Leaves the error to the opening, which needs the source too.
      this.report.failed('past', this.users)
      return this.position
    }
  }

  /** Marks a gap before the position: nothing before it can be replayed. */
  #gap(position: string): void {
    // Skips the gap entry at the first opening of a shared source, because no client has its data yet. A
    // per-view source may have been open before for the same view.
    const first = this.position === undefined && this.index !== undefined
    this.position = position
    this.floorPosition = position
    // Gives the gap its own sequence number. Otherwise a client that is current up to the gap would look
    // current past it.
    if (!first) this.#append([], GAP_BYTES, Date.now())
    this.floor = this.#host.log.head
  }

  #append(changes: readonly ReportedChange[], bytes: number, now: number, begin?: string): Entry {
    const { log, point } = this.#host
    return log.append({ feed: this, changes, begin, point, adapters: this.#host.adapters(), bytes }, now)
  }

  #forget(view: Subscriber): void {
    const router = this.#routers.get(view.collection)
    router?.delete(view)
    if (router?.size === 0) this.#routers.delete(view.collection)
  }

  #routerOf(collection: string): Router<Subscriber> {
    let router = this.#routers.get(collection)
    if (!router) {
      router = new Router<Subscriber>()
      this.#routers.set(collection, router)
    }
    return router
  }

  #allViews(): Subscriber[] {
    return [...this.#routers.values()].flatMap((router) => [...router])
  }

  #dispatch(changes: readonly ReportedChange[], position: string, begin?: string): void {
    const last = changes.at(-1)
    const now = Date.now()
    this.report.progress(now, last?.timestamp, changes.length)
    // Appends an entry even for changes that cancel out, so that no position lies between them.
    if (last || begin !== undefined) {
      this.position = last?.position ?? position
      let bytes = 0
      for (const change of changes) bytes += sizeOf(change)
      const entry = this.#append(changes, bytes, now, begin)
      this.#batch.show(entry, viewsTouchedBy(changes, this.#routers))
    }
    this.position = position
    this.#waiting.reached(position)
  }

  #isPast(position: string): boolean {
    return this.position !== undefined && this.adapter.compare(this.position, position) >= 0
  }

  #lost(reason: string, position: string): void {
    this.#gap(position)
    this.report.lost(reason, this.users)
    this.#waiting.cancelAll()
    for (const view of this.#allViews()) view.lost('history-lost')
  }

  #failed(error: unknown): void {
    this.#host.onError(error, this.adapter.name)
    // A warning is for the operator alone.
    if (error instanceof ParticleError && error.code === 'MISCONFIGURED') return
    this.report.failed('follow', this.users)
    for (const view of this.#users) view.failed()
  }
}
