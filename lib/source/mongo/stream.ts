import type { ChangeStream, ClientSession, Db, Document, MongoClient } from 'mongodb'
import { RetryLoop } from '../retry-loop.ts'
import { Arrivals, takesRaw } from './arrivals.ts'
import { lastTimeStart, tellable } from './batch.ts'
import { explain, isTopologyClosed, reconnect } from './connecting.ts'
import { Fragments } from './fragments.ts'
import { type Decoder, decodeEvent, RawEvent, type StreamEvent } from './raw-event.ts'
import { READ_OPTIONS } from './read-options.ts'
import { type Begin, type Beginning, errorCode, keepsImages } from './server.ts'
import { type ClusterTime, clusterTime, laterTime } from './time.ts'

/** Describes an object to watch: a collection, a database, a client. */
export type Watchable = Pick<Db | MongoClient, 'watch'>

/** Options of an {@link EventStream}. */
export interface EventStreamOptions {
  client: MongoClient
  source: Watchable
  pipeline: Document[]
  maxAwaitTimeMS: number
  expanded: boolean
  /** Marks a router of a sharded cluster. */
  sharded: boolean
  /**
   * The database whose collections may keep pre-images. If one does, events contain pre-images
   * (`fullDocumentBeforeChange`).
   */
  images?: Db
  /**
   * Checks whether somebody is shown a collection. Events of other collections may be passed on undecoded.
   * Left out: all events are decoded.
   */
  isShown?: ((collection: string) => boolean) | undefined
  start: Beginning
}

/**
 * Receives the events of an {@link EventStream}, one call at a time: the next call waits for the returned
 * promise.
 */
export interface EventStreamHandler {
  /**
   * Receives the events of an answer in order, with all events of a cluster time that belong together. When
   * the promise rejects, the stream opens again and the same events come again.
   */
  events(events: readonly StreamEvent[]): void | Promise<void>
  /**
   * Receives an empty answer. `asked` is the last cluster time known before the request, `token` the server's
   * own report of its progress.
   */
  quiet(token: unknown, asked: ClusterTime): void
  /** Reports a lost history. Returns the place to continue at. */
  lost(reason: string): Promise<Beginning>
  error(error: unknown): void
  /** Reports that the server answers again after an error. */
  recovered?(): void
}

/**
 * ChangeStreamHistoryLost; ChangeStreamFatalError and InvalidResumeToken, as after a rollback or on another
 * cluster; BSONObjectTooLarge: an event over 16 MB that the server can't split, which would come again for
 * ever.
 */
const HISTORY_LOST = new Set([286, 280, 260, 10334])

/** Splits events over 16 MB; MongoDB 6.0.9 and later. */
const SPLIT = '$changeStreamSplitLargeEvent'
/** An unknown stage; a stage outside of the API version that the client requires. */
const UNKNOWN_STAGE = new Set([40324, 323])

/**
 * Keeps one change stream open. Opens it again after an error (after a pause of 0.5 s that doubles up to 30
 * s) and after an `invalidate` event, at the place up to which its events were handled.
 *
 *     opening --first answer--> following --error--> pause --> opening, at the last place
 *                                  |--history lost--> ask the handler for a place --> opening
 *                                  `--close()--> closed
 */
export class EventStream {
  readonly #options: EventStreamOptions
  readonly #handler: EventStreamHandler
  readonly #loop: RetryLoop
  #resume: Begin
  #known: ClusterTime
  #split: boolean
  #images = false
  /** The last request to the driver. */
  #asked: Promise<unknown> | undefined
  /** Counts the driver's own retries since its last answer. */
  #interruptions = 0
  #fail: (error: Error) => void = () => {}
  #end: () => void = () => {}

