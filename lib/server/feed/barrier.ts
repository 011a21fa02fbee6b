import type { Feed } from './feed.ts'

/** The wait for the source's own report, before the source is asked for its position, in milliseconds. */
const MIN_WAIT_MS = 10
const MAX_WAIT_MS = 500

/**
 * Waits until a feed has come to positions of any node. Asks the source for its position repeatedly, since a
 * source without changes may report no progress: the question makes an open adapter report its progress. All
 * callers share the questions.
 */
export class Barrier {
  readonly #feed: Feed
  #callers = 0
  #wait = MIN_WAIT_MS
  #timer: NodeJS.Timeout | undefined
  #isAsking = false
  /** The callers that need the source's next answer; undefined is the answer of a failed source. */
  readonly #answers: ((position: string | undefined) => void)[] = []

  constructor(feed: Feed) {
    this.#feed = feed
  }

  /**
   * Resolves to true after the log has all changes up to a position, and they were delivered. Resolves to
   * true for a closed feed, which has no clients. Resolves to false after `ms` milliseconds.
   *
   * A position of a node whose positions can't be compared here (keyspace notifications, another epoch) is
   * replaced by the source's next answer, which is a later position.
   */
  async reached(position: string, ms: number): Promise<boolean> {
    const { adapter, isOpen } = this.#feed
    const end = performance.now() + ms
    let target = position
    this.#callers++
    this.#hurry()
    try {
      while (isOpen()) {
        const rest = end - performance.now()
        if (rest <= 0) return false
        const known = this.#feed.position
        if (known === undefined) await this.#answer()
        else if (Number.isNaN(adapter.compare(known, target))) target = (await this.#answer()) ?? target
        else if (await this.#feed.reached(target, rest)) return true
      }
      return true
    } finally {
      this.#callers--
    }
  }

  #answer(): Promise<string | undefined> {
    return new Promise((resolve) => this.#answers.push(resolve))
  }

  /** Asks soon for a new caller, though others may have waited for long. */
  #hurry(): void {
    if (this.#timer && this.#wait === MIN_WAIT_MS) return
    this.#wait = MIN_WAIT_MS
    if (!this.#isAsking) this.#askLater()
  }

  #askLater(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), this.#wait).unref()
  }

  async #ask(): Promise<void> {
    this.#timer = undefined
    if (this.#callers === 0) return
    this.#isAsking = true
    this.#wait = Math.min(this.#wait * 2, MAX_WAIT_MS)
    // The failure of the source is reported where the source is followed.
    const position = this.#feed.isOpen() ? await this.#feed.ask().catch(() => undefined) : undefined
    this.#isAsking = false
    for (const answer of this.#answers.splice(0)) answer(position)
    this.#askLater()
  }
}
