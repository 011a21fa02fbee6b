import type { ChangeStream, ChangeStreamDocument, ClientSession, Db, Document, MongoClient } from 'mongodb'
import { RetryLoop } from '../retry-loop.ts'
import { lastTimeStart, tellable } from './batch.ts'
import { explain, isTopologyClosed, reconnect } from './connecting.ts'
import { Fragments } from './fragments.ts'
import { type Begin, type Beginning, errorCode, keepsImages } from './server.ts'
import { type ClusterTime, clusterTime, laterTime } from './time.ts'

/**
 * How values are read, whatever the client's own options are: without loss, and told by their classes. A text
 * that is not UTF-8, which some drivers write, must not end the stream.
 */
export const READ_OPTIONS = {
  promoteLongs: true,
  promoteValues: true,
  promoteBuffers: false,
  useBigInt64: false,
  bsonRegExp: true,
  enableUtf8Validation: false,
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
  /** Whether a router of a sharded cluster answers. */
  sharded: boolean
  /**
   * The database that is asked whether a collection of it keeps pre-images; where one does, events hold them
   * (`fullDocumentBeforeChange`).
   */
  images?: Db
  start: Beginning
}

/**
 * What an {@link EventStream} calls, one call at a time: the next one waits for the promise that it returned.
 */
export interface EventStreamHandler {
  /**
   * What came at once, in order, and nothing less than all of a cluster time that belongs together. When it
   * rejects, the stream is opened again and these events come again.
   */
  events(events: readonly ChangeStreamDocument[]): void | Promise<void>
  /**
   * The server had nothing to tell. `asked` is the last cluster time that was known when it was asked,
   * `token` how far the server says that it has looked.
   */
  quiet(token: unknown, asked: ClusterTime): void
  /** The history is gone; returns where to go on from. */
  lost(reason: string): Promise<Beginning>
  error(error: unknown): void
}

/**
 * ChangeStreamHistoryLost; ChangeStreamFatalError and InvalidResumeToken, as after a rollback or on another
 * cluster; BSONObjectTooLarge: an event over 16 MB where the server can't split it, which would come again
 * for ever.
 */
const HISTORY_LOST = new Set([286, 280, 260, 10334])

/** Splits events over 16 MB; MongoDB 6.0.9 and later. */
const SPLIT = '$changeStreamSplitLargeEvent'
/** An unknown stage; one that is not of the API version which the client insists on. */
const UNKNOWN_STAGE = new Set([40324, 323])

/**
 * One change stream that is kept open: it is opened again after an error (after a pause of 0.5 s that doubles
 * up to 30 s) and after an `invalidate` event, from the place to which its events were handled.
 */
export class EventStream {
  readonly #options: EventStreamOptions
  readonly #handler: EventStreamHandler
  readonly #loop: RetryLoop
  #resume: Begin
  #known: ClusterTime
  #split: boolean
  #images = false
  /** What the driver was asked last. */
  #asked: Promise<unknown> | undefined
  /** How often the driver went on by itself since it last had an answer. */
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
    })
  }

  /** Resolves when the server first accepts the stream; rejects when the stream is closed before. */
  get opened(): Promise<void> {
    return this.#loop.opened
  }

  /** The place up to which its events were handled. */
  get place(): Begin {
    return this.#resume
  }

  /** Tells of a cluster time that the server has come to. */
  know(time: ClusterTime): void {
    this.#known = laterTime(this.#known, time)
  }

  /** Ends the stream; no handler is called afterwards. */
  async close(reason?: unknown): Promise<void> {
    const closed = this.#loop.close(reason)
    this.#end()
    await closed
  }

  /** Reconnects a client whose topology is closed; handles every other failure. */
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
    if (this.#closed) return
    // Only a causal session keeps the server's time that comes with each reply.
    const session = client.startSession({ causalConsistency: true })
    const stream = source.watch(this.#split ? [...pipeline, { [SPLIT]: {} }] : pipeline, {
      ...READ_OPTIONS,
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
        // The driver goes on by itself after some errors, at once and for ever: that is well only as long as
        // it gets any further.
        if (cursorOf(stream) === cursor) return
        cursor = cursorOf(stream)
        this.#interruptions += 1
        if (this.#interruptions > 2) this.#fail(new Error('The change stream breaks off again and again'))
      })
    })
    const end = async () => {
      await stream.close().catch(() => {})
      await session.endSession().catch(() => {})
    }
    try {
      await this.#pump(stream, session)
    } finally {
      // Before its first answer the driver doesn't know the cursor that it would have to kill.
      if (this.#closed && !known && this.#asked) void Promise.race([accepted, this.#asked]).then(end, end)
      else await end()
    }
  }

  async #pump(stream: ChangeStream, session: ClientSession): Promise<void> {
    const { BSON } = await import('mongodb')
    const fragments = new Fragments()
    let batch: ChangeStreamDocument[] = []
    while (!this.#closed) {
      const asked = this.#known
      const next = stream.tryNext()
      next.catch(() => {})
      this.#asked = next
      // What has come already is there before this turn ends; then the batch is handed over while the server
      // is asked for more.
      if (batch.length > 0 && (await isLater(next))) {
        const ready = tellable(batch, this.#options.sharded, (event) => {
          try {
            return BSON.calculateObjectSize(event)
          } catch {
            // It takes a field of the name `_bsontype` for a class. Of an unknown size, the event may be a
            // large one.
            return Number.POSITIVE_INFINITY
          }
        })
        await this.#hand(batch.slice(0, ready))
        batch = batch.slice(ready)
      }
      const event = await this.#unlessClosed(next)
      if (this.#closed) return
      this.#loop.accept()
      this.#interruptions = 0
      if (session.operationTime) this.know(clusterTime(session.operationTime))
      if (event) {
        const whole = fragments.take(event)
        if (!whole) continue
        batch.push(whole)
        if (whole.operationType === 'invalidate') {
          await this.#hand(batch)
          this.#resume = { startAfter: whole._id }
          return
        }
        if (this.#options.images && !this.#images && bringsImages(whole)) {
          // From this very event on, with all that belongs to it, they come again with pre-images.
          this.#images = true
          await this.#hand(batch.slice(0, lastTimeStart(batch)))
          return
        }
        continue
      }
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
   * A question to the server that is still open must not hold up close(). (A race with one lasting promise
   * would keep all of its losers.)
   */
  async #unlessClosed<T>(promise: Promise<T>): Promise<T | null> {
    if (this.#closed) return null
    return await new Promise((resolve, reject) => {
      this.#end = () => resolve(null)
      this.#fail = reject
      promise.then(resolve, reject)
    })
  }

  async #hand(batch: readonly ChangeStreamDocument[]): Promise<void> {
    const last = batch.at(-1)
    if (this.#closed || !last) return
    await this.#handler.events(batch)
    this.#resume = { resumeAfter: last._id }
    this.#loop.succeeded()
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

/**
 * Not of the driver's documented interface; where it has none, nothing is noticed, and the driver goes on by
 * itself.
 */
function cursorOf(stream: ChangeStream): unknown {
  return (stream as { cursor?: unknown }).cursor
}

function isUnknownStage(error: unknown): boolean {
  return UNKNOWN_STAGE.has(errorCode(error)) || errorMessage(error).includes(SPLIT)
}

/** Whether from this event on a collection keeps pre-images. */
function bringsImages(event: ChangeStreamDocument): boolean {
  if (event.operationType !== 'create' && event.operationType !== 'modify') return false
  const { operationDescription } = event as { operationDescription?: Document }
  return operationDescription?.changeStreamPreAndPostImages?.enabled === true
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
