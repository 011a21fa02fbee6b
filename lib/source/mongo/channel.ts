import type { ChangeStreamDocument, Collection, MongoClient, Timestamp } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { persist } from '../backoff.ts'
import { connected } from './connecting.ts'
import { normalEvents, prettyEvent, resetEvent } from './format.ts'
import type { Namespace } from './namespace.ts'
import { isDecoded } from './raw-event.ts'
import { lookupDocuments } from './read.ts'
import { anyDatabase, askServer, type Beginning, isHopeless, serverTime } from './server.ts'
import { EventStream } from './stream.ts'
import { type ClusterTime, clusterTime, compareTimes } from './time.ts'

/** Represents a listener of a {@link Channel}. */
export interface Watcher {
  readonly listener: (event: unknown) => unknown
  /** Stops the attempts to open the stream. */
  readonly stopped: AbortController
  /** The listener gets events after this time. Undefined until the server has answered. */
  since?: ClusterTime
  /** Events that came before `since` was known. */
  held: { time: ClusterTime | undefined; event: unknown }[]
}

/** Receives the reports of a channel. */
export interface ChannelReports {
  error(error: unknown): void
  debug(message: string): void
}

/**
 * The time that a stream of the watch waits on the server. A long wait costs nothing here, because the server
 * sends changes at once.
 */
const MAX_AWAIT_MS = 1000

/** Shares one namespace's change stream among its listeners. */
export class Channel {
  readonly #namespace: Namespace
  readonly #format: string
  readonly #connect: () => Promise<MongoClient>
  readonly #reports: ChannelReports
  readonly #watchers = new Set<Watcher>()
  #stream: EventStream | undefined

  constructor(
    namespace: Namespace,
    format: string,
    connect: () => Promise<MongoClient>,
    reports: ChannelReports,
  ) {
    this.#namespace = namespace
    this.#format = format
    this.#connect = connect
    this.#reports = reports
  }

  get isEmpty(): boolean {
    return this.#watchers.size === 0
  }

  /** Adds a listener. Resolves when the listener misses no later event. */
  async add(watcher: Watcher): Promise<void> {
    this.#watchers.add(watcher)
    const { signal } = watcher.stopped
    const failed = (error: unknown) => this.#reports.error(error)
    try {
      await persist(() => this.#start(watcher), isHopeless, failed, signal)
    } catch (error) {
      this.#watchers.delete(watcher)
      if (!signal.aborted) failed(error)
      throw error
    }
  }

  remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    watcher.stopped.abort(new ParticleError('CLOSED', `The watch of ${this.#namespace.text} was stopped`))
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) this.remove(watcher)
    await this.#stream?.close()
    this.#reports.debug(`Stopped watching ${this.#namespace.text}`)
  }

  async #start(watcher: Watcher): Promise<void> {
    const client = await this.#connect()
    // Asks for the time first, so that the least is missed between the call and the stream's start.
    const now = await connected(client, () => serverTime(anyDatabase(client)))
    const { expanded, sharded } = await askServer(anyDatabase(client))
    watcher.stopped.signal.throwIfAborted()
    this.#stream ??= this.#open(client, now, expanded, sharded)
    watcher.since = clusterTime(now)
    for (const { time, event } of watcher.held.splice(0)) this.#tell(watcher, time, event)
  }

  #open(client: MongoClient, start: Timestamp, expanded: boolean, sharded: boolean): EventStream {
    const { text } = this.#namespace
    this.#reports.debug(`Watching ${text}`)
    const source = this.#namespace.source(client)
    return new EventStream(
      { client, source, pipeline: [], maxAwaitTimeMS: MAX_AWAIT_MS, expanded, sharded, start: from(start) },
      {
        events: (events) => this.#events(events.filter(isDecoded), client),
        quiet: () => {},
        error: (error) => this.#reports.error(error),
        lost: async (reason) => {
          const now = await serverTime(anyDatabase(client))
          this.#reports.error(new ParticleError('SOURCE_FAILED', `The history of ${text} is lost: ${reason}`))
          if (this.#format === 'normal') this.#tellAll(undefined, resetEvent(text, new Date()))
          return from(now)
        },
      },
    )
  }

  async #events(events: readonly ChangeStreamDocument[], client: MongoClient): Promise<void> {
    const told: { time: ClusterTime | undefined; event: unknown }[] = []
    for (const event of events) {
      const time = event.clusterTime && clusterTime(event.clusterTime)
      for (const formatted of await this.#formatted(event, client)) told.push({ time, event: formatted })
    }
    // Reports only after all events are formatted: after a failure, all of them come again.
    for (const { time, event } of told) this.#tellAll(time, event)
  }

  async #formatted(event: ChangeStreamDocument, client: MongoClient): Promise<unknown[]> {
    if (this.#format === 'raw') return [event]
    if (this.#format === 'pretty') return [prettyEvent(event)]
    const lookup = (database: string) => (name: string, ids: Parameters<typeof lookupDocuments>[1]) => {
      const collection: Collection = client.db(database).collection(name)
      return lookupDocuments(collection, ids)
    }
    const formatted = await normalEvents(event, lookup)
    return formatted.filter(({ namespace }) => this.#namespace.holds(namespace))
  }

  #tellAll(time: ClusterTime | undefined, event: unknown): void {
    for (const watcher of this.#watchers) {
      if (watcher.since) this.#tell(watcher, time, event)
      else watcher.held.push({ time, event })
    }
  }

  #tell(watcher: Watcher, time: ClusterTime | undefined, event: unknown): void {
    if (!this.#watchers.has(watcher)) return
    if (time && watcher.since && compareTimes(time, watcher.since) <= 0) return
    try {
      const result = watcher.listener(event)
      if (result instanceof Promise) result.catch((error: unknown) => this.#reports.error(error))
    } catch (error) {
      this.#reports.error(error)
    }
  }
}

function from(time: Timestamp): Beginning {
  return { begin: { startAtOperationTime: time }, time: clusterTime(time) }
}
