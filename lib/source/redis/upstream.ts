import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { pause } from '../backoff.ts'
import { Connection, type RedisClient } from './client.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { enableNotifications, notifies } from './notifications.ts'
import { READ_FENCED, runScript } from './script.ts'

/** What a source without a stream follows. */
export interface KeyspaceSettings {
  client: RedisClient
  database: number
  prefix: string
  /** The collections that are known. */
  mappings: () => readonly Mapping[]
}

/** What an {@link Upstream} calls. */
interface UpstreamEvents {
  /** A key of a collection has changed. */
  key(key: string): void
  /** A fence is reached: all that was notified before it has been told of. */
  fence(fence: string): void
}

const SENTINEL_MS = 1000
const SENTINEL_TTL = ['PX', '60000']
const SWITCHED_OFF =
  'Redis no longer notifies of all changes of keys: somebody changed notify-keyspace-events. Particle turns it on again where it may, and reads everything anew'
/** Notifications of what changes no document. */
const IGNORED = new Set(['expire', 'persist', 'new'])

/**
 * The two connections of a {@link KeyspaceFeed}: one that gets notifications, one that reads. Both are there,
 * or it is over.
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

  /** Connects, turns notifications on where they are not, and subscribes to all collections. */
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

  /** Whether a connection is gone, or it was closed. */
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

  /** What the keys hold now; a fence is sent right then, where that is allowed. */
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
   * Resolves when the database was flushed, or when the signal was aborted; rejects when a connection is
   * gone, or notifications were switched off. FLUSHDB, FLUSHALL and SWAPDB notify nobody: a key that vanishes
   * with all the others tells.
   * (An eviction of that key is taken for the same.)
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

  /** Ends it, leaving nothing. */
  async close(): Promise<void> {
    if (!this.isOver && this.#guarded) await this.#commands.send(['DEL', this.#sentinel]).catch(() => {})
    this.fail(undefined)
  }

  /** It is over, and why. */
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
      // One who may only read does without.
      if (!(error instanceof Error && /^(?:NOPERM|READONLY)/.test(error.message))) throw error
      this.#guarded = false
    }
  }
}
