import type { ParticleError } from '../errors.ts'
import type { EventData, ServerEvent } from '../protocol/messages.ts'
import type { WatchEntry } from '../protocol/watched-root.ts'
import type { Notifier, Target } from './notifier.ts'
import type { Status } from './state.ts'
import type { Store } from './store.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Clock } from './transport.ts'
import { Watch, type WatchedRoot, type WatchStatus } from './watch.ts'
import { WatchList } from './watch-list.ts'
import { watchName } from './watch-name.ts'

/** Limits the roots that are kept after their last watch was closed, since each costs the server a view. */
const MAX_KEPT = 20
/** Sets the delay before a root is asked for again that the server could not check, in milliseconds. */
const RETRY_MS = 5000

/** Lists the codes by which the server refuses a root. */
const REFUSALS: readonly string[] = ['FORBIDDEN', 'INVALID_PARAMS', 'LIMIT_EXCEEDED']

/** Configures the watches of a client. */
export interface WatchesOptions {
  store: Store
  notifier: Notifier
  subscriptions: Subscriptions
  clock: Clock
  /** How long a root is kept after its last watch was closed, in milliseconds. */
  linger: number
  /** Returns the state of the connection. */
  status: () => Status
  /** Returns the error for promises that a closed or refused client rejects. */
  ended: () => ParticleError
  /** Asks the server for the changes of the list. */
  request: () => void
  /** Calls a listener. Errors of the listener must not come back. */
  call: (listener: () => void) => void
}

/** Holds the roots that the page watches, counted by their watches. */
export class Watches {
  readonly list = new WatchList((refused) => {
    this.#ended(refused)
    this.#grown()
  })
  readonly #options: WatchesOptions
  readonly #roots = new Map<string, Root>()
  /** The roots whose documents are complete and current. */
  readonly #current = new Set<string>()
  /** The places of roots that were given up, which others may take. */
  #freed = 0
  #scheduled = false

  constructor(options: WatchesOptions) {
    this.#options = options
  }

  /** @throws ParticleError `INVALID_OPTION` */
  open(source: string, params: unknown): Watch<never> {
    const name = watchName(source, params)
    let root = this.#roots.get(name)
    if (!root) {
      root = this.#add(name)
      this.list.wanted.set(name, 0)
    }
    this.sync()
    return root.open()
  }

  /** Keeps the watched roots of a model that another page has left, as if their watches had just closed. */
  restore(watch: readonly WatchEntry[]): void {
    this.list.restore(watch)
    for (const name of this.list.wanted.keys()) if (!this.#roots.has(name)) this.keep(this.#add(name))
  }

  #add(name: string): Root {
    const root = new Root(name, this.#options, this)
    this.#roots.set(name, root)
    return root
  }

  /** Notes the roots of a new stream. Returns the roots that must be loaded again. */
  begin({ sources, resumed }: EventData['manifest']): string[] {
    const unheld = this.list.begin(sources)
    this.#keepCurrent((root) => resumed && Object.hasOwn(sources, root) && !unheld.includes(root))
    return resumed ? unheld : []
  }

  /** Notes a change of the open stream's roots. */
  change({ watch, sources }: EventData['watching']): void {
    this.#ended(this.list.watching(watch))
    this.#keepCurrent((root) => Object.hasOwn(sources, root))
  }

  /** Notes that a root is loaded again. */
  reset(root: string): void {
    this.#current.delete(root)
  }

  /** Notes that a root has changed. */
  changed(event: Extract<ServerEvent, { event: 'payload' | 'delta' }>): void {
    const { root } = event.data
    if (event.event === 'payload') this.#current.add(root)
    this.#roots.get(root)?.notify(event)
  }

  /** Notes that all roots of the stream are complete. */
  complete(roots: Iterable<string>): void {
    for (const root of roots) this.#current.add(root)
    this.list.complete()
    this.#grown()
  }

  /** Notifies the listeners of the roots whose status has changed, with the event that changed it. */
  review(event?: ServerEvent): void {
    const status = this.#options.status()
    if (status !== 'ready' && status !== 'waiting') this.#current.clear()
    for (const root of [...this.#roots.values()]) {
      if (status === 'closed') root.stop()
      root.review(event)
    }
  }

  /** Handles an error that the server reports for a root. Returns whether the client mends it by itself. */
  fail(name: string, error: ParticleError): boolean {
    const root = this.#roots.get(name)
    // An error of a root that the stream has, such as a failed source, refuses nothing.
    const isMissing = !this.list.has(name)
    if (!root || !(isMissing || error.code === 'FORBIDDEN')) return false
    this.list.forget(name)
    if (error.code === 'LIMIT_EXCEEDED') {
      // Gives the places of kept roots to others.
      for (const each of this.#kept()) {
        this.drop(each)
        this.#freed++
      }
      if (this.#freed > 0) {
        this.#freed--
        this.sync()
        return true
      }
    }
    if (REFUSALS.includes(error.code)) {
      this.drop(root)
      root.refuse(error)
    } else root.retry()
    return false
  }

  /** Keeps a root without watches for a while. */
  keep(root: Root): void {
    const { status } = root
    this.#roots.delete(root.name)
    if (status === 'refused' || status === 'closed') return
    this.#roots.set(root.name, root)
    const [oldest, ...others] = this.#kept()
    if (oldest && others.length >= MAX_KEPT) this.drop(oldest)
    root.after(this.#options.linger, () => this.drop(root))
  }

  /** Ends the watch of a root. */
  drop(root: Root): void {
    root.stop()
    if (this.#roots.get(root.name) !== root) return
    this.#roots.delete(root.name)
    this.list.wanted.delete(root.name)
    this.sync()
  }

  isCurrent(root: string): boolean {
    return this.#current.has(root)
  }

  /** Asks the server for all changes of this turn together. */
  sync(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#options.request()
    })
  }

  #grown(): void {
    for (const root of this.#roots.values()) root.settle()
  }

  /**
   * Asks for wanted roots again that the server lacks, unless an error tells the reason. A slow client may
   * lose that error.
   */
  #ended(roots: readonly string[]): void {
    for (const name of roots) {
      const root = this.#roots.get(name)
      if (root?.used) root.retry()
    }
  }

  #keepCurrent(isCurrent: (root: string) => boolean): void {
    for (const root of this.#current) if (!isCurrent(root)) this.#current.delete(root)
  }

  #kept(): Root[] {
    return [...this.#roots.values()].filter(({ used }) => !used)
  }
}

/** Holds the state that the watches of one root share. */
class Root implements WatchedRoot {
  readonly name: string
  error: ParticleError | undefined
  readonly options: WatchesOptions
  readonly #watches: Watches
  readonly #open = new Set<Watch>()
  #shown: WatchStatus
  #cancel = () => {}

