import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { pause } from '../backoff.ts'
import { Connection, type RedisClient } from './client.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { enableNotifications, notifies } from './notifications.ts'
import { READ_FENCED, runScript } from './script.ts'

/** Settings of a source without a stream. */
export interface KeyspaceSettings {
  client: RedisClient
  database: number
  prefix: string
  /** The collections that are known. */
  mappings: () => readonly Mapping[]
}

/** Receives the events of an {@link Upstream}. */
interface UpstreamEvents {
  /** Reports a changed key of a collection. */
  key(key: string): void
  /** Reports a fence: all notifications before it have been reported. */
  fence(fence: string): void
}

const SENTINEL_MS = 1000
const SENTINEL_TTL = ['PX', '60000']
const SWITCHED_OFF =
  'Redis no longer sends notifications of all changes, because notify-keyspace-events was changed. ' +
  'Particle enables them again if allowed, and reads all data again: set notify-keyspace-events to KA'
/** The notifications that change no document. */
const IGNORED = new Set(['expire', 'persist', 'new'])

/**
 * Holds the two connections of a `KeyspaceFeed`: one for notifications, one for reads. The loss of one
 * ends both.
 */
export class Upstream {
  readonly #subscriber: Connection
  readonly #commands: Connection
  readonly #channel: string
  readonly #fences: string
  readonly #sentinel: string
  readonly #events: UpstreamEvents
  readonly #subscribed = new Map<Mapping, Promise<void>>()
  readonly #over = new AbortController()
  #guarded = true

  private constructor(
    subscriber: Connection,
    commands: Connection,
    settings: KeyspaceSettings,
    epoch: string,
    events: UpstreamEvents,
  ) {
    this.#subscriber = subscriber
    this.#commands = commands
    this.#channel = `__keyspace@${settings.database}__:`
    this.#fences = `particle:fence:${epoch}`
    this.#sentinel = `${settings.prefix}particle:sentinel:${randomBytes(8).toString('hex')}`
    this.#events = events
    for (const { ended } of [subscriber, commands]) void ended.then((reason) => this.fail(reason))
  }

  /** Connects, turns on missing notifications, and subscribes to all collections. */
  static async open(
    settings: KeyspaceSettings,
    epoch: string,
    events: UpstreamEvents,
    signal: AbortSignal,
  ): Promise<Upstream> {
    const subscriber = await Connection.open(settings.client, signal)
    const commands = await Connection.open(settings.client, signal).catch((error) => {
      subscriber.destroy()
      throw error
    })
    const upstream = new Upstream(subscriber, commands, settings, epoch, events)
    try {
      await enableNotifications(commands, subscriber, upstream.#channel, signal)
      await subscriber.client.subscribe(upstream.#fences, (fence) => events.fence(fence))
      for (const mapping of settings.mappings()) await upstream.subscribe(mapping)
      await upstream.#mark()
      signal.throwIfAborted()
      return upstream
    } catch (error) {
      upstream.fail(error)
      throw error
    }
  }

  /** Marks a lost or closed connection. */
  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Gets the notifications of a collection from here on. */
  async subscribe(mapping: Mapping): Promise<void> {
    let subscribing = this.#subscribed.get(mapping)
    if (!subscribing) {
      subscribing = this.#subscriber.client.pSubscribe(this.#channel + mapping.pattern, (event, channel) => {
        if (!IGNORED.has(event)) this.#events.key(channel.slice(this.#channel.length))
      })
      this.#subscribed.set(mapping, subscribing)
    }
    await subscribing
  }

  /** Reads the contents of keys, and publishes a fence at the moment of the read, if that is allowed. */
  async read(keys: readonly string[], fence: string): Promise<{ raw: RawDocument[]; fenced: boolean }> {
    const args = [this.#fences, fence]
    const reply = await runScript((command) => this.#commands.send(command), READ_FENCED, keys, args)
    const [fenced, ...raw] = reply as [number, ...RawDocument[]]
    return { raw, fenced: fenced === 1 }
  }

  /** Sends a fence after all notifications so far. */
  async sendFence(fence: string): Promise<void> {
    await this.#commands.send(['PUBLISH', this.#fences, fence])
  }

  /**
   * Resolves when the database was flushed, or the signal was aborted. Rejects when a connection is lost, or
   * notifications were switched off. FLUSHDB, FLUSHALL and SWAPDB send no notification: a sentinel key that
   * vanishes with all the others reveals them. (An eviction of that key has the same effect.)
   */
  async flushed(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#over.signal])
    for (;;) {
      await pause(SENTINEL_MS, either)
      if (signal.aborted) return
      this.#over.signal.throwIfAborted()
      if (!(await notifies(this.#commands, this.#subscriber, this.#channel, either)))
        throw new ParticleError('SOURCE_FAILED', SWITCHED_OFF)
      if (!this.#guarded) continue
      if ((await this.#commands.send(['SET', this.#sentinel, '1', ...SENTINEL_TTL, 'XX'])) !== null) continue
      await this.#mark()
      return
    }
  }

  /** Closes the connections, and removes the sentinel key. */
  async close(): Promise<void> {
    if (!this.isOver && this.#guarded) await this.#commands.send(['DEL', this.#sentinel]).catch(() => {})
    this.fail(undefined)
  }

  /** Ends both connections, with the reason. */
  fail(reason: unknown): void {
    this.#over.abort(reason)
    this.#subscriber.destroy()
    this.#commands.destroy()
  }

  async #mark(): Promise<void> {
    try {
      await this.#commands.send(['SET', this.#sentinel, '1', ...SENTINEL_TTL])
      this.#guarded = true
    } catch (error) {
      // Goes on without the sentinel key if the user may only read.
      if (!(error instanceof Error && /^(?:NOPERM|READONLY)/.test(error.message))) throw error
      this.#guarded = false
    }
  }
}
