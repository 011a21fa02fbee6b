import { ParticleError } from '../errors.ts'
import type { Model } from '../model/document.ts'
import type { DataOf, ModelOf, PartialModelOf } from '../model/shape.ts'
import { requireFunction } from '../model/unknown.ts'
import type { EventData, ServerEvent } from '../protocol/messages.ts'
import { Link } from './link.ts'
import { DEFAULT_NOTIFY, Notifier, type RequestFrame, requestFrame, type Target } from './notifier.ts'
import { type ClientOptions, checkOptions } from './options.ts'
import { type Page, watchPage } from './page.ts'
import type { Status } from './state.ts'
import { Store } from './store.ts'
import { type Listener, Subscriptions } from './subscriptions.ts'
import { CLOCK, type Clock, type Transport } from './transport.ts'
import { transportOf } from './transports.ts'

/** Gives what the model holds now: of one root, or of all. */
export interface Snapshots<M> {
  /**
   * A root's documents as they are now, frozen, and the same array as long as they don't change; empty if
   * there is no such root.
   */
  <R extends keyof M & string>(root: R): Readonly<M[R]>
  /**
   * The whole model as it is now, frozen, and the same object as long as nothing changes. A root is there
   * once all of its documents are.
   */
  (): { readonly [R in keyof M]?: Readonly<M[R]> }
}

/** What only specs set. */
export interface Internals {
  transport?: Transport
  clock?: Clock
  random?: () => number
  /** The page's address; `undefined` where there is no page. */
  base?: string | undefined
  /** What tells of the page's life. */
  page?: Page
  requestFrame?: RequestFrame
}

/**
 * Holds a local model that the server keeps current. It connects by itself, right after it was constructed,
 * and goes on until it is closed or refused.
 *
 * `T` is the shape of the model, `new Client<{ users: User[] }>(...)`, or the type of the server's options,
 * `new Client<typeof options>(...)`: then documents are of their collections' types, with the fields that the
 * manifests list.
 *
 * All functions of a client can be passed on as they are: `useSyncExternalStore(client.subscribe,
 * client.getSnapshot)`.
 */
export class Client<T = Model> {
  /**
   * The model: an array of documents for each root, changed in place by deltas (the documents themselves
   * never are: a changed one is a new object). A root appears when all of its documents are there; a new load
   * puts a new array in its place.
   */
  readonly data: PartialModelOf<T>
  readonly #options: ClientOptions<T>
  readonly #store = new Store<EventData['manifest']['sources'][string]>()
  readonly #link: Link
  readonly #notifier: Notifier
  readonly #subscriptions: Subscriptions
  readonly #subscribers = new Set<() => void>()
  readonly #waiters = new Set<(error?: ParticleError) => void>()
  readonly #unwatch: () => void
  #lastUpdated: Date | undefined

