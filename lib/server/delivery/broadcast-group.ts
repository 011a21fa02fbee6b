import type { Frame, IdLines } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { View } from '../view/view.ts'
import type { Receiver } from '../view/view-spec.ts'
import type { Flusher } from './flusher.ts'
import { Outbox } from './outbox.ts'
import { InstantSink } from './sink.ts'
import type { WriteQueue } from './write-queue.ts'

/** A connection as a cohort knows it. */
export interface Member extends Receiver {
  /** Names the views of the connection. */
  readonly rights: string
  readonly views: readonly View[]
  /** Whether it holds everything up to the present, and belongs to no cohort. */
  readonly seatable: boolean
  seat(cohort: Cohort): void
  /** Where what the cohort gathered in a turn is written. */
  readonly queue: WriteQueue
}

/** Writes to many queues. */
class QueuesSink extends InstantSink {
  readonly #queues: ReadonlySet<WriteQueue>

  constructor(queues: ReadonlySet<WriteQueue>) {
    super()
    this.#queues = queues
  }

  write(bytes: Buffer, framed?: Buffer): boolean {
    for (const queue of this.#queues) queue.writeNow(bytes, framed)
    return true
  }
}

/**
 * Connections of the same rights that hold everything up to the present: what a turn brings is gathered once
 * for all of them. A connection of which anything else is to be said leaves, and comes back in a later turn.
 */
export class Cohort implements Receiver {
  readonly outbox: Outbox
  readonly #views: readonly View[]
  /**
   * The queues alone: at each step between a list and a socket lies memory that the processor has to wait
   * for.
   */
  readonly #queues = new Set<WriteQueue>()

  constructor(views: readonly View[], rights: string, flusher: Flusher, ids: IdLines) {
    this.#views = views
    this.outbox = new Outbox(new QueuesSink(this.#queues), flusher, ids, rights)
  }

  get size(): number {
    return this.#queues.size
  }

  /** Whether its members have these views. */
  shows(views: readonly View[]): boolean {
    return views.length === this.#views.length && views.every((view) => this.#views.includes(view))
  }

  deliver(_view: View, entry: Entry, frame: Frame): void {
    this.outbox.pushFrame(entry, frame, true)
  }

  add(member: Member): void {
    if (this.#queues.size === 0) for (const view of this.#views) view.receivers.add(this)
    this.#queues.add(member.queue)
  }

  delete(member: Member): void {
    if (this.#queues.delete(member.queue) && this.#queues.size === 0)
      for (const view of this.#views) view.receivers.delete(this)
  }
}

/** A connection's place: in its cohort, or by itself, where it gets the frames of its views itself. */
export class Seat {
  readonly #member: Member
  readonly #cohorts: Cohorts
  #cohort: Cohort | undefined

  constructor(member: Member, cohorts: Cohorts) {
    this.#member = member
    this.#cohorts = cohorts
  }

  get taken(): boolean {
    return this.#cohort !== undefined
  }

  take(cohort: Cohort): void {
    this.#cohort = cohort
    for (const view of this.#member.views) view.receivers.delete(this.#member)
  }

  /**
   * Leaves the cohort, if it is in one, and asks to come back. Returns the one that was left: what waits
   * there is the connection's too.
   */
  leave(): Cohort | undefined {
    const cohort = this.#cohort
    if (!cohort) return undefined
    this.#cohort = undefined
    for (const view of this.#member.views) view.receivers.add(this.#member)
    this.#cohorts.left(this.#member, cohort)
    this.#cohorts.seat(this.#member)
    return cohort
  }
}

/** All cohorts of a server, by rights. */
export class Cohorts {
  readonly #flusher: Flusher
  readonly #ids: IdLines
  readonly #cohorts = new Map<string, Cohort>()
  readonly #waiting = new Set<Member>()

  constructor(flusher: Flusher, ids: IdLines) {
    this.#flusher = flusher
    this.#ids = ids
  }

  /** Puts a connection into its cohort at the end of this turn, if it is fit for it by then. */
  seat(member: Member): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#seatAll())
    this.#waiting.add(member)
  }

  /** The connection has left its cohort. */
  left(member: Member, cohort: Cohort): void {
    cohort.delete(member)
    if (cohort.size === 0 && this.#cohorts.get(member.rights) === cohort) this.#cohorts.delete(member.rights)
  }

  #seatAll(): void {
    // Who comes must neither get what was gathered before, nor leave anything behind.
    this.#flusher.flush()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const member of waiting) {
      if (!member.seatable) continue
      const { rights, views } = member
      let cohort = this.#cohorts.get(rights)
      if (!cohort) {
        cohort = new Cohort(views, rights, this.#flusher, this.#ids)
        this.#cohorts.set(rights, cohort)
      }
      // Were two sets of views ever to have the same name, nobody would see those of another.
      if (!cohort.shows(views)) continue
      cohort.add(member)
      member.seat(cohort)
    }
  }
}
