import { encode } from '../../protocol/encode.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import { NO_POSITION } from '../../protocol/position.ts'
import type { Frame, IdLines } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { Flusher } from './flusher.ts'
import type { Sink } from './sink.ts'
import { WriteQueue } from './write-queue.ts'

/** In the place of an id that was taken back. */
const RETRACTED = Buffer.from(`id: ${NO_POSITION}\n`)

/** What goes out to one client, and the positions that it carries. */
export class Outbox {
  /** Names the views that positions are given for. */
  rights: string
  readonly queue: WriteQueue
  readonly #ids: IdLines
  #lastEntry: Entry | undefined
  #lastLine: Buffer | undefined

  constructor(sink: Sink, flusher: Flusher, ids: IdLines, rights: string) {
    this.queue = new WriteQueue(sink, flusher)
    this.#ids = ids
    this.rights = rights
  }

  /** Queues bytes for the end of this turn. */
  push(bytes: Buffer): void {
    this.queue.push(bytes)
    this.#lastEntry = undefined
  }

  send(event: ServerEvent): void {
    this.push(Buffer.from(encode(event)))
  }

  /** Sends an encoded event with a position: the client holds everything up to the point. */
  pushAt(point: string, event: Buffer): void {
    this.queue.push(this.#ids.line(point, this.rights))
    this.push(event)
  }

  /**
   * Sends what a view shows of an entry; with the entry's position only where the client holds everything up
   * to it.
   */
  pushFrame(entry: Entry, frame: Frame, withId: boolean): void {
    // Only the last of an entry's frames may carry the id: the client holds the whole entry only then.
    if (this.#lastEntry === entry) this.retractId()
    const line = withId ? this.#ids.line(entry.point, this.rights) : undefined
    if (line) this.queue.push(line)
    this.queue.push(frame.body)
    this.#lastEntry = entry
    this.#lastLine = line
  }

  /** Goes on from where another one is: what waits there waits here too. */
  follow(other: Outbox): void {
    for (const chunk of other.queue.pending) this.queue.push(chunk)
    this.#lastEntry = other.#lastEntry
    this.#lastLine = other.#lastLine
  }

  /**
   * Takes the last entry's id back, if it still waits: something else of that entry is not there yet. A
   * client that is cut off in between has no position: with the one before, it would be told again what it
   * was told of the entry.
   */
  retractId(): void {
    if (this.#lastLine) this.queue.replace(this.#lastLine, RETRACTED)
    this.#lastLine = undefined
  }

  /** From here on until the next position, the client holds more than the last one says. */
  invalidatePosition(): void {
    this.send({ event: 'ping', data: { timestamp: new Date().toISOString() }, id: NO_POSITION })
  }
}
