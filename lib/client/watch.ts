import { ParticleError } from '../errors.ts'
import type { Document } from '../model/document.ts'
import { invalidOption } from '../model/unknown.ts'
import type { AnyListener } from './listener.ts'
import type { Notifier } from './notifier.ts'
import type { Status } from './state.ts'
import { EMPTY, type Store } from './store.ts'
import { Subscribers } from './subscribers.ts'
import type { Subscriptions } from './subscriptions.ts'
import { Waiters } from './waiters.ts'

/**
 * Names the state of a watched root.
 *
 * - `waiting`: the documents have not arrived yet, or are loaded again.
 * - `ready`: the documents are complete and current.
 * - `stale`: the documents are of another page, and the client connects.
 * - `reconnecting`, `paused`: the client has no connection. The old documents stay visible.
 * - `refused`: the server refuses this root, or the client. `error` says why, and there are no documents.
 * - `closed`: the watch or the client was closed.
 */
export type WatchStatus = Exclude<Status, 'connecting'>

/** Names fields of a watched root's documents. The first `*` stands for any document, `**` for any change. */
export type WatchPattern = '*' | '**' | `*.${string}` | `**.${string}`

/** Serves the watches of one root. */
export interface WatchedRoot {
  readonly name: string
  readonly status: WatchStatus
  readonly error: ParticleError | undefined
  readonly options: {
    store: Store
    notifier: Notifier
    subscriptions: Subscriptions
    ended: () => ParticleError
    call: (listener: () => void) => void
  }
  /** Asks for so many more documents. Returns the new limit. */
  grow(count: number): number
  /** Checks whether the documents have arrived up to a limit. */
  isGrown(limit: number): boolean
  close(watch: Watch): void
}

/**
 * Shows one root that the page watches. All watches of one root and parameters share its documents.
 *
 * All functions of a watch can be passed on without binding: `useSyncExternalStore(room.subscribe,
 * room.getSnapshot)`.
 */
export class Watch<D = Document> {
  /** The name of the root in `client.data` and on the wire: `messages?{"room":7}`. */
  readonly root: string
  readonly #root: WatchedRoot
  readonly #subscribers = new Subscribers()
  /** The promises that wait, by the limits of `more`. 0 stands for the promises of `ready`. */
  readonly #waiting = new Map<number, Waiters>()
  #closed = false

  /** @internal */
  constructor(root: WatchedRoot) {
    this.root = root.name
    this.#root = root
  }

  /** Returns the current documents. The array is empty until all documents have arrived. */
  get data(): D[] {
    return (this.#root.error ? [] : (this.#root.options.store.data[this.root] ?? [])) as D[]
  }

  /** Returns the state of the watch. */
  get status(): WatchStatus {
    return this.#closed ? 'closed' : this.#root.status
  }

  /** Returns the reason of a refusal. */
  get error(): ParticleError | undefined {
    return this.#root.error
  }

  /**
   * Resolves to the documents when they are complete and current, after all listeners were called. Rejects
   * with a ParticleError when the server refuses the root (`FORBIDDEN`, `INVALID_PARAMS`, `LIMIT_EXCEEDED`)
   * or the client, and when the watch or the client is closed (`CLOSED`).
   */
  readonly ready = (): Promise<D[]> => this.#wait(0)

  /** Returns the current documents, frozen. The array is the same until the documents change. */
  readonly getSnapshot = (): readonly D[] =>
    (this.#root.error ? EMPTY : this.#root.options.store.getRoot(this.root)) as readonly D[]

  /**
   * Calls the listener after changes of the documents, as often as the client's option `notify` says, and
   * after changes of the status. Returns a function that ends the subscription.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    const end = this.#subscribers.add(listener)
    if (this.#closed) end()
    return end
  }

  /**
   * Calls the listener after changes that touch the pattern, as `client.on` does. The pattern begins with
   * `*`, which stands for any document: `*.text`, `*.todos.*.done`. `**` stands for any change. With
   * `{ added, changed, removed }` in place of the listener, the pattern is `*`.
   *
   * @throws ParticleError `INVALID_OPTION` when the pattern is malformed
   */
  readonly on = (pattern: WatchPattern, listener: AnyListener<D[]>): this => {
    if (!this.#closed) this.#root.options.subscriptions.add(pattern, listener, this)
    return this
  }

  /** Removes a listener of a pattern, or all listeners of the pattern. */
  readonly off = (pattern: WatchPattern, listener?: AnyListener<D[]>): this => {
    this.#root.options.subscriptions.delete(pattern, listener, this)
    return this
  }

  /**
   * Asks for more documents of a source with a `limit`, up to the source's `maxLimit`. Only the difference is
   * sent. Resolves to the documents when they are there; rejects as `ready()` does. The longer window holds
   * for all watches of the root, until the last one is closed.
   *
   * @throws ParticleError `INVALID_OPTION` when `count` is not a positive integer
   */
  readonly more = (count: number): Promise<D[]> => {
    if (!Number.isInteger(count) || count < 1)
      throw invalidOption('more(count): count must be a positive integer.')
    const promise = this.ready().then(() => this.#wait(this.#closed ? 0 : this.#root.grow(count)))
    promise.catch(() => {})
    return promise
  }

  /**
   * Ends the watch and its listeners. After the last watch of a root, the client keeps the documents for
   * `linger` ms. A page that comes back meanwhile has them at once.
   */
  readonly close = (): void => {
    if (this.#closed) return
    this.#closed = true
    this.#subscribers.clear()
    this.#root.options.subscriptions.delete(undefined, undefined, this)
    this.settle()
    this.#root.close(this as unknown as Watch)
  }

  /** @internal Calls the listeners. */
  notify(): void {
    this.#subscribers.call(this.#root.options.call)
  }

  /** @internal Answers the promises that wait, as the status says. */
  settle(): void {
    const { status, error } = this
    const { notifier, ended } = this.#root.options
    const isOver = status === 'refused' || status === 'closed'
    for (const [limit, waiters] of this.#waiting) {
      if (!isOver && !(limit > 0 ? this.#root.isGrown(limit) : status === 'ready')) continue
      this.#waiting.delete(limit)
      if (!isOver) notifier.flush()
      const closed = () => (this.#closed ? new ParticleError('CLOSED', 'The watch was closed.') : ended())
      waiters.answer(isOver ? (error ?? closed()) : undefined)
    }
  }

  #wait(limit: number): Promise<D[]> {
    const waiters = this.#waiting.get(limit) ?? new Waiters()
    this.#waiting.set(limit, waiters)
    const promise = waiters.add(() => this.data)
    this.settle()
    return promise
  }
}