  constructor(options: EventStreamOptions, handler: EventStreamHandler) {
    this.#options = options
    this.#handler = handler
    this.#resume = options.start.begin
    this.#known = options.start.time
    this.#split = !options.pipeline.some((stage) => SPLIT in stage)
    this.#loop = new RetryLoop({
      attempt: () => this.#follow(),
      failed: (error) => this.#recover(error),
      recovered: () => this.#handler.recovered?.(),
    })
  }

  /** Resolves when the server first accepts the stream; rejects when the stream is closed before. */
  get opened(): Promise<void> {
    return this.#loop.opened
  }

  /** The place up to which the events were handled. */
  get place(): Begin {
    return this.#resume
  }

  /** Notes a cluster time that the server has reached. */
  know(time: ClusterTime): void {
    this.#known = laterTime(this.#known, time)
  }

  /** Ends the stream; no handler is called afterwards. */
  async close(reason?: unknown): Promise<void> {
    const closed = this.#loop.close(reason)
    this.#end()
    await closed
  }

  /** Reconnects a client whose topology is closed, and handles every other failure. */
  async #recover(error: unknown): Promise<undefined | 'at once'> {
    try {
      if (!isTopologyClosed(error)) explain(error)
      await this.#unlessClosed(reconnect(this.#options.client))
      return 'at once'
    } catch (failure) {
      return await this.#handle(failure)
    }
  }

  async #handle(error: unknown): Promise<undefined | 'at once'> {
    if (this.#split && isUnknownStage(error)) {
      this.#split = false
      return 'at once'
    }
    try {
      if (HISTORY_LOST.has(errorCode(error))) {
        this.#resume = (await this.#handler.lost(`error ${errorCode(error)}`)).begin
        await this.#loop.backoff.waitAgain()
        return 'at once'
      }
      this.#handler.error(error)
    } catch (failure) {
      if (!this.#closed) this.#handler.error(failure)
    }
    return undefined
  }

  get #closed(): boolean {
    return this.#loop.isClosed
  }

  async #follow(): Promise<void> {
    const { client, source, pipeline, maxAwaitTimeMS, expanded, images } = this.#options
    if (images && !this.#images) this.#images = (await this.#unlessClosed(keepsImages(images))) ?? false
    const raw = this.#options.isShown !== undefined && takesRaw(await import('mongodb'))
    if (this.#closed) return
    // Starts a causal session, which alone keeps the server's time of each reply.
    const session = client.startSession({ causalConsistency: true })
    const stream = source.watch(this.#split ? [...pipeline, { [SPLIT]: {} }] : pipeline, {
      ...READ_OPTIONS,
      raw,
      ...this.#resume,
      session,
      maxAwaitTimeMS,
      ...(expanded ? { showExpandedEvents: true } : {}),
      ...(this.#images ? { fullDocumentBeforeChange: 'whenAvailable' } : {}),
    })
    let cursor: unknown
    let known = false
    this.#interruptions = -1
    const accepted = new Promise<void>((resolve) => {
      stream.on('resumeTokenChanged', () => {
        this.#loop.accept()
        known = true
        resolve()
        // Counts the driver's own retries, which are immediate and endless after some errors: that is useful
        // only while the driver makes progress.
        if (cursorOf(stream) === cursor) return
        cursor = cursorOf(stream)
        this.#interruptions += 1
        if (this.#interruptions > 2)
          this.#fail(
            new Error('The change stream breaks off again and again: see the log of the MongoDB server'),
          )
      })
    })
    const end = async () => {
      await stream.close().catch(() => {})
      await session.endSession().catch(() => {})
    }
    try {
      await this.#pump(stream, session)
    } finally {
      // Closes later if the driver has no answer yet: it doesn't know the cursor to kill.
      if (this.#closed && !known && this.#asked) void Promise.race([accepted, this.#asked]).then(end, end)
      else await end()
    }
  }

  async #pump(stream: ChangeStream, session: ClientSession): Promise<void> {
    const { BSON } = await import('mongodb')
    const fragments = new Fragments()
    const arrivals = new Arrivals(stream, (bytes) => this.#opened(bytes, BSON))
    let batch: StreamEvent[] = []
    while (!this.#closed) {
      const asked = this.#known
      const next = arrivals.next()
      next.catch(() => {})
      this.#asked = next
      // Delivers the batch while the server gets the next request. Events that have arrived are there before
      // this turn ends.
      if (batch.length > 0 && (await isLater(next))) {
        const ready = tellable(batch, this.#options.sharded, (event) => {
          if (event.operationType === 'raw') return event.bytes.length
          try {
            return BSON.calculateObjectSize(event)
          } catch {
            // Assumes a large event without a size: the driver takes a field named `_bsontype` for a class.
            return Number.POSITIVE_INFINITY
          }
        })
        await this.#hand(batch.slice(0, ready))
        batch = batch.slice(ready)
      }
      const events = await this.#unlessClosed(next)
      if (this.#closed || !events) return
      this.#loop.accept()
      this.#interruptions = 0
      if (session.operationTime) this.know(clusterTime(session.operationTime))
      for (const event of events) {
        const whole = fragments.take(event)
        if (!whole) continue
        batch.push(whole)
        if (whole.operationType === 'invalidate') {
          await this.#hand(batch)
          this.#resume = { startAfter: whole._id }
          return
        }
        if (this.#options.images && !this.#images && bringsImages(whole)) {
          // Reopens the stream: from this event on, with all of its cluster time, events come again with
          // pre-images.
          this.#images = true
          await this.#hand(batch.slice(0, lastTimeStart(batch)))
          return
        }
      }
      if (events.length > 0) continue
      await this.#hand(batch)
      batch = []
      if (stream.closed) throw new Error('The server ended the change stream')
      if (fragments.pending) continue
      this.#loop.succeeded()
      this.#handler.quiet(stream.resumeToken, asked)
      this.#resume = { resumeAfter: stream.resumeToken }
    }
  }

  /**
   * Breaks off the wait for an open request when the stream is closed. (A race with one lasting promise would
   * keep all of its losers.)
   */
  async #unlessClosed<T>(promise: Promise<T>): Promise<T | null> {
    if (this.#closed) return null
    return await new Promise((resolve, reject) => {
      this.#end = () => resolve(null)
      this.#fail = reject
      promise.then(resolve, reject)
    })
  }

  /** Decodes an event, or only reads its head if nobody is shown its collection. */
  #opened(bytes: Uint8Array, bson: Decoder): StreamEvent {
    const event = RawEvent.peek(bytes, bson)
    return event && this.#options.isShown?.(event.collection) === false ? event : decodeEvent(bytes, bson)
  }

  async #hand(batch: readonly StreamEvent[]): Promise<void> {
    const last = batch.at(-1)
    if (this.#closed || !last) return
    await this.#handler.events(batch)
    this.#resume = { resumeAfter: last._id }
    this.#loop.succeeded()
  }
}

/** Checks that a promise is still pending at the end of this turn of the event loop. */
async function isLater(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => false,
    () => false,
  )
  return await Promise.race([settled, new Promise<boolean>((resolve) => setImmediate(resolve, true))])
}

/**
 * Returns the driver's cursor, which is not documented. Without a cursor, retries are not counted, and the
 * driver goes on by itself.
 */
function cursorOf(stream: ChangeStream): unknown {
  return (stream as { cursor?: unknown }).cursor
}

function isUnknownStage(error: unknown): boolean {
  return UNKNOWN_STAGE.has(errorCode(error)) || errorMessage(error).includes(SPLIT)
}

/** Checks for an event that enables pre-images of a collection. */
function bringsImages(event: StreamEvent): boolean {
  if (event.operationType !== 'create' && event.operationType !== 'modify') return false
  const { operationDescription } = event as { operationDescription?: Document }
  return operationDescription?.changeStreamPreAndPostImages?.enabled === true
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
