import type { Document as BsonDocument, ChangeStreamDocument, Db, MongoClient, Timestamp } from 'mongodb'
import type { Change, ChangeListener } from '../source.ts'
import { eventTime } from './batch.ts'
import { translate } from './change.ts'
import { completeChanges } from './lookup.ts'
import { ALL, comparePositions, formatPosition, parsePosition } from './position.ts'
import { lookupDocuments } from './read.ts'
import { firstBatch, settle } from './server.ts'
import { EventStream } from './stream.ts'
import { type ClusterTime, clusterTime, compareTimes, laterTime } from './time.ts'
import { tokenTime } from './token.ts'

/** What a {@link Following} follows. */
export interface FollowingOptions {
  client: MongoClient
  db: Db
  pipeline: BsonDocument[]
  maxAwaitTimeMS: number
  /** The cluster time to start the stream at. */
  start: Timestamp
  /** Changes up to this position are not reported. */
  position: string
  expanded: boolean
  sharded: boolean
  /** The collections that are known by name. */
  collections: () => readonly string[]
  /** The server's time now. */
  now: () => Promise<Timestamp>
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
  /** Where the stream was last begun by a time. */
  #start: ClusterTime
  #eventTime: ClusterTime | undefined
  #eventOrdinal = -1
  #quiet: { token: string; asked: ClusterTime } | undefined

  constructor(options: FollowingOptions, listener: ChangeListener) {
    this.#options = options
    this.#listener = listener
    this.#start = clusterTime(options.start)
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

  async close(): Promise<void> {
    await this.#stream.close()
  }

  /**
   * Comes to a cluster time (of after a read) at once where nothing lies between, so that nobody waits for the next answer to the open
   * stream: a second stream is asked for what comes after the position. Its first answer holds all that there is without waiting, so an
   * empty one is proof. (Not with a sharded cluster, whose router answers before all shards did.)
   */
  async reach(time: Timestamp): Promise<void> {
    const target = clusterTime(time)
    this.#stream.know(target)
    const before = this.position
    const position = formatPosition(target, ALL)
    if (this.#options.sharded || !(comparePositions(before, position) < 0)) return
    const place = parsePosition(before)
    if (!place) return
    const { Timestamp } = await import('mongodb')
    await settle(this.#options.db, time)
    const at = new Timestamp(place.time)
    const { db, pipeline, expanded } = this.#options
    const stage = { startAtOperationTime: at, ...(expanded ? { showExpandedEvents: true } : {}) }
    const events = await firstBatch(db, [{ $changeStream: stage }, ...pipeline], time)
    const later = events.filter((event) => {
      const time = eventTime(event)
      return !time || compareTimes(time, place.time) > 0
    })
    // Events of the position's own cluster time come again; the listener has been told those up to the position's ordinal.
    const untold = events.length - later.length > place.ordinal + 1
    if (later.length === 0 && !untold && this.position === before) this.#progress(position)
  }

  async #events(events: readonly ChangeStreamDocument[]): Promise<void> {
    this.#quiet = undefined
    const { expanded, collections, db } = this.#options
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
      const { changes, needsDocument } = translate(event, {
        expanded,
        collections: collections(),
        position: (index) => formatPosition(at, first + index),
      })
      ordinal += Math.max(1, changes.length)
      all.push(...changes)
      if (needsDocument) for (const change of changes) incomplete.add(change)
      const reached = formatPosition(at, ordinal)
      if (comparePositions(reached, position) > 0) position = reached
    }
    joinEqualTimes(all)
    const changes = all.filter((change) => comparePositions(change.position, this.position) > 0)
    // Events of the start come again. Any other one that is not past the position was not told, and can't be any more.
    const again = formatPosition(this.#start, ALL)
    if (
      changes.length < all.length &&
      all.some(
        ({ position: at }) => comparePositions(at, again) > 0 && comparePositions(at, this.position) <= 0,
      )
    ) {
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

  /**
   * How far an empty answer reaches. The token tells how far the server has looked, but it counts only up to a time that was known before the
   * question was put (SecantusDB makes the token's time after it has looked). Where the token stays the same in two empty
   * answers in a row, the server has nothing left to look at, so that everything up to the time known before the first of them was seen.
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

  async #lost(reason: string): Promise<Timestamp> {
    const now = await this.#options.now()
    this.#start = clusterTime(now)
    this.position = formatPosition(this.#start, ALL)
    this.#eventTime = undefined
    this.#eventOrdinal = -1
    this.#quiet = undefined
    this.#tellLost(reason)
    return now
  }

  #tellLost(reason: string): void {
    // Before the subscription was handed out, its position says it all.
    if (this.#announced) this.#listener.lost(`MongoDB has lost the history: ${reason}`, this.position)
    else this.startPosition = this.position
  }
}

/** What happened at one cluster time was written at once: by a transaction, or by one write of many documents. */
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
