import type { Document as BsonDocument, ChangeStreamDocument, Db, MongoClient, Timestamp } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { isoTime } from '../../model/iso-time.ts'
import { completeChanges } from '../completion.ts'
import { reportChanges } from '../report.ts'
import type { Change, ChangeListener, EncodedChange, ReportedChange } from '../source.ts'
import { eventTime } from './batch.ts'
import { bsonToJson } from './bson.ts'
import { reloads, type TranslateOptions, type Translation, translate } from './change.ts'
import type { IdKinds } from './id-kinds.ts'
import { inOrderOfMoves } from './moves.ts'
import {
  ALL,
  comparePlaces,
  comparePositions,
  formatPosition,
  type Place,
  parsePosition,
} from './position.ts'
import { decodeEvent, type RawEvent, type StreamEvent } from './raw-event.ts'
import { lookupDocuments } from './read.ts'
import { type Beginning, firstBatch } from './server.ts'
import { EventStream } from './stream.ts'
import { type ClusterTime, clusterTime, compareTimes, laterTime } from './time.ts'
import { tokenTime } from './token.ts'

/** Options of a {@link Following}. */
export interface FollowingOptions {
  client: MongoClient
  db: Db
  pipeline: BsonDocument[]
  maxAwaitTimeMS: number
  start: Beginning
  /** Changes up to this position are not reported. */
  position: string
  /** Marks a stream that begins with changes up to that position, because they have its cluster time. */
  replays: boolean
  expanded: boolean
  sharded: boolean
  /** The collections that are known by name. */
  collections: () => readonly string[]
  /** Finds ids that are equal in JSON only. */
  ids: IdKinds
  /** Returns the place to continue at after a lost history. */
  present: () => Promise<Beginning>
}

/** Follows a database for one listener: gives positions to events and translates them into changes. */
export class Following {
  /** Resolves when the server has accepted the stream. */
  readonly opened: Promise<void>
  /** The start of the changes. */
  startPosition: string
  /** The last position that was reported to the listener. */
  position: string
  readonly #options: FollowingOptions
  readonly #listener: ChangeListener
  readonly #stream: EventStream
  #announced = false
  #start: ClusterTime
  /** Changes up to here come once more. */
  #again: string | undefined
  #eventTime: ClusterTime | undefined
  #eventOrdinal = -1
  #quiet: { token: string; asked: ClusterTime } | undefined

