import { ParticleError } from '../errors.ts'
import type { Model } from '../model/document.ts'
import type {
  DataOf,
  ModelOf,
  PartialModelOf,
  WatchDocument,
  WatchesOf,
  WatchParams,
} from '../model/shape.ts'
import { requireFunction } from '../model/unknown.ts'
import type { EventData } from '../protocol/messages.ts'
import { Barriers, DEFAULT_TIMEOUT_MS } from './barriers.ts'
import type { Internals } from './internals.ts'
import { Link, type LinkOptions } from './link.ts'
import { LiveModel } from './live-model.ts'
import { DEFAULT_NOTIFY, Notifier, requestFrame, type Target } from './notifier.ts'
import { type ClientOptions, checkOptions, DEFAULT_LINGER_MS } from './options.ts'
import { watchPage } from './page.ts'
import type { Snapshots } from './snapshots.ts'
import type { Status } from './state.ts'
import { Store } from './store.ts'
import { type Listener, Subscriptions } from './subscriptions.ts'
import { CLOCK } from './transport.ts'
import { transportOf } from './transports.ts'
import { Waiters } from './waiters.ts'
import type { Watch } from './watch.ts'
import { Watches } from './watches.ts'

/**
 * Holds a local model that the server keeps current. A client connects by itself right after its
 * construction, and stays connected until it is closed or refused.
 *
 * `T` is the shape of the model, `new Client<{ users: User[] }>(...)`, or the type of the server's options,
 * `new Client<typeof options>(...)`. With the server's options, documents have their collections' types, with
 * the fields that the manifests list.
 *
 * All functions of a client can be passed on without binding: `useSyncExternalStore(client.subscribe,
 * client.getSnapshot)`.
 */
