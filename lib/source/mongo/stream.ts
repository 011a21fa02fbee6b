import type {
  ChangeStream,
  ChangeStreamDocument,
  ClientSession,
  Db,
  Document,
  MongoClient,
  Timestamp,
} from 'mongodb'
import { type ClusterTime, clusterTime, laterTime } from './time.ts'

/** How values are read, whatever the client's own options are: without loss, and told by `_bsontype`. */
export const READ_OPTIONS = {
  promoteLongs: true,
  promoteValues: true,
  promoteBuffers: false,
  useBigInt64: false,
  bsonRegExp: true,
  raw: false,
} as const

/** What can be watched: a collection, a database, a client. */
export type Watchable = Pick<Db | MongoClient, 'watch'>

/** What a {@link EventStream} is to follow. */
export interface EventStreamOptions {
  client: MongoClient
  source: Watchable
  pipeline: Document[]
  maxAwaitTimeMS: number
  expanded: boolean
  /** Events from this cluster time on are reported, those of it included. */
  start: Timestamp
}

/** What an {@link EventStream} calls, one call at a time: the next one waits for the promise that it returned. */
export interface EventStreamHandler {
  /** What came at once, in order. When it rejects, the stream is opened again and these events come again. */
  events(events: readonly ChangeStreamDocument[]): void | Promise<void>
  /**
   * The server had nothing to tell. `asked` is the last cluster time that was known when it was asked, `token` how far the server says
   * that it has looked.
   */
  quiet(token: unknown, asked: ClusterTime): void
  /** The history is gone; returns where to go on from. */
  lost(reason: string): Promise<Timestamp>
  error(error: unknown): void
}

type Resume = { startAtOperationTime: Timestamp } | { resumeAfter: unknown } | { startAfter: unknown }

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/**
 * ChangeStreamHistoryLost; ChangeStreamFatalError and InvalidResumeToken, as after a rollback or on another cluster;
 * BSONObjectTooLarge: an event over 16 MB, which would come again for ever.
 */
const HISTORY_LOST = new Set([286, 280, 260, 10334])

/**
 * One change stream that is kept open: it is opened again after an error (after a pause of 0.5 s that doubles up to 30 s) and after an
 * `invalidate` event, from the place to which its events were handled.
 */
export class EventStream {
  /** Resolves when the server first accepted the stream, or when it was closed before. */
  readonly opened: Promise<void>
  readonly #options: EventStreamOptions
  readonly #handler: EventStreamHandler
  #resume: Resume
  #known: ClusterTime
  #closed = false
  #running: Promise<void>
  #pause = FIRST_PAUSE_MS
  #wake: (() => void) | undefined
  #accept: () => void = () => {}
  #end: () => void = () => {}

  constructor(options: EventStreamOptions, handler: EventStreamHandler) {
    this.#options = options
    this.#handler = handler
    this.#resume = { startAtOperationTime: options.start }
    this.#known = clusterTime(options.start)
    this.opened = new Promise((resolve) => {
      this.#accept = resolve
    })
    this.#running = this.#run()
  }

  /** Tells of a cluster time that the server has come to. */
  know(time: ClusterTime): void {
    this.#known = laterTime(this.#known, time)
  }

  /** Ends the stream; no handler is called afterwards. */
  async close(): Promise<void> {
    this.#closed = true
    this.#wake?.()
    this.#end()
    this.#accept()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#follow()
      } catch (error) {
        if (this.#closed) return
        await this.#recover(error)
      }
    }
  }

  async #recover(error: unknown): Promise<void> {
    try {
      if (HISTORY_LOST.has(errorCode(error))) {
        this.#resume = { startAtOperationTime: await this.#handler.lost(errorMessage(error)) }
        // At once, but not twice in a row.
        if (this.#pause > FIRST_PAUSE_MS) await this.#sleep()
        this.#pause *= 2
        return
      }
      this.#handler.error(error)
    } catch (failure) {
      if (!this.#closed) this.#handler.error(failure)
    }
    await this.#sleep()
  }

  async #sleep(): Promise<void> {
    if (this.#closed) return
    await new Promise<void>((resolve) => {
      // Not a reason for the process to live on, once the client was closed.
      const timer = setTimeout(resolve, this.#pause).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS)
  }

  async #follow(): Promise<void> {
    const { client, source, pipeline, maxAwaitTimeMS, expanded } = this.#options
    // Only a causal session keeps the server's time that comes with each reply.
    const session = client.startSession({ causalConsistency: true })
    const stream = source.watch(pipeline, {
      ...READ_OPTIONS,
      ...this.#resume,
      session,
      maxAwaitTimeMS,
      ...(expanded ? { showExpandedEvents: true } : {}),
    })
    stream.once('resumeTokenChanged', this.#accept)
    try {
      await this.#pump(stream, session)
    } finally {
      await stream.close().catch(() => {})
      await session.endSession().catch(() => {})
    }
  }

  async #pump(stream: ChangeStream, session: ClientSession): Promise<void> {
    let batch: ChangeStreamDocument[] = []
    while (!this.#closed) {
      const asked = this.#known
      const next = stream.tryNext()
      next.catch(() => {})
      // What has come already is there before this turn ends; then the batch is handed over while the server is asked for more.
      if (batch.length > 0 && (await isLater(next))) {
        await this.#hand(batch)
        batch = []
      }
      const event = await this.#unlessClosed(next)
      if (this.#closed) return
      this.#accept()
      this.#pause = FIRST_PAUSE_MS
      if (session.operationTime) this.know(clusterTime(session.operationTime))
      if (event) {
        batch.push(event)
        if (event.operationType !== 'invalidate') continue
        await this.#hand(batch)
        this.#resume = { startAfter: event._id }
        return
      }
      if (batch.length > 0) {
        await this.#hand(batch)
        batch = []
      }
      if (stream.closed) throw new Error('The server ended the change stream')
      this.#handler.quiet(stream.resumeToken, asked)
      this.#resume = { resumeAfter: stream.resumeToken }
    }
  }

  /** A question to the server that is still open must not hold up close(). (A race with one lasting promise would keep all of its losers.) */
  async #unlessClosed<T>(promise: Promise<T>): Promise<T | null> {
    if (this.#closed) return null
    return await new Promise((resolve, reject) => {
      this.#end = () => resolve(null)
      promise.then(resolve, reject)
    })
  }

  async #hand(batch: readonly ChangeStreamDocument[]): Promise<void> {
    if (this.#closed) return
    await this.#handler.events(batch)
    const last = batch.at(-1)
    if (last) this.#resume = { resumeAfter: last._id }
  }
}

/** Whether a promise is still open when this turn of the event loop ends. */
async function isLater(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => false,
    () => false,
  )
  return await Promise.race([settled, new Promise<boolean>((resolve) => setImmediate(resolve, true))])
}

function errorCode(error: unknown): number {
  const code: unknown =
    typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : 0
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
