import type { Document } from '../../model/document.ts'
import { digestOf } from './digest.ts'

/** Holds the encoded `payload` events of a root, and the documents that are in them. */
export interface Parts {
  readonly parts: readonly Buffer[]
  /** The keys of the ids of each event's documents. */
  readonly keys: readonly (readonly string[])[]
}

/** The size after which a payload event ends, in bytes. */
const PART_SIZE = 64 * 1024
/** The room for a new event, in bytes. It doubles as often as an event needs. */
const MIN_ROOM = 2 * 1024
const COMMA = 0x2c

/** Combines the texts of documents to payload events. */
export class PartsWriter {
  readonly #head: string
  readonly #parts: Buffer[] = []
  readonly #keys: (readonly string[])[] = []
  /** The keys of the present event. */
  #present: string[] = []
  /** The room of the present event, which is used again for the next one. */
  #room = Buffer.allocUnsafe(MIN_ROOM)
  #view = viewOf(this.#room)
  #size = 0
  /** The place of the last document. */
  #last = 0

  constructor(root: string, timestamp: string) {
    const names = `"root":${JSON.stringify(root)},"timestamp":${JSON.stringify(timestamp)}`
    this.#head = `event: payload\ndata: {${names},"data":[`
    this.#write(this.#head)
  }

  /**
   * Adds a document to the last event, or to a new event if the last is full and `mayEnd`. Returns the bytes
   * of its text.
   */
  add(key: string, text: string, mayEnd = true): number {
    if (mayEnd && this.#size >= PART_SIZE) this.#close(false)
    if (this.#present.push(key) > 1) this.#room[this.#size++] = COMMA
    this.#last = this.#size
    this.#write(text)
    return this.#size - this.#last
  }

  /** Computes the digest of the document that was added last. */
  digest(): number {
    return digestOf(this.#view, this.#last, this.#size)
  }

  /** Adds an encoded event, which must not be the last. */
  addPart(part: Buffer, keys: readonly string[]): void {
    this.#parts.push(part)
    this.#keys.push(keys)
  }

  /** Ends the present event before it is full. More events must follow. */
  endPart(): void {
    this.#close(false)
  }

  end(): Parts {
    this.#close(true)
    // Copies the lists to their lengths. A list that grew has room for 17, for the life of the snapshot.
    return { parts: this.#parts.slice(), keys: this.#keys.slice() }
  }

  #close(last: boolean): void {
    this.#write(`],"part":${this.#parts.length},"last":${last}}\n\n`)
    // Copies the event to a buffer outside Node's pool. A small buffer of the pool would keep its neighbours
    // in memory.
    const part = Buffer.allocUnsafeSlow(this.#size)
    this.#room.copy(part, 0, 0, this.#size)
    this.addPart(part, this.#present.slice())
    this.#present = []
    this.#size = 0
    this.#write(this.#head)
  }

  /** Writes a text, and keeps room for a comma after it. */
  #write(text: string): void {
    // A character has at most three bytes. Counts those of long texts only, which costs as much as writing.
    const most = text.length < MIN_ROOM ? text.length * 3 : Buffer.byteLength(text)
    if (this.#size + most >= this.#room.length) {
      const room = Buffer.allocUnsafe(2 * (this.#size + most))
      this.#room.copy(room, 0, 0, this.#size)
      this.#room = room
      this.#view = viewOf(room)
    }
    this.#size += this.#room.write(text, this.#size)
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

/** Parses the documents of an encoded `payload` event. */
export function parsePart(part: Buffer): Document[] {
  const text = part.toString()
  const { data } = JSON.parse(text.slice(text.indexOf('data: ') + 6)) as { data: Document[] }
  return data
}

/** Checks whether partly replaced events are about as few and as even as newly encoded ones. */
export function isCompact({ parts }: Parts): boolean {
  const size = parts.reduce((sum, { length }) => sum + length, 0)
  return parts.length <= 2 + (2 * size) / PART_SIZE && parts.every(({ length }) => length <= 4 * PART_SIZE)
}
