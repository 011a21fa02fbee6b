import { ParticleError } from '../../errors.ts'
import { idKey } from '../../model/id.ts'
import type { Adapter, Change, Subscription } from '../../source/source.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import { withTimeout } from '../support/scheduling.ts'
import { Batch } from './batch.ts'
import { bounded } from './bounded.ts'
import { sizeOf } from './change.ts'
import { ChangePipeline } from './change-pipeline.ts'
import type { Entry, Log } from './log.ts'
import { PositionWaiters } from './position-waiters.ts'
import { Router } from './router.ts'
import type { Subscriber } from './subscriber.ts'

/** Bounds what is read of a source: see `Limits`. */
export type FeedLimits = Pick<ResolvedLimits, 'queryMs' | 'snapshotDocuments' | 'snapshotBytes'>

/** What a feed needs of its server. */
export interface FeedHost {
  readonly log: Log
  /** Where all adapters are now, in the order of the server's sources. */
  adapters(): readonly string[]
  /**
   * The text of the point at a sequence, the adapters being where they are now, or where they are said to be.
   */
  point(sequence: number, adapters?: readonly string[]): string
  onError(error: unknown, source: string): void
  onDebug(message: string): void
  /** Default: no bounds. */
  readonly limits?: FeedLimits
}

/** For how long a handshake waits for a source that isn't followed to say where it is. */
const ASKING_TIMEOUT_MS = 1_000

/** Bytes that a gap in the log is reckoned at. */
const GAP = 200

/**
 * One adapter's stream of changes in this process: opened by the first view, closed by the last. It puts
 * changes into the log and dispatches them to the views of their collection, in order; where a view can't do
 * without the document, it looks it up first.
 *
 * A view that nobody looks at may rest here: it takes changes in while the adapter is open for others, but
 * does not keep it open.
 */
export class Feed {
  readonly adapter: Adapter
  /** Its place among the adapters of a position; undefined for a source that has none there. */
  readonly index: number | undefined
  /** Changes at or below this sequence may be missing from the log for this feed. */
  floor: number
  /** Where the source was at that sequence. */
  floorPosition: string | undefined
  /** How far the source has come with what is in the log; undefined before it was first opened. */
  position: string | undefined

  /** Bounds what is read of the source. */
  readonly limits: FeedLimits | undefined
  readonly #host: FeedHost
  readonly #collection: string
  readonly #routers = new Map<string, Router<Subscriber>>()
  readonly #users = new Set<Subscriber>()
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #subscription: Subscription | undefined
  #pipeline: ChangePipeline | undefined
  #asking: Promise<string | undefined> | undefined
  readonly #batch = new Batch()
  /** Those who wait until the log has come to a position. */
  readonly #waiting: PositionWaiters

  /** @param collection one of the adapter's collections, to ask where the source is */
  constructor(adapter: Adapter, host: FeedHost, index?: number, collection = '') {
    const { limits } = host
    this.adapter = bounded(adapter, (error) => host.onError(error, adapter.name), limits?.queryMs)
    this.limits = limits
    this.index = index
    this.#collection = collection
    this.#host = host
    this.floor = host.log.head
    this.#waiting = new PositionWaiters(adapter)
  }

