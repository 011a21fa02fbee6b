import type { ChangeStreamDocument, MongoClient } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { notKnown, refuseUnknown } from '../../model/unknown.ts'
import { Channel, type Watcher } from './channel.ts'
import type { DriverClient } from './database.ts'
import type { NormalEvent, PrettyEvent } from './format.ts'
import { parseNamespace } from './namespace.ts'

/** What a listener gets: deltas, change events in plain JSON, or change events as the driver gives them. */
export type WatchFormat = 'normal' | 'pretty' | 'raw'

/** The event of each format. */
export interface WatchEvents {
  normal: NormalEvent
  pretty: PrettyEvent
  raw: ChangeStreamDocument
}

/** Options of {@link MongoWatch}. */
export interface MongoWatchOptions<F extends WatchFormat = 'normal'> {
  /** A client of the MongoDB driver, 6 or 7; it stays yours to close. */
  client?: DriverClient
  /** Where to connect to, where no client is given. Default `mongodb://localhost:27017`. */
  url?: string
  /** Default `'normal'`. */
  format?: F
  /**
   * Told of a failure: of the connection (it is tried again after 0.5 s to 30 s), or of a listener. Default:
   * a warning of the process.
   */
  onError?: (error: unknown) => void
  /** Told what happens, in a sentence. */
  onDebug?: (message: string) => void
}

/** Ends a watch at once. */
export interface StopWatching {
  (): void
  /**
   * Resolves when the watch is known to miss nothing from here on; rejects when it can't be opened
   * (`NO_REPLICA_SET`), or was stopped before (`CLOSED`).
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
      throw invalid('MongoWatch takes a client or a url, not both')
    this.#options = options
    this.#format = options.format ?? 'normal'
    if (!FORMATS.includes(this.#format))
      throw invalid(`MongoWatch: format ${notKnown(this.#format, FORMATS)}`)
  }

  /**
   * Watches `'test.users'`, `'test.*'` or `'*'`. Returns at once a function that ends the watch; the stream
   * opens in the background. What is written after its `ready` resolved is never missed, also not through
   * lost connections; what was written before the call is never told. Throws `INVALID_OPTION` on a malformed
   * namespace.
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

  /** Ends all watches, and the connection where it was made by `url`. The object can be used again. */
  async stopAll(): Promise<void> {
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    await Promise.all(channels.map((channel) => channel.close()))
    const own = this.#ownClient
    this.#ownClient = undefined
    await own?.then((client) => client.close()).catch((error: unknown) => this.#error(error))
  }

  async #client(): Promise<MongoClient> {
    // Its type is that of any version of the driver.
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

function invalid(message: string): ParticleError {
  return new ParticleError('INVALID_OPTION', message)
}
