import type { Frame, IdLines } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { View } from '../view/view.ts'
import type { Receiver } from '../view/view-spec.ts'
import type { Flusher } from './flusher.ts'
import { Outbox } from './outbox.ts'
import { InstantSink } from './sink.ts'
import type { WriteQueue } from './write-queue.ts'

/** A connection as a group knows it. */
export interface Member extends Receiver {
  /** Names the views of the connection. */
  readonly rights: string
  readonly views: readonly View[]
  /** Whether it holds everything up to the present, and belongs to no group. */
  readonly canJoin: boolean
  joined(group: BroadcastGroup): void
  /** Where what the group gathered in a turn is written. */
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
export class BroadcastGroup implements Receiver {
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

/** A connection's place: in its group, or by itself, where it gets the frames of its views itself. */
export class GroupMembership {
  readonly #member: Member
  readonly #groups: BroadcastGroups
  #group: BroadcastGroup | undefined

  constructor(member: Member, groups: BroadcastGroups) {
    this.#member = member
    this.#groups = groups
  }

  get joined(): boolean {
    return this.#group !== undefined
  }

  join(group: BroadcastGroup): void {
    this.#group = group
    for (const view of this.#member.views) view.receivers.delete(this.#member)
  }

  /**
   * Leaves the group, if it is in one, and asks to come back. Returns the one that was left: what waits
   * there is the connection's too.
   */
  leave(): BroadcastGroup | undefined {
    const group = this.#group
    if (!group) return undefined
    this.#group = undefined
    for (const view of this.#member.views) view.receivers.add(this.#member)
    this.#groups.left(this.#member, group)
    this.#groups.join(this.#member)
    return group
  }
}

/** All groups of a server, by rights. */
export class BroadcastGroups {
  readonly #flusher: Flusher
  readonly #ids: IdLines
  readonly #groups = new Map<string, BroadcastGroup>()
  readonly #waiting = new Set<Member>()

  constructor(flusher: Flusher, ids: IdLines) {
    this.#flusher = flusher
    this.#ids = ids
  }

  /** Puts a connection into its group at the end of this turn, if it is fit for it by then. */
  join(member: Member): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#joinAll())
    this.#waiting.add(member)
  }

  /** The connection has left its group. */
  left(member: Member, group: BroadcastGroup): void {
    group.delete(member)
    if (group.size === 0 && this.#groups.get(member.rights) === group) this.#groups.delete(member.rights)
  }

  #joinAll(): void {
    // Who comes must neither get what was gathered before, nor leave anything behind.
    this.#flusher.flush()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const member of waiting) {
      if (!member.canJoin) continue
      const { rights, views } = member
      let group = this.#groups.get(rights)
      if (!group) {
        group = new BroadcastGroup(views, rights, this.#flusher, this.#ids)
        this.#groups.set(rights, group)
      }
      // Were two sets of views ever to have the same name, nobody would see those of another.
      if (!group.shows(views)) continue
      group.add(member)
      member.joined(group)
    }
  }
}
