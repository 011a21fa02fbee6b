import type { ChangeStreamDocument, MongoClient } from 'mongodb'
import { invalidOption, notKnown, refuseUnknown } from '../../model/unknown.ts'
import { Channel, type Watcher } from './channel.ts'
import type { DriverClient } from './database.ts'
import type { NormalEvent, PrettyEvent } from './format.ts'
import { parseNamespace } from './namespace.ts'

/**
 * Selects the events of a listener: deltas, change events in plain JSON, or the driver's own change events.
 */
export type WatchFormat = 'normal' | 'pretty' | 'raw'

/** Lists the event type of each format. */
export interface WatchEvents {
  normal: NormalEvent
  pretty: PrettyEvent
  raw: ChangeStreamDocument
}

/** Options of {@link MongoWatch}. */
export interface MongoWatchOptions<F extends WatchFormat = 'normal'> {
  /** A client of the MongoDB driver, 6 or 7. The application closes the client. */
  client?: DriverClient
  /** The address to connect to without a client. Default: `mongodb://localhost:27017`. */
  url?: string
  /** Default `'normal'`. */
  format?: F
  /**
   * Receives a failure: of the connection (the next attempt follows after 0.5 s to 30 s), or of a listener.
   * Default: a warning of the process.
   */
  onError?: (error: unknown) => void
  /** Receives a sentence for each step. */
  onDebug?: (message: string) => void
}

/** Ends a watch at once. */
export interface StopWatching {
  (): void
  /**
   * Resolves once the watch misses no later event. Rejects when the watch can't be opened (`NO_REPLICA_SET`),
   * or was stopped before (`CLOSED`).
   */
  readonly ready: Promise<void>
}

const OPTIONS = ['client', 'url', 'format', 'onError', 'onDebug']
const FORMATS = ['normal', 'pretty', 'raw']

/**
 * Watches collections, databases or a whole MongoDB by change streams: one for each namespace, shared by its
 * listeners.
 *
 *     const watcher = new MongoWatch({ format: 'normal', client })
 *     const stop = watcher.watch('test.users', (event) => console.log(event.oplist))
 */
export class MongoWatch<F extends WatchFormat = 'normal'> {
  readonly #options: MongoWatchOptions<F>
  readonly #format: WatchFormat
  readonly #channels = new Map<string, Channel>()
  #ownClient: Promise<MongoClient> | undefined

  /** Throws `INVALID_OPTION` on unknown or contradictory options. Doesn't connect yet. */
  constructor(options: MongoWatchOptions<F> = {}) {
    refuseUnknown('MongoWatch: option', options, OPTIONS)
    if (options.client && options.url !== undefined)
      throw invalidOption('MongoWatch takes a client or a url, not both')
    this.#options = options
    this.#format = options.format ?? 'normal'
    if (!FORMATS.includes(this.#format))
      throw invalidOption(`MongoWatch: format ${notKnown(this.#format, FORMATS)}`)
  }

  /**
   * Watches `'test.users'`, `'test.*'` or `'*'`. Returns at once a function that ends the watch, while the
   * stream opens in the background. The listener gets every write after `ready` has resolved, also across
   * lost connections, and no write from before the call. Throws `INVALID_OPTION` on a malformed namespace.
   */
  watch(namespace: string, listener: (event: WatchEvents[F]) => void): StopWatching {
    const parsed = parseNamespace(namespace)
    const channel =
      this.#channels.get(namespace) ??
      new Channel(parsed, this.#format, () => this.#client(), {
        error: (error) => this.#error(error),
        debug: (message) => this.#options.onDebug?.(message),
      })
    this.#channels.set(namespace, channel)
    const watcher: Watcher = {
      listener: listener as Watcher['listener'],
      stopped: new AbortController(),
      held: [],
    }
    const ready = channel.add(watcher)
    ready.catch(() => {})
    const stop = () => {
      channel.remove(watcher)
      if (channel.isEmpty && this.#channels.get(namespace) === channel) {
        this.#channels.delete(namespace)
        void channel.close()
      }
    }
    return Object.assign(stop, { ready })
  }

  /** Ends all watches, and the connection that was made by `url`. The object can be used again. */
  async stopAll(): Promise<void> {
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    await Promise.all(channels.map((channel) => channel.close()))
    const own = this.#ownClient
    this.#ownClient = undefined
    await own?.then((client) => client.close()).catch((error: unknown) => this.#error(error))
  }

  async #client(): Promise<MongoClient> {
    // Converts the type, which fits any version of the driver.
    if (this.#options.client) return this.#options.client as MongoClient
    const url = this.#options.url ?? 'mongodb://localhost:27017'
    this.#ownClient ??= import('mongodb').then(({ MongoClient }) => new MongoClient(url))
    return await this.#ownClient
  }

  #error(error: unknown): void {
    if (this.#options.onError) this.#options.onError(error)
    else process.emitWarning(error instanceof Error ? error : String(error))
  }
}
