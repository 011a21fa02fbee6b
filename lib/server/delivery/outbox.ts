import { encode } from '../../protocol/encode.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import { NO_POSITION } from '../../protocol/position.ts'
import { MAX_EVENT_BYTES } from '../feed/batch.ts'
import { Frame } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { Flusher } from './flusher.ts'
import type { IdLines } from './id-lines.ts'
import type { Sink } from './sink.ts'
import { WriteQueue } from './write-queue.ts'

/** Replaces a retracted id. */
const RETRACTED = Buffer.from(`id: ${NO_POSITION}\n`)

/** Writes events to one client, with their positions. */
export class Outbox {
  /** The digest of the views that positions are issued for. */
  rights: string
  readonly queue: WriteQueue
  readonly #ids: IdLines
  #lastEntry: Entry | undefined
  #lastLine: Buffer | undefined
  /** The last entry's last frame, if it was sent as the end of its moment. */
  #lastFrame: Frame | undefined
  /** The frames of one root that are joined to one event at the end of the turn. */
  #joining: { frames: [Frame, ...Frame[]]; entry: Entry; bytes: number } | undefined

  constructor(sink: Sink, flusher: Flusher, ids: IdLines, rights: string) {
    this.queue = new WriteQueue(sink, flusher)
    this.#ids = ids
    this.rights = rights
  }

  /** Queues bytes until the end of this turn. */
  push(bytes: Buffer): void {
    this.settle()
    this.queue.push(bytes)
    this.#lastEntry = undefined
  }

  send(event: ServerEvent): void {
    this.push(Buffer.from(encode(event)))
  }

  /** Sends an encoded event with a position, for a client that has all data up to the point. */
  pushAt(point: string, event: Buffer): void {
    this.settle()
    this.queue.push(this.#ids.line(point, this.rights))
    this.push(event)
  }

  /**
   * Sends a view's frame of an entry. The frame carries the entry's position only if the client has all data
   * up to the entry. With `more`, the moment does not end with the entry.
   */
  pushFrame(entry: Entry, frame: Frame, withId: boolean, more = false): void {
    this.settle()
    // Moves the id, and the end of the moment, to the last frame of an entry.
    if (this.#lastEntry === entry) this.#continueMoment()
    const line = withId ? this.#ids.line(entry.point, this.rights) : undefined
    if (line) this.queue.push(line)
    this.queue.push(more ? frame.partial : frame.body)
    this.#lastEntry = entry
    this.#lastLine = line
    this.#lastFrame = more ? undefined : frame
  }

  /**
   * Keeps a frame until the end of this turn, for clients that have all data up to the entry. Consecutive
   * frames of one root become one event: encoding and sealing a position for each would cost three times as
   * much CPU time, and the client would parse three times the bytes.
   */
  joinFrame(entry: Entry, frame: Frame): void {
    const joining = this.#joining
    if (
      joining?.frames[0].root === frame.root &&
      joining.entry !== entry &&
      joining.bytes + frame.weight <= MAX_EVENT_BYTES
    ) {
      joining.frames.push(frame)
      joining.entry = entry
      joining.bytes += frame.weight
      return
    }
    this.settle()
    this.#joining = { frames: [frame], entry, bytes: frame.weight }
    this.queue.beforeFlush(this)
  }

  /** Queues the frames that are being joined. */
  settle(): void {
    const joining = this.#joining
    if (!joining) return
    this.#joining = undefined
    this.pushFrame(joining.entry, Frame.join(joining.frames), true)
  }

  /** Continues the state of another outbox, with its unsent chunks. */
  follow(other: Outbox): void {
    other.settle()
    for (const chunk of other.queue.pending) this.queue.push(chunk)
    this.#lastEntry = other.#lastEntry
    this.#lastLine = other.#lastLine
    this.#lastFrame = other.#lastFrame
  }

  /**
   * Retracts the last entry's unsent id, because another part of the entry follows. A client that is cut off
   * in between has no position. With the earlier position it would get the entry's first part twice.
   */
  retractId(): void {
    this.settle()
    if (this.#lastLine) this.queue.replace(new Map([[this.#lastLine, RETRACTED]]))
    this.#lastLine = undefined
  }

  /**
   * Takes the last entry's id back, because a root is loaded again. If the root belongs to the entry's feed,
   * and other roots do too, the load is a part of the entry's moment.
   */
  interrupt(feed: object | undefined): void {
    this.settle()
    if (feed !== undefined && this.#lastEntry?.feed === feed) this.#continueMoment()
    else this.retractId()
  }

  /** Takes back the end of the last entry's moment, because another part of it follows. */
  #continueMoment(): void {
    const changes = new Map<Buffer, Buffer>()
    if (this.#lastFrame) changes.set(this.#lastFrame.body, this.#lastFrame.partial)
    if (this.#lastLine) changes.set(this.#lastLine, RETRACTED)
    this.queue.replace(changes)
    this.#lastFrame = undefined
    this.#lastLine = undefined
  }

  /**
   * Clears the client's Last-Event-ID until the next position, because its data is newer than its last
   * position.
   */
  invalidatePosition(): void {
    this.send({ event: 'ping', data: { timestamp: new Date().toISOString() }, id: NO_POSITION })
  }
}
