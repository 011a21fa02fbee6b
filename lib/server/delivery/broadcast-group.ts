import type { Frame } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { View } from '../view/view.ts'
import type { Receiver } from '../view/view-spec.ts'
import type { Flusher } from './flusher.ts'
import type { IdLines } from './id-lines.ts'
import { Outbox } from './outbox.ts'
import { InstantSink } from './sink.ts'
import type { WriteQueue } from './write-queue.ts'

/** Describes a connection, as far as a group uses it. */
export interface Member extends Receiver {
  /** The digest of the connection's views. */
  readonly rights: string
  readonly views: readonly View[]
  /** Whether the client has all data up to the present, and the connection belongs to no group. */
  readonly canJoin: boolean
  /** The connection's group. A connection without a group receives the frames of its views itself. */
  group: BroadcastGroup | undefined
  /** The queue that gets the group's bytes. */
  readonly queue: WriteQueue
}

/** Writes the same bytes to many queues. */
class QueuesSink extends InstantSink {
  readonly #queues: ReadonlySet<WriteQueue>
  readonly #flusher: Flusher

  constructor(queues: ReadonlySet<WriteQueue>, flusher: Flusher) {
    super()
    this.#queues = queues
    this.#flusher = flusher
  }

  write(bytes: Buffer, framed?: Buffer): boolean {
    for (const queue of this.#queues) queue.writeNow(bytes, framed)
    // Counts the bytes of all members but one, since the group's own queue counts them once.
    this.#flusher.sent += bytes.length * (this.#queues.size - 1)
    return true
  }
}

/**
 * Broadcasts one turn's events to all connections with the same views whose clients have all data up to the
 * present. The events are gathered once, and every member's queue gets the same bytes:
 *
 *    alone --groups.join--> waiting --end of the turn, if canJoin--> member --own event (leave)--> waiting
 *                              '-- the only one with its views --> alone, until a second one comes
 *
 * Alone and waiting, the connection receives the frames of its views. As a member, the group receives them. A
 * connection with an event of its own (reset, error, session) leaves first, copies the group's unsent bytes,
 * and joins again in a later turn.
 */
export class BroadcastGroup implements Receiver {
  readonly outbox: Outbox
  readonly #views: readonly View[]
  /**
   * The members' queues alone. Each object between the set and a socket would cost a memory access per
   * member.
   */
  readonly #queues = new Set<WriteQueue>()

  constructor(views: readonly View[], rights: string, flusher: Flusher, ids: IdLines) {
    this.#views = views
    this.outbox = new Outbox(new QueuesSink(this.#queues, flusher), flusher, ids, rights)
  }

  get size(): number {
    return this.#queues.size
  }

  /** Checks whether the members have these views. */
  shows(views: readonly View[]): boolean {
    return views.length === this.#views.length && views.every((view) => this.#views.includes(view))
  }

  deliver(_view: View, entry: Entry, frame: Frame): void {
    this.outbox.joinFrame(entry, frame)
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

/**
 * Holds all groups of a server, by the digest of their views. A connection that is the only one with its
 * views has no group, which would take 0.6 KB.
 */
export class BroadcastGroups {
  readonly #flusher: Flusher
  readonly #ids: IdLines
  readonly #groups = new Map<string, BroadcastGroup | Member>()
  readonly #waiting = new Set<Member>()

  constructor(flusher: Flusher, ids: IdLines) {
    this.#flusher = flusher
    this.#ids = ids
  }

  /** Joins a connection to its group at the end of this turn, if `canJoin` is true by then. */
  join(member: Member): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#joinAll())
    this.#waiting.add(member)
  }

  /**
   * Lets a connection leave, and join again in a later turn. Returns the left group, whose unsent bytes
   * belong to the connection too.
   */
  leave(member: Member): BroadcastGroup | undefined {
    const { group, rights } = member
    const isAlone = this.#groups.get(rights) === member
    if (group) {
      member.group = undefined
      for (const view of member.views) view.receivers.add(member)
      group.delete(member)
    } else if (!isAlone) return undefined
    if (isAlone || (group?.size === 0 && this.#groups.get(rights) === group)) this.#groups.delete(rights)
    this.join(member)
    return group
  }

  #joinAll(): void {
    // Flushes before, because a new member must neither get earlier bytes nor leave bytes behind.
    this.#flusher.flush()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const member of waiting) {
      if (!member.canJoin) continue
      const found = this.#groups.get(member.rights)
      const group = found instanceof BroadcastGroup ? found : this.#pair(member, found)
      // Compares the views themselves, so that even equal digests of different views mix no data.
      if (group?.shows(member.views)) this.#add(member, group)
    }
  }

  /** Creates a group for a connection and the one that was alone. Without such a one, it is alone itself. */
  #pair(member: Member, alone: Member | undefined): BroadcastGroup | undefined {
    const { rights, views } = member
    if (!alone?.canJoin || alone === member) {
      this.#groups.set(rights, member)
      return undefined
    }
    const group = new BroadcastGroup(views, rights, this.#flusher, this.#ids)
    if (!group.shows(alone.views)) return undefined
    this.#groups.set(rights, group)
    this.#add(alone, group)
    return group
  }

  #add(member: Member, group: BroadcastGroup): void {
    group.add(member)
    member.group = group
    for (const view of member.views) view.receivers.delete(member)
  }
}
