import type { Feed, FeedHost } from './feed.ts'

/** Tells the moments at which rights are granted or looked at anew, as the texts of points: they can be compared with positions, on any node. */
export class Moments {
  readonly #host: FeedHost
  readonly #feeds: readonly Feed[]
  readonly #collections: readonly string[]

  /** @param collections a collection of each feed */
  constructor(host: FeedHost, feeds: readonly Feed[], collections: readonly string[]) {
    this.#host = host
    this.#feeds = feeds
    this.#collections = collections
  }

  /** The present, as far as this process knows of the stores. */
  get now(): string {
    return this.#host.point(this.#host.log.head)
  }

  /** The present of the stores themselves, whether they are followed at present or not. */
  async ask(): Promise<string> {
    const places = await Promise.all(
      this.#feeds.map((feed, index) => feed.now(this.#collections[index] ?? '')),
    )
    return this.#host.point(
      this.#host.log.head,
      places.map((place) => place ?? ''),
    )
  }
}
