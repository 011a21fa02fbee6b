import type { Feed } from '../feed/feed.ts'
import type { FeedHost } from '../feed/feed-host.ts'

/**
 * Tells the moments at which rights are granted or looked at anew, as the texts of points: they can be
 * compared with positions, on any node.
 */
export class Moments {
  readonly #host: FeedHost
  readonly #feeds: readonly Feed[]

  constructor(host: FeedHost, feeds: readonly Feed[]) {
    this.#host = host
    this.#feeds = feeds
  }

  /** The present, as far as this process knows of the stores. */
  get now(): string {
    return this.#host.point(this.#host.log.head)
  }

  /** The present of the stores themselves, whether they are followed at present or not. */
  async ask(): Promise<string> {
    const places = await Promise.all(this.#feeds.map((feed) => feed.now()))
    return this.#host.point(
      this.#host.log.head,
      places.map((place) => place ?? ''),
    )
  }
}
