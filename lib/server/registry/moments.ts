import type { Feed } from '../feed/feed.ts'
import type { FeedHost } from '../feed/feed-host.ts'

/**
 * Returns the current moment as the text of a point. Rights are granted and checked at such moments, which
 * any node can compare with positions.
 */
export class Moments {
  readonly #host: FeedHost
  readonly #feeds: readonly Feed[]

  constructor(host: FeedHost, feeds: readonly Feed[]) {
    this.#host = host
    this.#feeds = feeds
  }

  /** Returns the current point, as far as this process knows the stores. */
  get now(): string {
    return this.#host.point(this.#host.log.head)
  }

  /** Asks the stores for their current positions, even those that are not followed now. */
  async ask(): Promise<string> {
    const positions = await Promise.all(this.#feeds.map((feed) => feed.now()))
    return this.#host.point(
      this.#host.log.head,
      positions.map((position) => position ?? ''),
    )
  }
}
