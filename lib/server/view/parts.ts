import { timeSlicer } from '../support/scheduling.ts'

/** The `payload` events of a root, ready to be written, and where which document is in them. */
export interface Parts {
  readonly parts: readonly Buffer[]
  readonly places: readonly Places[]
}

/** The documents of one event. */
interface Places {
  /** The keys of their ids. */
  readonly keys: readonly string[]
  /** Where the texts begin in the event, and where each of them ends, in bytes; a comma follows. */
  readonly begin: number
  readonly ends: readonly number[]
}

/** A payload event ends when it has grown to so many characters. */
const PART_SIZE = 64 * 1024

/** Puts the texts of documents together to payload events. */
export class PartsWriter {
  readonly #head: string
  readonly #parts: Buffer[] = []
  readonly #places: Places[] = []
  #keys: string[] = []
  #texts: string[] = []
  #size = 0

  constructor(root: string, timestamp: string) {
    this.#head = `event: payload\ndata: {"root":${JSON.stringify(root)},"timestamp":${JSON.stringify(timestamp)},"data":[`
  }

  /** Adds a document to the last event; to a new one where that is full, and may be ended. */
  add(key: string, text: string, mayEnd = true): void {
    if (mayEnd && this.#size >= PART_SIZE) this.#close(false)
    this.#keys.push(key)
    this.#texts.push(text)
    this.#size += text.length
  }

  /** Adds an event as it is, which is not the last. */
  addPart(part: Buffer, places: Places): void {
    this.#parts.push(part)
    this.#places.push(places)
  }

  /** Ends an event that is not the last, however full it is. */
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
 * The events with other texts for some documents; only those events are written anew in which any of these
 * is, and the last. `change` is asked for the keys for which `changes` holds: it gives the new text of a
 * document, or undefined where the document is gone. `added` are those that follow.
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
        // The events that follow have their numbers in them: this one stays one.
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

/** Whether events that were written anew in part are about as few and as even as if all were. */
export function isCompact({ parts }: Parts): boolean {
  const size = parts.reduce((sum, { length }) => sum + length, 0)
  return parts.length <= 2 + (2 * size) / PART_SIZE && parts.every(({ length }) => length <= 4 * PART_SIZE)
}

/**
 * A buffer of its own: a small one of Node's pool would keep its neighbours' memory for as long as it lives.
 */
function lastingBuffer(text: string): Buffer {
  const buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  buffer.write(text)
  return buffer
}
