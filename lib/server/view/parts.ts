import type { Document } from '../../model/document.ts'
import { timeSlicer } from '../support/scheduling.ts'

/** Holds the encoded `payload` events of a root, and the documents that are in them. */
export interface Parts {
  readonly parts: readonly Buffer[]
  /** The keys of the ids of each event's documents. */
  readonly keys: readonly (readonly string[])[]
}

/** The size after which a payload event ends, in characters. */
const PART_SIZE = 64 * 1024

/** Combines the texts of documents to payload events. */
export class PartsWriter {
  readonly #head: string
  readonly #parts: Buffer[] = []
  readonly #keys: (readonly string[])[] = []
  #present: string[] = []
  #texts: string[] = []
  #size = 0

  constructor(root: string, timestamp: string) {
    const names = `"root":${JSON.stringify(root)},"timestamp":${JSON.stringify(timestamp)}`
    this.#head = `event: payload\ndata: {${names},"data":[`
  }

  /**
   * Adds documents, whose texts are joined by commas, to the last event, or to a new event if the last is
   * full and `mayEnd`.
   */
  add(keys: readonly string[], text: string, mayEnd = true): void {
    if (mayEnd && this.#size >= PART_SIZE) this.#close(false)
    for (const key of keys) this.#present.push(key)
    this.#texts.push(text)
    this.#size += text.length
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
    const text = this.#texts.join(',')
    this.addPart(
      lastingBuffer(`${this.#head}${text}],"part":${this.#parts.length},"last":${last}}\n\n`),
      this.#present.slice(),
    )
    this.#present = []
    this.#texts = []
    this.#size = 0
  }
}

/** Parses the documents of an encoded `payload` event. */
export function parsePart(part: Buffer): Document[] {
  const text = part.toString()
  const { data } = JSON.parse(text.slice(text.indexOf('data: ') + 6)) as { data: Document[] }
  return data
}

/**
 * Replaces some documents. Encodes only the events with such a document, and the last event. Calls `change`
 * for each key for which `changes` returns true: it returns the new document, or undefined for a removed
 * document. Appends the documents of `added`.
 */
export async function replaced(
  { parts, keys }: Parts,
  writer: PartsWriter,
  changes: (key: string) => boolean,
  change: (key: string, document: Document) => Document | undefined,
  added: () => Iterable<readonly [key: string, document: Document]>,
): Promise<Parts> {
  const turn = timeSlicer(1)
  for (const [number, part] of parts.entries()) {
    const present = keys[number] ?? []
    const last = number === parts.length - 1
    if (!last && !present.some(changes)) {
      writer.addPart(part, present)
    } else {
      for (const [index, document] of parsePart(part).entries()) {
        const key = present[index] ?? ''
        const next = changes(key) ? change(key, document) : document
        // Keeps one event for one, since the following events contain their numbers.
        if (next) writer.add([key], JSON.stringify(next), last)
      }
      if (!last) writer.endPart()
    }
    const pause = turn()
    if (pause) await pause
  }
  for (const [key, document] of added()) writer.add([key], JSON.stringify(document))
  return writer.end()
}

/** Checks whether partly replaced events are about as few and as even as newly encoded ones. */
export function isCompact({ parts }: Parts): boolean {
  const size = parts.reduce((sum, { length }) => sum + length, 0)
  return parts.length <= 2 + (2 * size) / PART_SIZE && parts.every(({ length }) => length <= 4 * PART_SIZE)
}

/** Allocates a buffer outside Node's pool. A small buffer of the pool would keep its neighbours in memory. */
function lastingBuffer(text: string): Buffer {
  const buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  buffer.write(text)
  return buffer
}
