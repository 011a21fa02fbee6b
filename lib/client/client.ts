import { ParticleError } from '../errors.ts'
import type { Document, Model } from '../model/document.ts'
import type { DataOf, ModelOf } from '../model/shape.ts'
import type { EventData, ServerEvent } from '../protocol/messages.ts'
import { Link } from './link.ts'
import { type ClientOptions, checkOptions, invalid } from './options.ts'
import { type Page, watchPage } from './page.ts'
import { matcher, parsePattern } from './pattern.ts'
import type { Status } from './state.ts'
import { Store } from './store.ts'
import { CLOCK, type Clock, type Transport } from './transport.ts'
import { transportOf } from './transports.ts'

/** Hears of changes that touch a pattern: the root's documents as they are now, and the event that changed them. */
export type Listener<Data = Document[]> = (data: Data, event: ServerEvent) => void

/** What only specs set. */
export interface Internals {
  transport?: Transport
  clock?: Clock
  random?: () => number
  /** The page's address; `undefined` where there is no page. */
  base?: string | undefined
  /** What tells of the page's life. */
  page?: Page
}

interface Subscription {
  pattern: string
  segments: string[]
  listener: Listener<never>
}

/**
 * Holds a local model that the server keeps current. It connects by itself, right after it was constructed, and goes on
 * until it is closed or refused.
 *
 * `T` is the shape of the model, `new Client<{ users: User[] }>(...)`, or the type of the server's options, `new Client<typeof options>(...)`:
 * then documents are of their collections' types, with the fields that the manifests list.
 */
export class Client<T = Model> {
  /**
   * The model: an array of documents for each root, changed in place by deltas (the documents themselves never are: a changed one
   * is a new object). A root appears when all of its documents are there; a new load puts a new array in its place.
   */
  readonly data: ModelOf<T>
  readonly #options: ClientOptions<ModelOf<T>>
  readonly #store = new Store<EventData['manifest']['sources'][string]>()
  readonly #link: Link
  readonly #subscriptions = new Set<Subscription>()
  readonly #subscribers = new Set<() => void>()
  readonly #waiters = new Set<(error?: ParticleError) => void>()
  readonly #unwatch: () => void
  #lastUpdated: Date | undefined

  /**
   * @param internals not for applications
   * @throws ParticleError `INVALID_OPTION`
   */
  constructor(options: ClientOptions<ModelOf<T>> = {}, internals: Internals = {}) {
    checkOptions(options as ClientOptions)
    this.#options = options
    this.data = this.#store.data as ModelOf<T>
    const { clock = CLOCK, base, transport, page } = { base: globalThis.location?.href, ...internals }
    const link = new Link({
      transport: transport ?? transportOf(options as ClientOptions, base, clock),
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
   * Resolves to the data once (or if already) the model is complete and the connection is up. Rejects with a ParticleError when
   * the server refuses (`UNAUTHORIZED`) or the client is closed (`CLOSED`). `callback` is called at the same time.
   */
  ready(callback?: (error?: ParticleError) => void): Promise<ModelOf<T>> {
    const promise = new Promise<ModelOf<T>>((resolve, reject) => {
      this.#waiters.add((error) => (error ? reject(error) : resolve(this.data)))
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
   * Calls the listener after each change that touches the pattern, once for each event: `users` for whatever happens to that root,
   * `users.*` for the fields right under it, `users.address.*`, `users.todos.*.done` (an array position or an id in brackets
   * counts as one `*`), `users.**` at any depth. What replaces a parent touches all that is under it.
   *
   * @throws ParticleError `INVALID_OPTION` when the pattern is malformed
   */
  on<Pattern extends string>(pattern: Pattern, listener: Listener<DataOf<ModelOf<T>, Pattern>>): this {
    if (typeof listener !== 'function') invalid('The listener must be a function.')
    this.#subscriptions.add({ pattern, segments: parsePattern(pattern), listener })
    return this
  }

  /**
   * Ends what `on` began: for that listener, or for all of that pattern.
   */
  off(pattern: string, listener?: Listener<never>): this {
    for (const subscription of this.#subscriptions) {
      if (subscription.pattern === pattern && (!listener || subscription.listener === listener)) {
        this.#subscriptions.delete(subscription)
      }
    }
    return this
  }

  /** Calls back after every change of the model; for what renders it. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    // A function of its own: whoever subscribes twice must unsubscribe twice.
    const entry = () => listener()
    this.#subscribers.add(entry)
    return () => {
      this.#subscribers.delete(entry)
    }
  }

  /** The whole model as it is now, frozen, and the same object as long as nothing changes. */
  getSnapshot(): { readonly [R in keyof ModelOf<T>]: Readonly<ModelOf<T>[R]> }
  /** A root's documents as they are now, frozen, and the same array as long as they don't change; empty if there is no such root. */
  getSnapshot<R extends keyof ModelOf<T> & string>(root: R): Readonly<ModelOf<T>[R]>
  getSnapshot(root?: string): unknown {
    return root === undefined ? this.#store.getModel() : this.#store.getRoot(root)
  }

  /**
   * Closes the stream until `resume()`, and keeps the data and the position: for an application that is hidden, say. `status` is
   * `paused` then; `ready()` waits. In a browser, the client does the same by itself for a page that is frozen or in the back/forward cache.
   */
  pause(): void {
    this.#link.pause('user')
  }

  /** Ends what `pause()` began: opens a stream at once, which goes on from where the last one was closed. */
  resume(): void {
    this.#link.resume('user')
  }

  /** Ends the connection for good; the data stays as it is. */
  close(): void {
    this.#link.close()
  }

  #apply(event: ServerEvent): boolean {
    const store = this.#store
    switch (event.event) {
      case 'manifest': {
        const { sources, resumed } = event.data
        const removed = store.begin(sources, resumed)
        for (const root of removed) this.#tell(root, event)
        if (removed.length) this.#notify(event)
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
        if (store.settle()) this.#notify(event)
    }
    return !store.incomplete
  }

  #updated(event: Extract<ServerEvent, { event: 'payload' | 'delta' }>): void {
    this.#lastUpdated = new Date(event.data.timestamp)
    this.#tell(event.data.root, event)
    this.#notify(event)
  }

  #tell(root: string, event: ServerEvent): void {
    if (this.#subscriptions.size === 0) return
    const touched = matcher(root, event.event === 'delta' ? event.data.oplist : undefined)
    for (const { segments, listener } of [...this.#subscriptions]) {
      if (touched(segments)) this.#call(listener as Listener, this.#store.data[root] ?? [], event)
    }
  }

  #notify(event: ServerEvent): void {
    this.#call(this.#options.onData, this.data, event)
    for (const listener of [...this.#subscribers]) this.#call(listener)
  }

  #changed(status: Status): void {
    if (status === 'closed' || status === 'refused') this.#unwatch()
    this.#call(this.#options.onStatus, status)
    this.#answer()
  }

  #answer(): void {
    const { status } = this
    const over = status === 'closed' || status === 'refused'
    if (!over && status !== 'ready') return
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
      const { onError } = this.#options
      const error = new ParticleError('CALLBACK_FAILED', `A callback of the client threw: ${cause}`, {
        cause,
      })
      if (onError && callback !== (onError as unknown)) this.#call(onError, error)
      else console.error(error)
    }
  }
}
