import { backoff } from './backoff.ts'
import type { Clock } from './transport.ts'

/** What a renewal needs, and whom it tells. */
export interface RenewalOptions {
  clock: Clock
  random: () => number
  /** Presents the identity; resolves to whether the stream that is open goes on under the new token. */
  present: (signal: AbortSignal) => Promise<boolean>
  /** Another stream must take the place of the one that is open. */
  replace: () => void
  /** Takes a failure, and tells how long to wait at least before the next try, in milliseconds. */
  fail: (cause: unknown) => number
}

/** Handshakes beside an open stream, which the server asks for; tries until one is answered or the stream has ended. */
export class Renewal {
  readonly #options: RenewalOptions
  readonly #controller = new AbortController()
  #running = false
  /** Whether the server has asked once more since the handshake that is under way began. */
  #asked = false
  #cancel = () => {}

  constructor(options: RenewalOptions) {
    this.#options = options
  }

  /** The server asks for a handshake. */
  ask(): void {
    this.#asked = true
    if (!this.#running) void this.#run(0)
  }

  /** The stream has ended. */
  stop(): void {
    this.#controller.abort()
    this.#cancel()
  }

  async #run(attempt: number): Promise<void> {
    const { signal } = this.#controller
    const { clock, random, present, replace, fail } = this.#options
    this.#running = true
    this.#asked = false
    try {
      const live = await present(signal)
      if (signal.aborted) return
      this.#running = false
      if (!live) replace()
      else if (this.#asked) void this.#run(0)
    } catch (cause) {
      if (signal.aborted) return
      const delay = Math.max(fail(cause), backoff(attempt + 1, random))
      if (!signal.aborted) this.#cancel = clock.after(delay, () => void this.#run(attempt + 1))
    }
  }
}
