import type { ChangeStreamDocument } from 'mongodb'

/**
 * Puts events together again that the server had to split (by `$changeStreamSplitLargeEvent`, over 16 MB). A
 * fragment has a resume token of its own, a number, and some of the event's fields.
 */
export class Fragments {
  #whole: Partial<ChangeStreamDocument> = {}
  #taken = 0

  /** Whether an event has begun that isn't whole yet. */
  get pending(): boolean {
    return this.#taken > 0
  }

  /**
   * Takes what the stream gave; returns the event once it is whole. Throws where a fragment is missing: the
   * event must come again.
   */
  take(part: ChangeStreamDocument): ChangeStreamDocument | undefined {
    const { splitEvent, ...fields } = part
    const { fragment, of } = splitEvent ?? { fragment: 1, of: 1 }
    if (fragment !== this.#taken + 1) {
      throw new Error(`Fragment ${this.#taken + 1} of a split event is missing: ${fragment} of ${of} came`)
    }
    if (of === 1) return splitEvent ? (fields as ChangeStreamDocument) : part
    // The token of the last one stands for the whole event.
    const whole = { ...this.#whole, ...fields }
    const complete = fragment === of
    this.#whole = complete ? {} : whole
    this.#taken = complete ? 0 : fragment
    return complete ? (whole as ChangeStreamDocument) : undefined
  }
}
