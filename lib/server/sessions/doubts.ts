import type { Stream } from './stream.ts'

/** Holds the streams whose identity may be another one by now: each is looked up once, some at a time. */
export class Doubts {
  readonly #doubted = new Set<Stream>()
  readonly #most: number
  readonly #lookUp: (stream: Stream) => Promise<void>
  #lookups = 0

  /** @param most how many are looked up at once */
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
    // After all that the source tells at once.
    await Promise.resolve()
    for (let [stream] = this.#doubted; stream; [stream] = this.#doubted) {
      this.#doubted.delete(stream)
      await this.#lookUp(stream)
    }
    this.#lookups--
  }
}
