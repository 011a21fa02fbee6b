import type { ChangeStreamDocument } from 'mongodb'
import type { StreamEvent } from './raw-event.ts'

/**
 * Joins events that the server had to split (by `$changeStreamSplitLargeEvent`, over 16 MB). A fragment has a
 * resume token of its own, a number, and some of the event's fields.
 */
export class Fragments {
  #whole: Partial<ChangeStreamDocument> = {}
  #taken = 0

  /** Checks for an event that isn't complete yet. */
  get pending(): boolean {
    return this.#taken > 0
  }

  /**
   * Takes a part from the stream. Returns the event once it is complete. Throws when a fragment is missing,
   * so that the event comes again.
   */
  take(part: StreamEvent): StreamEvent | undefined {
    if (part.operationType === 'raw' && !this.pending) return part
    const { splitEvent, ...fields } = part as ChangeStreamDocument
    const { fragment, of } = splitEvent ?? { fragment: 1, of: 1 }
    if (fragment !== this.#taken + 1) {
      throw new Error(`Fragment ${this.#taken + 1} of a split event is missing: ${fragment} of ${of} came`)
    }
    if (of === 1) return splitEvent ? (fields as ChangeStreamDocument) : part
    // Keeps the token of the last fragment, which is the token of the whole event.
    const whole = { ...this.#whole, ...fields }
    const complete = fragment === of
    this.#whole = complete ? {} : whole
    this.#taken = complete ? 0 : fragment
    return complete ? (whole as ChangeStreamDocument) : undefined
  }
}
