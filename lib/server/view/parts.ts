import { timeSlicer } from '../support/scheduling.ts'

/** Holds the encoded `payload` events of a root, and the places of the documents in them. */
export interface Parts {
  readonly parts: readonly Buffer[]
  readonly places: readonly Places[]
}

/** Describes the documents of one event. */
interface Places {
  /** The keys of the documents' ids. */
  readonly keys: readonly string[]
  /**
   * The byte at which the first text begins, and the byte at which each text ends. A comma follows each text.
   */
  readonly begin: number
  readonly ends: readonly number[]
}

/** The size after which a payload event ends, in characters. */
const PART_SIZE = 64 * 1024

/** Combines the texts of documents to payload events. */
export class PartsWriter {
  readonly #head: string
  readonly #parts: Buffer[] = []
  readonly #places: Places[] = []
  #keys: string[] = []
  #texts: string[] = []
  #size = 0

  constructor(root: string, timestamp: string) {
    const names = `"root":${JSON.stringify(root)},"timestamp":${JSON.stringify(timestamp)}`
    this.#head = `event: payload\ndata: {${names},"data":[`
  }

  /** Adds a document to the last event, or to a new event if the last is full and `mayEnd`. */
  add(key: string, text: string, mayEnd = true): void {
    if (mayEnd && this.#size >= PART_SIZE) this.#close(false)
    this.#keys.push(key)
    this.#texts.push(text)
    this.#size += text.length
  }

  /** Adds an encoded event, which must not be the last. */
  addPart(part: Buffer, places: Places): void {
    this.#parts.push(part)
    this.#places.push(places)
  }

  /** Ends the present event before it is full. More events must follow. */
  endPart(): void {
    this.#close(false)
  }

  end(): Parts {
    this.#close(true)
    return { parts: this.#parts, places: this.#places }
  }

  #close(last: boolean): void {
    const texts = this.#texts
    const bytes = lastingBuffer(
      `${this.#head}${texts.join(',')}],"part":${this.#parts.length},"last":${last}}\n\n`,
    )
    const begin = Buffer.byteLength(this.#head)
    const ends: number[] = []
    let at = begin
    for (const text of texts) {
      at += Buffer.byteLength(text)
      ends.push(at++)
    }
    this.addPart(bytes, { keys: this.#keys, begin, ends })
    this.#keys = []
    this.#texts = []
    this.#size = 0
  }
}

/**
 * Replaces the texts of some documents. Encodes only the events with such a document, and the last event.
 * Calls `change` for each key for which `changes` returns true: it returns the new text, or undefined for a
 * removed document. Appends the texts of `added`.
 */
export async function replaced(
  { parts, places }: Parts,
  writer: PartsWriter,
  changes: (key: string) => boolean,
  change: (key: string, text: string) => string | undefined,
  added: () => Iterable<readonly [key: string, text: string]>,
): Promise<Parts> {
  const turn = timeSlicer(1)
  for (const [number, part] of parts.entries()) {
    const place = places[number] ?? { keys: [], begin: 0, ends: [] }
    const last = number === parts.length - 1
    if (!last && !place.keys.some(changes)) {
      writer.addPart(part, place)
    } else {
      let from = place.begin
      for (const [index, key] of place.keys.entries()) {
        const to = place.ends[index] ?? from
        const text = part.toString('utf8', from, to)
        const next = changes(key) ? change(key, text) : text
        // Keeps one event for one, since the following events contain their numbers.
        if (next !== undefined) writer.add(key, next, last)
        from = to + 1
      }
      if (!last) writer.endPart()
    }
    const pause = turn()
    if (pause) await pause
  }
  for (const [key, text] of added()) writer.add(key, text)
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
