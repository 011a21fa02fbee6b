import type { Stream } from './stream.ts'

/** Queues streams whose identity may have changed. Looks up each stream once, several at the same time. */
export class Doubts {
  readonly #doubted = new Set<Stream>()
  readonly #most: number
  readonly #lookUp: (stream: Stream) => Promise<void>
  #lookups = 0

  /** @param most the maximum number of lookups at the same time */
  constructor(most: number, lookUp: (stream: Stream) => Promise<void>) {
    this.#most = most
    this.#lookUp = lookUp
  }

  add(stream: Stream): void {
    this.#doubted.add(stream)
    if (this.#lookups >= this.#most) return
    this.#lookups++
    void this.#work()
  }

  delete(stream: Stream): void {
    this.#doubted.delete(stream)
  }

  async #work(): Promise<void> {
    // Waits for the other changes that the source reports in this turn.
    await Promise.resolve()
    for (let [stream] = this.#doubted; stream; [stream] = this.#doubted) {
      this.#doubted.delete(stream)
      await this.#lookUp(stream)
    }
    this.#lookups--
  }
}
