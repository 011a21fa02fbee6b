import { backoff } from './backoff.ts'
import type { Clock } from './transport.ts'

/** Configures a renewal. */
export interface RenewalOptions {
  clock: Clock
  random: () => number
  /** Makes a handshake. Resolves to whether the open stream continues under the new token. */
  present: (signal: AbortSignal) => Promise<boolean>
  /** Replaces the open stream by a new one. */
  replace: () => void
  /** Handles a failure. Returns the minimum delay before the next try, in milliseconds. */
  fail: (cause: unknown) => number
}

/**
 * Makes the handshakes that the server requests during an open stream. Retries a failed handshake until the
 * stream ends.
 */
export class Renewal {
  readonly #options: RenewalOptions
  readonly #controller = new AbortController()
  #running = false
  /** Whether the server has asked again since the current handshake began. */
  #asked = false
  #cancel = () => {}

  constructor(options: RenewalOptions) {
    this.#options = options
  }

  /** Starts a handshake, or queues another handshake after the current one. */
  ask(): void {
    this.#asked = true
    if (!this.#running) void this.#run(0)
  }

  /** Ends all tries when the stream has ended. */
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