export class Client<T = Model> {
  /**
   * Holds an array of documents for each root. Deltas change the array in place and put a new object in the
   * place of a changed document. A root appears when all of its documents have arrived. A new load replaces
   * the array. An array of more than 10,000 documents is changed when it is read here, or right before
   * listeners are called.
   */
  readonly data: PartialModelOf<T>
  readonly #options: ClientOptions<T>
  readonly #store = new Store<EventData['manifest']['sources'][string]>()
  readonly #live: LiveModel
  readonly #link: Link
  readonly #notifier: Notifier
  readonly #subscriptions: Subscriptions
  readonly #subscribers = new Set<() => void>()
  readonly #watches: Watches
  readonly #waiters = new Waiters()
  readonly #barriers: Barriers
  readonly #unwatch: () => void

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
      reportMistake: (sentence) => this.#report(new ParticleError('INVALID_OPTION', sentence)),
    })
    this.#watches = new Watches({
      store: this.#store,
      notifier: this.#notifier,
      subscriptions: this.#subscriptions,
      clock,
      linger: options.linger ?? DEFAULT_LINGER_MS,
      status: () => this.status,
      ended: () => this.#ended(),
      request: () => link.watch(),
      call: (listener) => this.#call(listener),
    })
    this.#live = new LiveModel({
      store: this.#store,
      notifier: this.#notifier,
      subscriptions: this.#subscriptions,
      watches: this.#watches,
      notify: this.#notify,
    })
    this.#barriers = new Barriers(clock, () => link.reach())
    const linkOptions: LinkOptions = {
      barriers: this.#barriers,
      watched: this.#watches.list,
      transport: transport ?? transportOf(options, base, clock),
      clock,
      random: internals.random ?? Math.random,
      identity: () => (typeof options.identity === 'function' ? options.identity() : options.identity),
      apply: (event) => {
        this.#live.apply(event)
        if (event.event === 'reached') this.#barriers.reached(event.data.position)
        return !this.#store.incomplete
      },
      onStatus: (status) => this.#changed(status),
      onError: (error, root) => {
        if (root === undefined || !this.#watches.fail(root, error)) this.#call(options.onError, error)
      },
      onDebug: (message) => this.#call(options.onDebug, message),
    }
    const link = new Link(linkOptions)
    this.#link = link
    const follow = {
      hide: () => link.pause('page'),
      show: () => link.resume('page'),
      doubt: () => link.doubt(),
    }
    this.#unwatch = watchPage(follow, clock, page)
    void this.#start(linkOptions)
  }

  /** Returns the state of the connection. */
  get status(): Status {
    return this.#link.status
  }

  /**
   * Returns the fields of each root that this identity may see. Returns `undefined` until the server has sent
   * the manifest.
   */
  get manifest(): EventData['manifest']['sources'] | undefined {
    return this.#store.manifest
  }

  /**
   * Returns the time of the model's last change, by the server's clock. Returns `undefined` before the first
   * change.
   */
  get lastUpdated(): Date | undefined {
    return this.#live.lastUpdated
  }

  /**
   * Resolves to the data when the model is complete and the connection is up, after all listeners were
   * called. Rejects with a ParticleError when the server refuses the identity (`UNAUTHORIZED`) or the client
   * is closed (`CLOSED`). `callback` is called at the same time.
   */
  readonly ready = (callback?: (error?: ParticleError) => void): Promise<ModelOf<T>> => {
    if (callback !== undefined) requireFunction('ready(callback): callback', callback)
    const promise = this.#waiters.add(() => this.data as ModelOf<T>)
    promise.then(
      () => this.#call(callback),
      (error) => this.#call(callback, error),
    )
    this.#answer()
    return promise
  }

  /**
   * Watches a source with parameters: `client.watch('messages', { room: 7 })`. The stream stays open, and the
   * documents arrive on it. A root that is watched several times with equal parameters is loaded once.
   *
   * @throws ParticleError `INVALID_OPTION`
   */
  readonly watch = <Source extends keyof WatchesOf<T> & string>(
    source: Source,
    params: WatchParams<WatchesOf<T>, Source>,
  ): Watch<WatchDocument<WatchesOf<T>, Source>> => this.#watches.open(source, params)

  /**
   * Calls the listener after changes that touch the pattern, as often as the option `notify` says. `users`
   * stands for any change of that root, `users.*` for the fields right under it. `users.address.*` and
   * `users.todos.*.done` name nested fields (`*` is one field, array position or id in brackets), and
   * `users.**` any depth. A change of a parent touches all fields under the parent. `onError` names, once, a
   * pattern that no root or field of the manifest can touch.
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

  /** Removes a listener of a pattern, or all listeners of the pattern. */
  readonly off = (pattern: string, listener?: Listener<never>): this => {
    // With anything else that is falsy, all listeners of the pattern would end.
    if (listener !== undefined) requireFunction('off(pattern, listener): listener', listener)
    this.#subscriptions.delete(pattern, listener)
    return this
  }

  /**
   * Calls the listener after changes of the model, as often as the option `notify` says. Views render from
   * it. Returns a function that ends the subscription.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    requireFunction('subscribe(listener): listener', listener)
    // Wraps the listener, so that each of two subscriptions of one listener ends by itself.
    const entry = () => listener()
    this.#subscribers.add(entry)
    return () => {
      this.#subscribers.delete(entry)
    }
  }

  /**
   * Returns the whole model or the documents of one root, frozen. The result is the same object until a
   * change.
   */
  readonly getSnapshot: Snapshots<ModelOf<T>> = (root?: string): never =>
    (root === undefined ? this.#store.getModel() : this.#store.getRoot(root)) as never

  /**
   * Resolves when the model has everything up to a position of the server's `position(root)`, after all
   * listeners were called. So a page waits for its own write, also one that it may not see. Rejects with a
   * ParticleError: `INVALID_OPTION` for a text that is no position, `TIMED_OUT` after `timeout` milliseconds
   * (default: 10,000), and the errors of {@link Client.ready}.
   */
  readonly reached = (
    position: string,
    { timeout = DEFAULT_TIMEOUT_MS }: { timeout?: number } = {},
  ): Promise<void> => {
    const { status } = this
    if (status === 'closed' || status === 'refused') return Promise.reject(this.#ended())
    return this.#barriers.wait(position, timeout)
  }

  /**
   * Closes the stream until `resume()`, and keeps the data and the position. An application that is hidden
   * saves a connection so. Meanwhile `status` is `paused`, and `ready()` waits. The client pauses by itself
   * for a page that is frozen or in the back/forward cache.
   */
  readonly pause = (): void => {
    this.#link.pause('user')
  }

  /** Ends a `pause()`. The client opens a stream at once, from the position of the last stream. */
  readonly resume = (): void => {
    this.#link.resume('user')
  }

  /**
   * Closes the connection for good, and keeps the data. All listeners have been called by the time it
   * returns.
   */
  readonly close = (): void => {
    this.#link.close()
  }

  /** Starts the link, after the shared stream has been prepared. */
  async #start(parts: LinkOptions): Promise<void> {
    try {
      if (this.#options.share) {
        const { share } = await import('./share/index.ts')
        parts.transport = await share({
          ...parts,
          createStore: () => new Store(),
          documents: (root) => this.#store.getRoot(root),
        })
      } else await undefined
    } catch (cause) {
      parts.onDebug(`share: this tab has a stream of its own: ${cause}`)
    }
    this.#link.start()
  }

  /** Notifies the listeners of the whole model. */
  readonly #notify: Target = (event, events) => {
    this.#store.refresh()
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
    this.#watches.review()
    this.#call(this.#options.onStatus, status)
    this.#answer()
  }

  /** Empties the model of a revoked identity. A logout in one tab must remove the data from all tabs. */
  #forget(): void {
    const { refusal } = this.#link
    if (refusal?.code !== 'UNAUTHORIZED' && refusal?.code !== 'REPLACED') return
    this.#live.clear({ event: 'revoked', data: { reason: refusal.message } })
  }

  #answer(): void {
    const { status } = this
    const over = status === 'closed' || status === 'refused'
    if (over) this.#barriers.end(this.#ended())
    if (this.#waiters.size === 0 || (!over && status !== 'ready')) return
    this.#notifier.flush()
    this.#waiters.answer(over ? this.#ended() : undefined)
  }

  /** Returns the reason of the end of a refused or closed client. */
  #ended(): ParticleError {
    return this.#link.refusal ?? new ParticleError('CLOSED', 'The client was closed.')
  }

  /**
   * Calls a function of the application. Errors of that function are reported, and do not disturb the client.
   */
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

  /** Reports a mistake of the application. Without `onError` the console shows the mistake. */
  #report(error: ParticleError): void {
    const { onError } = this.#options
    if (onError) this.#call(onError, error)
    else console.error(error)
  }
}