  /**
   * @param internals not for applications
   * @throws ParticleError `INVALID_OPTION`
   */
  constructor(options: ClientOptions<T> = {}, internals: Internals = {}) {
    checkOptions(options)
    this.#options = options
    this.data = this.#store.data as PartialModelOf<T>
    const { clock = CLOCK, base, transport, page } = { base: globalThis.location?.href, ...internals }
    this.#notifier = new Notifier({
      notify: options.notify ?? DEFAULT_NOTIFY,
      clock,
      requestFrame: internals.requestFrame ?? requestFrame,
    })
    this.#subscriptions = new Subscriptions({
      notifier: this.#notifier,
      documents: (root) => this.#store.data[root] ?? [],
      call: (listener, ...args) => this.#call(listener, ...args),
      mistaken: (sentence) => this.#report(new ParticleError('INVALID_OPTION', sentence)),
    })
    const link = new Link({
      transport: transport ?? transportOf(options, base, clock),
      clock,
      random: internals.random ?? Math.random,
      identity: () => (typeof options.identity === 'function' ? options.identity() : options.identity),
      apply: (event) => this.#apply(event),
      onStatus: (status) => this.#changed(status),
      onError: (error) => this.#call(options.onError, error),
      onDebug: (message) => this.#call(options.onDebug, message),
    })
    this.#link = link
    const follow = {
      hide: () => link.pause('page'),
      show: () => link.resume('page'),
      doubt: () => link.doubt(),
    }
    this.#unwatch = watchPage(follow, clock, page)
    queueMicrotask(() => link.start())
  }

  /** How the client stands. */
  get status(): Status {
    return this.#link.status
  }

  /** What the server says this identity may see, of each root; `undefined` until it did. */
  get manifest(): EventData['manifest']['sources'] | undefined {
    return this.#store.manifest
  }

  /** When the model's last change was made, by the server's clock; `undefined` before the first. */
  get lastUpdated(): Date | undefined {
    return this.#lastUpdated
  }

  /**
   * Resolves to the data once (or if already) the model is complete and the connection is up; listeners
   * have been called by then. Rejects with a ParticleError when the server refuses (`UNAUTHORIZED`) or the
   * client is closed (`CLOSED`). `callback` is called at the same time.
   */
  readonly ready = (callback?: (error?: ParticleError) => void): Promise<ModelOf<T>> => {
    if (callback !== undefined) requireFunction('ready(callback): callback', callback)
    const promise = new Promise<ModelOf<T>>((resolve, reject) => {
      this.#waiters.add((error) => (error ? reject(error) : resolve(this.data as ModelOf<T>)))
    })
    // Whoever takes the callback, or neither, must not be punished for a rejection that nobody awaits.
    promise.then(
      () => this.#call(callback),
      (error) => this.#call(callback, error),
    )
    this.#answer()
    return promise
  }

  /**
   * Calls the listener after changes that touch the pattern, as often as the option `notify` says: `users`
   * for whatever happens to that root, `users.*` for the fields right under it, `users.address.*`,
   * `users.todos.*.done` (an array position or an id in brackets counts as one `*`), `users.**` at any depth.
   * What replaces a parent touches all that is under it. A pattern that no root or field of the server's
   * manifest can touch is named by `onError`, once.
   *
   * @throws ParticleError `INVALID_OPTION` when the pattern is malformed
   */
  readonly on = <Pattern extends string>(
    pattern: Pattern,
    listener: Listener<DataOf<ModelOf<T>, Pattern>>,
  ): this => {
    requireFunction('on(pattern, listener): listener', listener)
    this.#subscriptions.add(pattern, listener)
    return this
  }

  /**
   * Ends what `on` began: for that listener, or for all of that pattern.
   */
  readonly off = (pattern: string, listener?: Listener<never>): this => {
    // With anything else that is falsy, all listeners of the pattern would end.
    if (listener !== undefined) requireFunction('off(pattern, listener): listener', listener)
    this.#subscriptions.delete(pattern, listener)
    return this
  }

  /**
   * Calls back after changes of the model, as often as the option `notify` says; for what renders it. Returns
   * what ends that.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    requireFunction('subscribe(listener): listener', listener)
    // A function of its own: whoever subscribes twice must unsubscribe twice.
    const entry = () => listener()
    this.#subscribers.add(entry)
    return () => {
      this.#subscribers.delete(entry)
    }
  }

  /**
   * Gives the whole model, or one root's documents, as they are now: frozen, and the same object as long as
   * nothing changes.
   */
  readonly getSnapshot: Snapshots<ModelOf<T>> = (root?: string): never =>
    (root === undefined ? this.#store.getModel() : this.#store.getRoot(root)) as never

  /**
   * Closes the stream until `resume()`, and keeps the data and the position: for an application that is
   * hidden, say. `status` is `paused` meanwhile, and `ready()` waits. The client pauses by itself for a page
   * that is frozen or in the back/forward cache.
   */
  readonly pause = (): void => {
    this.#link.pause('user')
  }

  /** Ends a `pause()`: opens a stream at once, which continues where the last one was closed. */
  readonly resume = (): void => {
    this.#link.resume('user')
  }

  /**
   * Ends the connection for good; the data stays as it is. Listeners have been called of all changes by then.
   */
  readonly close = (): void => {
    this.#link.close()
  }

  #apply(event: ServerEvent): boolean {
    const store = this.#store
    switch (event.event) {
      case 'manifest': {
        const { sources, resumed } = event.data
        const removed = store.begin(sources, resumed)
        for (const root of removed) this.#subscriptions.tell(root, event)
        if (removed.length) this.#notifier.add(this.#told, event)
        this.#subscriptions.expect(sources)
        break
      }
      case 'reset':
        store.reset(event.data.root)
        break
      case 'payload':
        if (store.payload(event.data)) this.#updated(event)
        break
      case 'delta':
        if (store.delta(event.data)) this.#updated(event)
        break
      default:
        if (store.settle()) this.#notifier.add(this.#told, event)
    }
    return !store.incomplete
  }

  #updated(event: Extract<ServerEvent, { event: 'payload' | 'delta' }>): void {
    this.#lastUpdated = new Date(event.data.timestamp)
    this.#subscriptions.tell(event.data.root, event)
    this.#notifier.add(this.#told, event)
  }

  /** Tells those who listen to the whole model. */
  readonly #told: Target = (event, events) => {
    this.#call(this.#options.onData, this.data, event, events)
    for (const listener of [...this.#subscribers]) {
      if (this.#subscribers.has(listener)) this.#call(listener)
    }
  }

  #changed(status: Status): void {
    const over = status === 'closed' || status === 'refused'
    if (over) this.#unwatch()
    if (status === 'refused') this.#forget()
    if (over || status === 'ready') this.#notifier.flush()
    this.#call(this.#options.onStatus, status)
    this.#answer()
  }

  /**
   * Empties the model of an identity that may see nothing any more: a logout in one tab must not leave its
   * data in another.
   */
  #forget(): void {
    const { refusal } = this.#link
    if (refusal?.code !== 'UNAUTHORIZED') return
    const event: ServerEvent = { event: 'revoked', data: { reason: refusal.message } }
    for (const root of this.#store.begin({}, false)) {
      this.#subscriptions.tell(root, event)
      this.#notifier.add(this.#told, event)
    }
  }

  #answer(): void {
    const { status } = this
    const over = status === 'closed' || status === 'refused'
    if (this.#waiters.size === 0 || (!over && status !== 'ready')) return
    this.#notifier.flush()
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    const error = this.#link.refusal ?? new ParticleError('CLOSED', 'The client was closed.')
    for (const answer of waiters) answer(over ? error : undefined)
  }

  /** Calls what the application gave, so that nothing it throws gets into the client's way. */
  #call<A extends unknown[]>(callback: ((...args: A) => unknown) | undefined, ...args: A): void {
    try {
      callback?.(...args)
    } catch (cause) {
      const error = new ParticleError('CALLBACK_FAILED', `A callback of the client threw: ${cause}`, {
        cause,
      })
      if (callback === (this.#options.onError as unknown)) console.error(error)
      else this.#report(error)
    }
  }

  /** Tells of a mistake of the application's, which must not go unseen. */
  #report(error: ParticleError): void {
    const { onError } = this.#options
    if (onError) this.#call(onError, error)
    else console.error(error)
  }
}