  constructor(name: string, options: WatchesOptions, watches: Watches) {
    this.name = name
    this.options = options
    this.#watches = watches
    this.#shown = this.status
  }

  get used(): boolean {
    return this.#open.size > 0
  }

  get status(): WatchStatus {
    if (this.error) return 'refused'
    const status = this.options.status()
    if (status === 'ready' || status === 'waiting')
      return this.#watches.isCurrent(this.name) ? 'ready' : 'waiting'
    return status === 'connecting' || (status === 'stale' && !this.options.store.shows(this.name))
      ? 'waiting'
      : status
  }

  open(): Watch<never> {
    this.stop()
    const watch = new Watch(this)
    this.#open.add(watch)
    return watch as unknown as Watch<never>
  }

  grow(count: number): number {
    const { wanted } = this.#watches.list
    const limit = Math.max(wanted.get(this.name) ?? 0, this.options.store.getRoot(this.name).length) + count
    if (wanted.has(this.name)) wanted.set(this.name, limit)
    this.#watches.sync()
    return limit
  }

  isGrown(limit: number): boolean {
    return this.#watches.list.isGrown(this.name, limit)
  }

  close(watch: Watch): void {
    if (this.#open.delete(watch) && !this.used) this.#watches.keep(this)
  }

  refuse(error: ParticleError): void {
    this.error = error
    this.review()
  }

  /** Notifies the watches of a change. */
  notify(event: ServerEvent): void {
    this.options.notifier.add(this.#target, event)
  }

  /** Notifies the watches if the status has changed. */
  review(event?: ServerEvent): void {
    const { status } = this
    if (status !== this.#shown) {
      this.#shown = status
      if (event) this.notify(event)
      else this.each((watch) => watch.notify())
    }
    this.settle()
  }

  /** Answers the promises that wait. */
  settle(): void {
    this.each((watch) => watch.settle())
  }

  /** Asks the server for the root again after a while. */
  retry(): void {
    this.after(RETRY_MS, () => this.#watches.sync())
  }

  /** Calls back after a while, in the place of an earlier call. */
  after(milliseconds: number, callback: () => void): void {
    this.stop()
    this.#cancel = this.options.clock.after(milliseconds, callback)
  }

  stop(): void {
    this.#cancel()
  }

  each(act: (watch: Watch) => void): void {
    for (const watch of [...this.#open]) act(watch)
  }

  readonly #target: Target = () => this.each((watch) => watch.notify())
}