  /** Adds a view that is looked at; the first one opens the adapter. Rejects when it can't be opened. */
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
   * Nobody looks at the view any more; the last one closes the adapter. `rest`: it goes on taking changes in
   * while the adapter is open.
   */
  async release(view: Subscriber, rest = false): Promise<void> {
    if (!rest) this.#forget(view)
    if (this.#users.delete(view) && this.#users.size === 0) await this.close()
  }

  /** Lets changes come to a view while the adapter is open. */
  follow(view: Subscriber): void {
    this.#routerOf(view.collection).add(view)
  }

  /** A view has a document, or has it no more: see {@link Router.hold}. */
  hold(view: Subscriber, key: string, held: boolean): void {
    this.#routerOf(view.collection).hold(view, key, held)
  }

  /** Whether changes find a view by what they touch, or it must be asked at each. */
  route(view: Subscriber, found: boolean): void {
    this.#routers.get(view.collection)?.route(view, found)
  }

  /**
   * Resolves once all changes up to the position are in the log: to false where that isn't to be, or not
   * within so many milliseconds.
   */
  async reached(position: string, ms?: number): Promise<boolean> {
    if (this.#isPast(position)) return true
    // A reading may end when the last view is gone already: it must not wait, and keep the log and its
    // clients, until somebody comes again.
    return this.#opening !== undefined && (await this.#waiting.for(position, ms))
  }

  /** Resolves once all that there was when the adapter was opened is in the log. */
  async present(): Promise<void> {
    await this.#opening
    const head = this.#subscription?.head
    if (head !== undefined) await this.reached(head)
  }

  /**
   * Where the source is now; undefined where that isn't known, nor to be had in time. The source is asked
   * where it isn't followed at present, but may be opened in the past: what is in the log by then may be
   * older than now.
   */
  async now(): Promise<string | undefined> {
    const { adapter } = this
    if (this.#opening && this.#subscription) {
      const { head } = this.#subscription
      const position = this.position ?? head
      return head !== undefined && adapter.compare(head, position ?? '') > 0 ? head : position
    }
    if (!adapter.past) return this.position
    this.#asking ??= withTimeout(
      adapter.read(this.#collection, { _id: { $in: [] } }, () => {}).then(({ to }) => to),
      ASKING_TIMEOUT_MS,
    )
      .catch(() => undefined)
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }

  /**
   * Gives a gap that one view alone has a place of its own: positions of before it and of after it differ.
   */
  mark(): { sequence: number; position: string } {
    return { sequence: this.#append([], GAP, Date.now()).sequence, position: this.position ?? '' }
  }

  async close(): Promise<void> {
    const opening = this.#opening
    if (!opening) return this.#closing
    this.#opening = undefined
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
      this.#host.onDebug(`${this.adapter.name}: closed`)
    })()
    await this.#closing
  }

  async #open(): Promise<void> {
    // Only the closing that is under way now: one that begins later waits for this opening.
    await this.#closing
    // What comes while open() is under way waits: whether it continues the log is known only from the
    // subscription's position.
    const pipeline = new ChangePipeline(this.adapter, {
      needsDocument: (change) =>
        this.#routers.get(change.collection)?.needsDocument(change, idKey(change.id)) ?? false,
      dispatch: (changes, position, begin) => this.#dispatch(changes, position, begin),
      deliver: () => this.#batch.deliver(),
      lost: (reason, position) => this.#lost(reason, position),
      failed: (error) => this.#failed(error),
    })
    this.#pipeline = pipeline
    try {
      this.#subscription = await this.adapter.open(pipeline.listener, await this.#from())
    } catch (error) {
      pipeline.close()
      throw error
    }
    const { position } = this.#subscription
    const known = this.position
    if (known === undefined || this.adapter.compare(position, known) !== 0) {
      this.#gap(position)
      if (known !== undefined) for (const view of this.#allViews()) view.lost('history-lost')
    }
    this.#host.onDebug(`${this.adapter.name}: opened`)
    pipeline.begin()
  }

  /**
   * Where to begin: where this feed has come to, or, if that is longer ago than the log reaches back, or it
   * was never open, as far in the past as the log may reach, so that clients of other nodes and of an earlier
   * process find their positions in it.
   */
  async #from(): Promise<string | undefined> {
    const { ms, bytes } = this.#host.log.replay
    if (!this.adapter.past || ms === 0 || bytes === 0) return this.position
    try {
      const past = await this.adapter.past(ms)
      const known = this.position
      return known !== undefined && this.adapter.compare(known, past) >= 0 ? known : past
    } catch (error) {
      // What is wrong is told by the opening, which needs the source as well.
      this.#host.onDebug(`${this.adapter.name}: ${error}`)
      return this.position
    }
  }

  /** What is in the log does not lead to the position: nothing before it can be replayed. */
  #gap(position: string): void {
    // Nobody holds anything of a source of all before it was first opened; one that is opened for a view may
    // have been followed for the same view before.
    const first = this.position === undefined && this.index !== undefined
    this.position = position
    this.floorPosition = position
    // Else a client that held everything up to the gap would pass for one that holds what comes after it: the
    // gap has a place of its own.
    if (!first) this.#append([], GAP, Date.now())
    this.floor = this.#host.log.head
  }

  #append(changes: readonly Change[], bytes: number, now: number, begin?: string): Entry {
    const { log } = this.#host
    const point = this.#host.point(log.head + 1)
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

  #dispatch(changes: readonly Change[], position: string, begin?: string): void {
    const last = changes.at(-1)
    // Where changes came to nothing, there is still no place between them.
    if (last || begin !== undefined) {
      this.position = last?.position ?? position
      const bytes = changes.reduce((sum, change) => sum + sizeOf(change), 0)
      const entry = this.#append(changes, bytes, Date.now(), begin)
      this.#batch.show(entry, this.#touchedBy(changes))
    }
    this.position = position
    this.#waiting.reached(position)
  }

  #touchedBy(group: readonly Change[]): Set<Subscriber> {
    let touched: Set<Subscriber> | undefined
    for (const change of group) {
      const key = 'id' in change ? idKey(change.id) : ''
      const views = this.#routers.get(change.collection)?.viewsOf(change, key)
      if (!touched) touched = views
      else for (const view of views ?? []) touched.add(view)
    }
    return touched ?? new Set()
  }

  #isPast(position: string): boolean {
    return this.position !== undefined && this.adapter.compare(this.position, position) >= 0
  }

  #lost(reason: string, position: string): void {
    this.#gap(position)
    this.#host.onDebug(`${this.adapter.name}: history lost (${reason})`)
    this.#waiting.cancelAll()
    for (const view of this.#allViews()) view.lost('history-lost')
  }

  #failed(error: unknown): void {
    this.#host.onError(error, this.adapter.name)
    // A warning is for the operator alone.
    if (error instanceof ParticleError && error.code === 'MISCONFIGURED') return
    for (const view of this.#users) view.failed()
  }
}
