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
import { invalidOption, requireFunction } from '../model/unknown.ts'
import type { EventData } from '../protocol/messages.ts'
import { Barriers, type ReachedOptions } from './barriers.ts'
import { callbacksOf } from './callbacks.ts'
import { startFrom } from './continuation.ts'
import type { Internals } from './internals.ts'
import { Link, type LinkOptions } from './link.ts'
import type { AnyListener } from './listener.ts'
import { LiveModel } from './live-model.ts'
import { DEFAULT_NOTIFY, Notifier, requestFrame, type Target } from './notifier.ts'
import { type ClientOptions, checkOptions, DEFAULT_LINGER_MS } from './options.ts'
import { watchPage } from './page.ts'
import type { Persistence } from './persistence.ts'
import { shareStream } from './sharing.ts'
import { type Snapshots, snapshotsOf } from './snapshots.ts'
import type { Status } from './state.ts'
import { Store } from './store.ts'
import { Subscribers } from './subscribers.ts'
import { Subscriptions } from './subscriptions.ts'
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
  readonly #store = new Store()
  readonly #live: LiveModel
  readonly #link: Link
  readonly #notifier: Notifier
  readonly #subscriptions: Subscriptions
  readonly #subscribers = new Subscribers()
  readonly #watches: Watches
  readonly #waiters = new Waiters()
  readonly #barriers: Barriers
  readonly #persistence: Persistence | undefined
  readonly #call: ReturnType<typeof callbacksOf>['call']
  readonly #unwatch: () => void

  /**
   * @param internals not for applications
   * @throws ParticleError `INVALID_OPTION`
   */
  constructor(options: ClientOptions<T> = {}, internals: Internals = {}) {
    checkOptions(options)
    this.#options = options
    const { call, report } = callbacksOf(options)
    this.#call = call
    this.data = this.#store.data as PartialModelOf<T>
    const { clock = CLOCK, base, transport, page } = { base: globalThis.location?.href, ...internals }
    this.#notifier = new Notifier({
      notify: options.notify ?? DEFAULT_NOTIFY,
      clock,
      requestFrame: internals.requestFrame ?? requestFrame,
    })
    this.#subscriptions = new Subscriptions({
      notifier: this.#notifier,
      store: this.#store,
      call,
      reportMistake: (sentence) => report(invalidOption(sentence)),
    })
    const shared = { store: this.#store, notifier: this.#notifier, subscriptions: this.#subscriptions }
    this.#watches = new Watches({
      ...shared,
      clock,
      linger: options.linger ?? DEFAULT_LINGER_MS,
      status: () => this.status,
      ended: () => this.#ended(),
      request: () => link.watch(),
      call,
    })
    this.#live = new LiveModel({ ...shared, watches: this.#watches, notify: this.#notify })
    this.#barriers = new Barriers(clock, () => link.reach())
    const used = transport ?? transportOf(options, base, clock)
    const identity = () => (typeof options.identity === 'function' ? options.identity() : options.identity)
    const onDebug = (message: string) => call(options.onDebug, message)
    const parts: LinkOptions = {
      barriers: this.#barriers,
      watched: this.#watches.list,
      transport: used,
      clock,
      random: internals.random ?? Math.random,
      identity,
      apply: (event) => {
        this.#live.apply(event)
        if (event.event === 'reached') this.#barriers.reached(event.data.position)
        return !this.#store.incomplete
      },
      onStatus: (status) => this.#changed(status),
      onPosition: () => this.#persistence?.changed(),
      onError: (error, root) => {
        if (root === undefined || !this.#watches.fail(root, error)) call(options.onError, error)
      },
      onDebug,
    }
    const link = new Link(parts)
    this.#link = link
    this.#persistence = startFrom({
      ...{ options, store: this.#store, live: this.#live, watches: this.#watches, link, identity, onDebug },
      transport: used,
      prepared: options.share ? shareStream(options.share, parts, this.#store) : undefined,
      onRestored: () => this.#changed(this.status),
      onError: (error) => call(options.onError, error),
    })
    this.getServerSnapshot = snapshotsOf(this.#store.getModel())
    const [hide, show, doubt] = [() => link.pause('page'), () => link.resume('page'), () => link.doubt()]
    this.#unwatch = watchPage({ hide, show, doubt }, clock, page)
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
   * `{ added, changed, removed }` in place of a function, with a root's name as the pattern, receive each
   * document that differs from the last call, or from the time of `on`.
   *
   * @throws ParticleError `INVALID_OPTION` when the pattern is malformed
   */
  readonly on = <Pattern extends string>(
    pattern: Pattern,
    listener: AnyListener<DataOf<ModelOf<T>, Pattern>>,
  ): this => {
    this.#subscriptions.add(pattern, listener)
    return this
  }

  /** Removes a listener of a pattern, or all listeners of the pattern. */
  readonly off = (pattern: string, listener?: AnyListener<never>): this => {
    this.#subscriptions.delete(pattern, listener)
    return this
  }

  /**
   * Calls the listener after changes of the model, as often as the option `notify` says, and after changes of
   * the status. Views render from it. Returns a function that ends the subscription.
   */
  readonly subscribe: (listener: () => void) => () => void = this.#subscribers.add

  /**
   * Returns the whole model or the documents of one root, frozen. The result is the same object until a
   * change.
   */
  readonly getSnapshot: Snapshots<ModelOf<T>> = (root?: string): never =>
    (root === undefined ? this.#store.getModel() : this.#store.getRoot(root)) as never

  /**
   * Returns the snapshot that a new client has, at any time. A page that takes over the server's HTML renders
   * from it first, so that both render the same.
   */
  readonly getServerSnapshot: Snapshots<ModelOf<T>>

  /**
   * Resolves when the model has everything up to a position of the server's `position(root)`, after all
   * listeners were called. So a page waits for its own write, also one that it may not see. Rejects with a
   * ParticleError: `INVALID_OPTION` for a text that is no position, `TIMED_OUT` after `timeout` milliseconds
   * (default: 10,000), and the errors of {@link Client.ready}.
   */
  readonly reached = (position: string, options: ReachedOptions = {}): Promise<void> => {
    const { status } = this
    if (status === 'closed' || status === 'refused') return Promise.reject(this.#ended())
    return this.#barriers.wait(position, options)
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

  /**
   * Closes the client, and removes the data from the model and from the store of `persist`. Call it when the
   * user logs out. Resolves when the store is empty.
   */
  readonly forget = async (): Promise<void> => {
    this.close()
    this.#empty('forgotten')
    await this.#persistence?.clear()
  }

  /** Notifies the listeners of the whole model. */
  readonly #notify: Target = (event, events) => {
    this.#store.refresh()
    this.#call(this.#options.onData, this.data, event, events)
    this.#subscribers.call(this.#call)
  }

  #changed(status: Status): void {
    const over = status === 'closed' || status === 'refused'
    if (over) {
      this.#unwatch()
      this.#persistence?.close()
    }
    if (status === 'refused') this.#refused()
    if (over || status === 'ready') this.#notifier.flush()
    this.#watches.review()
    this.#call(this.#options.onStatus, status)
    this.#subscribers.call(this.#call)
    this.#answer()
  }

  /** Empties the model of a revoked identity. A logout in one tab must remove the data from all tabs. */
  #refused(): void {
    const { refusal } = this.#link
    if (refusal?.code !== 'UNAUTHORIZED' && refusal?.code !== 'REPLACED') return
    this.#empty(refusal.message)
    // Keeps the store of a client that a newer stream has replaced, which may be another tab's.
    if (refusal.code === 'UNAUTHORIZED') void this.#persistence?.clear()
  }

  #empty(reason: string): void {
    this.#live.clear({ event: 'revoked', data: { reason } })
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
}