  constructor(options: FollowingOptions, listener: ChangeListener) {
    this.#options = options
    this.#listener = listener
    this.#start = options.start.time
    this.#again = options.replays ? options.position : undefined
    this.startPosition = options.position
    this.position = options.position
    this.#stream = new EventStream(
      {
        ...options,
        source: options.db,
        ...(options.expanded ? { images: options.db } : {}),
        // Decodes the events of a sharded cluster, whose order may depend on their documents' keys.
        isShown: options.sharded ? undefined : listener.encoded?.isShown,
      },
      {
        events: (events) => this.#events(events),
        quiet: (token, asked) => this.#onQuiet(token, asked),
        lost: (reason) => this.#lost(reason),
        error: (error) => listener.error(error),
        recovered: () => listener.progress(this.position),
      },
    )
    this.opened = this.#stream.opened
  }

  /**
   * Switches the report of a lost history: before this call it moves the start position, afterwards the
   * listener gets it.
   */
  announce(): void {
    this.#announced = true
  }

  /** Passes a warning on to the listener. */
  warn(error: unknown): void {
    this.#listener.error(error)
  }

  async close(reason?: unknown): Promise<void> {
    await this.#stream.close(reason)
  }

  /**
   * Moves the position to a cluster time (of a read) at once if no change lies between, so that no reader
   * waits for the next answer of the open stream. Opens a second stream at the last reported place. Its first
   * answer contains every existing change without a wait, so that an empty answer is a proof. (Except for a
   * sharded cluster, whose router answers before all shards have.)
   */
  async reach(time: Timestamp): Promise<void> {
    const target = clusterTime(time)
    this.#stream.know(target)
    const before = this.position
    const position = formatPosition(target, ALL)
    if (this.#options.sharded || !(comparePositions(before, position) < 0)) return
    const { db, pipeline, expanded } = this.#options
    const place = this.#stream.place
    const stage = { ...place, ...(expanded ? { showExpandedEvents: true } : {}) }
    const { events } = await firstBatch(db, [{ $changeStream: stage }, ...pipeline], time)
    const untold = 'startAtOperationTime' in place ? exceeds(events, before) : events.length > 0
    if (!untold && this.position === before) this.#progress(position)
  }

  async #events(events: readonly StreamEvent[]): Promise<void> {
    this.#quiet = undefined
    const { db } = this.#options
    const collections = this.#options.collections()
    // Stores the time only after the report: after a failure the same events come again.
    let time = this.#eventTime
    let ordinal = this.#eventOrdinal
    const told = parsePosition(this.position)
    let reached: Place | undefined
    let isLate = false
    let last: { change: ReportedChange; at: ClusterTime } | undefined
    const fresh: ReportedChange[] = []
    const incomplete = new Set<Change>()
    for (const event of inOrderOfMoves(events)) {
      const at = eventTime(event) ?? time
      if (!at) throw withoutTime(event)
      if (!time || compareTimes(at, time) !== 0) ordinal = -1
      time = at
      const first = ordinal + 1
      const position = (index: number) => formatPosition(at, first + index)
      const { changes, needsDocument } = this.#translated(event, { collections, position })
      ordinal += Math.max(1, changes.length)
      const place = { time: at, ordinal }
      if (!told || comparePlaces(place, reached ?? told) > 0) reached = place
      for (const [index, change] of changes.entries()) {
        // Joins the changes of one cluster time, which were written at once: by a transaction, or by one
        // write of many documents.
        if (last && compareTimes(at, last.at) === 0)
          change.transaction = last.change.transaction = `${at.t}.${at.i}`
        last = { change, at }
        if (needsDocument && change.kind !== 'encoded') incomplete.add(change)
        if (!told || comparePlaces({ time: at, ordinal: first + index }, told) > 0) fresh.push(change)
        else isLate ||= this.#isLate(change.position)
      }
    }
    if (isLate) this.#reportLost('a change came later than the server had announced')
    const complete = await completeChanges(fresh, incomplete, (collection, ids) =>
      lookupDocuments(db.collection(collection), ids),
    )
    this.#eventTime = time
    this.#eventOrdinal = ordinal
    if (!reached) return
    this.position = formatPosition(reached.time, reached.ordinal)
    reportChanges(this.#listener, complete, this.position)
  }

  /** Searches for a document with the same id in JSON, when an insert may have created a second one. */
  #checkId(event: ChangeStreamDocument): void {
    const { ids, collections } = this.#options
    if (event.operationType !== 'insert' || !collections().includes(event.ns.coll)) return
    const { _id } = event.documentKey
    if (ids.note(event.ns.coll, _id)) void ids.searchFor(event.ns.coll, [bsonToJson(_id)]).catch(() => {})
  }

  /**
   * Translates an event. Skips an event that can't be translated, and requests a new read of its collection.
   * Otherwise the same event would come again and again.
   */
  #translated(
    event: StreamEvent,
    options: TranslateOptions,
  ): Pick<Translation, 'needsDocument'> & { changes: readonly ReportedChange[] } {
    if (event.operationType === 'raw')
      return { changes: [this.#encoded(event, options)], needsDocument: false }
    this.#checkId(event)
    return this.#decoded(event, options)
  }

  #decoded(event: ChangeStreamDocument, options: TranslateOptions): Translation {
    try {
      return translate(event, options)
    } catch (error) {
      this.#listener.error(error)
      return { changes: reloads(event, options), needsDocument: false }
    }
  }

  /**
   * Keeps an event as it came. Its id needs no search: the read of the collection, before somebody is shown
   * it, notes all ids.
   */
  #encoded(
    { time, wallTime, collection, bytes, decoder }: RawEvent,
    options: TranslateOptions,
  ): EncodedChange {
    // Copies the bytes, which would keep the memory of their whole answer.
    const own = Buffer.from(bytes)
    const change: EncodedChange = {
      kind: 'encoded',
      position: options.position(0),
      timestamp: isoTime(wallTime ?? time.t * 1000),
      collection,
      bytes: own.length,
      decode: () => {
        const event = decodeEvent(own, decoder)
        const { changes, needsDocument } = this.#decoded(event, options)
        const { transaction } = change
        const whole = needsDocument ? reloads(event, options) : changes
        return transaction === undefined ? whole : whole.map((one) => ({ ...one, transaction }))
      },
    }
    return change
  }

  /**
   * Reports the progress of an empty answer. The token says how far the server has looked, but it counts only
   * up to a time that was known before the question (SecantusDB creates the token's time after its search).
   * The same token in two empty answers in a row means that the server has seen everything up to the time
   * known before the first of them.
   */
  #onQuiet(resumeToken: unknown, asked: ClusterTime): void {
    const looked = tokenTime(resumeToken)
    const token = JSON.stringify(resumeToken) ?? ''
    const previous = this.#quiet
    this.#quiet = { token, asked }
    let reached = looked && compareTimes(looked, asked) < 0 ? looked : asked
    if (!looked) reached = previous?.asked ?? this.#start
    else if (!this.#options.sharded && previous?.token === token) reached = laterTime(reached, previous.asked)
    this.#progress(formatPosition(reached, ALL))
  }

  #progress(position: string): void {
    if (!(comparePositions(position, this.position) > 0)) return
    this.position = position
    this.#listener.progress(position)
  }

  /** Checks for a change that should have been reported already: the server had claimed to be past it. */
  #isLate(position: string): boolean {
    if (this.#again !== undefined && comparePositions(position, this.#again) <= 0) return false
    return comparePositions(position, this.position) <= 0
  }

  async #lost(reason: string): Promise<Beginning> {
    const present = await this.#options.present()
    const position = formatPosition(present.time, ALL)
    if (comparePositions(position, this.position) > 0) this.position = position
    this.#start = present.time
    this.#again = undefined
    this.#eventTime = undefined
    this.#eventOrdinal = -1
    this.#quiet = undefined
    this.#reportLost(reason)
    return present
  }

  #reportLost(reason: string): void {
    // Moves the start position instead of a report: the subscription does not exist yet.
    if (this.#announced) this.#listener.lost(`MongoDB has lost the history: ${reason}`, this.position)
    else this.startPosition = this.position
  }
}

/** Creates the error for a change without a time, which has no position and must not be lost in silence. */
function withoutTime({ operationType }: StreamEvent): ParticleError {
  return new ParticleError(
    'SOURCE_FAILED',
    `The server sent a change (${operationType}) without clusterTime, so that it has no position. Changes ` +
      'need a server that sends it, as MongoDB does since 4.0',
  )
}

/** Checks that events starting at a position's cluster time contain changes after the position. */
function exceeds(events: readonly ChangeStreamDocument[], position: string): boolean {
  const place = parsePosition(position)
  if (!place) return true
  const times = events.map((event) => eventTime(event))
  if (times.some((time) => !time || compareTimes(time, place.time) > 0)) return true
  return times.filter((time) => time && compareTimes(time, place.time) === 0).length > place.ordinal + 1
}
