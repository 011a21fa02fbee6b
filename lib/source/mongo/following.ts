import type { Document as BsonDocument, ChangeStreamDocument, Db, MongoClient, Timestamp } from 'mongodb'
import type { Change, ChangeListener } from '../source.ts'
import { eventTime } from './batch.ts'
import { bsonToJson } from './bson.ts'
import { reloads, type TranslateOptions, type Translation, translate } from './change.ts'
import type { IdKinds } from './id-kinds.ts'
import { completeChanges } from './lookup.ts'
import { ALL, comparePositions, formatPosition, parsePosition } from './position.ts'
import { lookupDocuments } from './read.ts'
import { type Beginning, firstBatch } from './server.ts'
import { EventStream } from './stream.ts'
import { type ClusterTime, clusterTime, compareTimes, laterTime } from './time.ts'
import { tokenTime } from './token.ts'

/** What a {@link Following} follows. */
export interface FollowingOptions {
  client: MongoClient
  db: Db
  pipeline: BsonDocument[]
  maxAwaitTimeMS: number
  start: Beginning
  /** Changes up to this position are not reported. */
  position: string
  /** Whether the stream begins with changes of up to that position, since they have its cluster time. */
  replays: boolean
  expanded: boolean
  sharded: boolean
  /** The collections that are known by name. */
  collections: () => readonly string[]
  /** Finds ids that are one in JSON. */
  ids: IdKinds
  /** Where to go on once the history is lost. */
  present: () => Promise<Beginning>
}

/** One listener's run along a database's changes: gives the events positions and turns them into changes. */
export class Following {
  /** Resolves when the server has accepted the stream. */
  readonly opened: Promise<void>
  /** Where the changes begin. */
  startPosition: string
  /** How far the listener has been told. */
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
      { ...options, source: options.db, ...(options.expanded ? { images: options.db } : {}) },
      {
        events: (events) => this.#events(events),
        quiet: (token, asked) => this.#onQuiet(token, asked),
        lost: (reason) => this.#lost(reason),
        error: (error) => listener.error(error),
      },
    )
    this.opened = this.#stream.opened
  }

  /** From now on a lost history is the listener's matter, no more that of the start position. */
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
   * Comes to a cluster time (of after a read) at once where nothing lies between, so that nobody waits for
   * the next answer to the open stream: a second stream is asked for what comes after what was told. Its
   * first answer holds all that there is without waiting, so an empty one is proof. (Not with a sharded
   * cluster, whose router answers before all shards did.)
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

  async #events(events: readonly ChangeStreamDocument[]): Promise<void> {
    this.#quiet = undefined
    const { collections, db } = this.#options
    // Kept only once the listener was told: after a failure the same events come again.
    let time = this.#eventTime
    let ordinal = this.#eventOrdinal
    const all: Change[] = []
    const incomplete = new Set<Change>()
    let position = this.position
    for (const event of events) {
      const at = eventTime(event) ?? time
      if (!at) continue
      if (!time || compareTimes(at, time) !== 0) ordinal = -1
      time = at
      const first = ordinal + 1
      const options = {
        collections: collections(),
        position: (index: number) => formatPosition(at, first + index),
      }
      this.#checkId(event)
      const { changes, needsDocument } = this.#translated(event, options)
      ordinal += Math.max(1, changes.length)
      all.push(...changes)
      if (needsDocument) for (const change of changes) incomplete.add(change)
      const reached = formatPosition(at, ordinal)
      if (comparePositions(reached, position) > 0) position = reached
    }
    joinEqualTimes(all)
    const changes = all.filter((change) => comparePositions(change.position, this.position) > 0)
    if (changes.length < all.length && all.some(({ position }) => this.#isLate(position))) {
      this.#tellLost('a change was told later than the server said')
    }
    const complete = await completeChanges(changes, incomplete, (collection, ids) =>
      lookupDocuments(db.collection(collection), ids),
    )
    this.#eventTime = time
    this.#eventOrdinal = ordinal
    if (position === this.position) return
    this.position = position
    if (complete.length > 0) this.#listener.changes(complete, position)
    else this.#listener.progress(position)
  }

  /** Searches for a document of the same id in JSON, where an insert may have made a second one. */
  #checkId(event: ChangeStreamDocument): void {
    const { ids, collections } = this.#options
    if (event.operationType !== 'insert' || !collections().includes(event.ns.coll)) return
    const { _id } = event.documentKey
    if (ids.note(event.ns.coll, _id)) void ids.searchFor(event.ns.coll, [bsonToJson(_id)]).catch(() => {})
  }

  /**
   * What an event means. One that can't be taken is passed over, and its collection is read again: else it
   * would come again and again, and nothing after it.
   */
  #translated(event: ChangeStreamDocument, options: TranslateOptions): Translation {
    try {
      return translate(event, options)
    } catch (error) {
      this.#listener.error(error)
      return { changes: reloads(event, options), needsDocument: false }
    }
  }

  /**
   * How far an empty answer reaches. The token tells how far the server has looked, but it counts only up to
   * a time that was known before the question was put (SecantusDB makes the token's time after it has
   * looked). Where the token stays the same in two empty answers in a row, the server has nothing left to
   * look at, so that everything up to the time known before the first of them was seen.
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

  /**
   * Whether a change should have been told already, and was not: by its own word the server had come further.
   */
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
    this.#tellLost(reason)
    return present
  }

  #tellLost(reason: string): void {
    // Before the subscription was handed out, its position says it all.
    if (this.#announced) this.#listener.lost(`MongoDB has lost the history: ${reason}`, this.position)
    else this.startPosition = this.position
  }
}

/** Whether events that begin with those of a position's cluster time hold more than what comes up to it. */
function exceeds(events: readonly ChangeStreamDocument[], position: string): boolean {
  const place = parsePosition(position)
  if (!place) return true
  const times = events.map((event) => eventTime(event))
  if (times.some((time) => !time || compareTimes(time, place.time) > 0)) return true
  return times.filter((time) => time && compareTimes(time, place.time) === 0).length > place.ordinal + 1
}

/**
 * What happened at one cluster time was written at once: by a transaction, or by one write of many documents.
 */
function joinEqualTimes(changes: readonly Change[]): void {
  let last: Change | undefined
  let lastTime = ''
  for (const change of changes) {
    const time = change.position.slice(0, change.position.lastIndexOf('.'))
    if (last && time === lastTime) {
      last.transaction = time
      change.transaction = time
    }
    last = change
    lastTime = time
  }
}
