import type { Feed } from './feed.ts'
import type { Entry, Log, Origin } from './log.ts'

/** Returns the sequence of a client's position in a feed; undefined when the position can't be placed. */
export type SequenceOf = (feed: Feed) => number | undefined

/** The entries of one collection after a sequence, as far as the log was searched. */
interface Found {
  readonly after: number
  until: number
  readonly entries: Entry[]
}

/**
 * Finds the entries of the log that change a collection. Clients that come back together ask for the same
 * collections, and share one search of the log.
 */
export class CollectionEntries {
  readonly #log: Log
  readonly #found = new Map<Origin, Map<string, Found>>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Returns the entries after a sequence; undefined when the log may lack some of them. */
  after(sequence: number, feed: Origin, collection: string): readonly Entry[] | undefined {
    if (sequence < Math.max(this.#log.floor, feed.floor)) return undefined
    const ofFeed = this.#found.get(feed) ?? new Map<string, Found>()
    this.#found.set(feed, ofFeed)
    let found = ofFeed.get(collection)
    if (!found || found.after > sequence) {
      found = { after: sequence, until: sequence, entries: [] }
      ofFeed.set(collection, found)
    }
    for (const entry of this.#log.after(found.until, feed))
      if (entry.countOf(collection) > 0) found.entries.push(entry)
    found.until = this.#log.head
    return found.entries.filter((entry) => entry.sequence > sequence)
  }

  /** Frees the found entries, which the log may have removed. */
  sweep(): void {
    this.#found.clear()
  }
}
