import type { ChangeStream } from 'mongodb'
import type { StreamEvent } from './raw-event.ts'

/**
 * Describes the parts of the driver's change stream that are not documented. Without them, events come one by
 * one, and decoded.
 */
interface StreamInside {
  readonly cursor?: { readBufferedDocuments?(): unknown[] }
  /** Checks an event, and keeps its token for the driver's own retries. */
  _processChange?(event: unknown): StreamEvent
}

/** Checks that a driver's streams can hand over events as the server sent them. */
export function takesRaw(driver: { readonly ChangeStream: { readonly prototype: object } }): boolean {
  return '_processChange' in driver.ChangeStream.prototype
}

/**
 * Takes all events of an answer at once. A promise and a turn of the event loop for each event cost more than
 * its decoding.
 */
export class Arrivals {
  readonly #stream: ChangeStream
  readonly #inside: StreamInside
  readonly #open: (bytes: Uint8Array) => StreamEvent

  /** @param open decodes an event of a stream with the option `raw` */
  constructor(stream: ChangeStream, open: (bytes: Uint8Array) => StreamEvent) {
    this.#stream = stream
    this.#inside = stream as object
    this.#open = open
    const check = this.#inside._processChange?.bind(stream)
    if (check) this.#inside._processChange = (event) => check(this.#opened(event))
  }

  /** Returns the next events, or none if the server has none. */
  async next(): Promise<readonly StreamEvent[]> {
    const first: StreamEvent | null = await this.#stream.tryNext()
    if (!first) return []
    const { cursor, _processChange } = this.#inside
    const rest = _processChange ? (cursor?.readBufferedDocuments?.() ?? []) : []
    if (rest.length === 0) return [first]
    const events = rest.map((event) => this.#opened(event))
    // Checks only the last event: all are taken, so that the driver goes on after it.
    _processChange?.call(this.#stream, events.at(-1))
    events.unshift(first)
    return events
  }

  #opened(event: unknown): StreamEvent {
    return event instanceof Uint8Array ? this.#open(event) : (event as StreamEvent)
  }
}
