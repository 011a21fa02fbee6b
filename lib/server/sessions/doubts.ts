import { REFRESH_TIMEOUT_MS } from './renewal.ts'
import type { Stream } from './stream.ts'

/** Describes a stream that waits for its lookup. */
interface Doubt {
  /** Settles after the lookup, or after the end of the stream. */
  readonly looked: Promise<void>
  settle(): void
}

/**
 * Queues streams whose rights may have changed. Looks up each stream once, several at the same time. Holds
 * back the data of a stream whose lookup takes longer than `REFRESH_TIMEOUT_MS`, its time in the queue
 * included: thousands of streams may wait for a slow lookup.
 */
export class Doubts {
  readonly #doubted = new Map<Stream, Doubt>()
  readonly #most: number
  readonly #lookUp: (stream: Stream) => Promise<void>
  #lookups = 0

  /** @param most the maximum number of lookups at the same time */
  constructor(most: number, lookUp: (stream: Stream) => Promise<void>) {
    this.#most = most
    this.#lookUp = lookUp
  }

  /** Resolves after a lookup of the stream that began after the call, or after the end of the stream. */
  add(stream: Stream): Promise<void> {
    const known = this.#doubted.get(stream)
    if (known) return known.looked
    const doubt = doubtOf(stream)
    this.#doubted.set(stream, doubt)
    if (this.#lookups < this.#most) {
      this.#lookups++
      void this.#work()
    }
    return doubt.looked
  }

  delete(stream: Stream): void {
    this.#doubted.get(stream)?.settle()
    this.#doubted.delete(stream)
  }

  async #work(): Promise<void> {
    // Waits for the other changes that the source reports in this turn.
    await Promise.resolve()
    for (let [next] = this.#doubted; next; [next] = this.#doubted) {
      const [stream, doubt] = next
      this.#doubted.delete(stream)
      await this.#lookUp(stream)
      doubt.settle()
    }
    this.#lookups--
  }
}

function doubtOf({ connection }: Stream): Doubt {
  const timer = setTimeout(() => connection.hold(), REFRESH_TIMEOUT_MS).unref()
  let resolve = () => {}
  const looked = new Promise<void>((done) => {
    resolve = done
  })
  const settle = () => {
    clearTimeout(timer)
    resolve()
  }
  return { looked, settle }
}
