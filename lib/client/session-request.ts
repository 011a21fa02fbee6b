import { backoff } from './backoff.ts'
import type { Clock } from './transport.ts'

/** Configures a request about the open stream. */
export interface SessionRequestOptions {
  clock: Clock
  random: () => number
  /** Makes the request. Resolves to whether the node that answered holds the open stream. */
  send: (signal: AbortSignal) => Promise<boolean>
  /**
   * The number of requests in a row that may reach a node without the stream. A balancer may send the next
   * request to the right node.
   */
  tries: number
  /** Replaces the open stream by a new one. */
  replace: () => void
  /** Handles a failure. Returns the minimum delay before the next try, in milliseconds. */
  fail: (cause: unknown) => number
}

/**
 * Makes the requests that an open stream needs, such as the handshakes that the server asks for. One request
 * is made at a time. A failed request is repeated until the stream ends.
 */
export class SessionRequest {
  readonly #options: SessionRequestOptions
  readonly #controller = new AbortController()
  #running = false
  /** Whether another request is needed since the current one began. */
  #asked = false
  #cancel = () => {}

  constructor(options: SessionRequestOptions) {
    this.#options = options
  }

  /** Makes a request now, or after the current one. */
  ask(): void {
    this.#asked = true
    if (!this.#running && !this.#controller.signal.aborted) void this.#run(0, 1)
  }

  /** Ends all tries when the stream has ended. */
  stop(): void {
    this.#controller.abort()
    this.#cancel()
  }

  async #run(attempt: number, tries: number): Promise<void> {
    const { signal } = this.#controller
    const { clock, random, send, replace, fail } = this.#options
    this.#running = true
    this.#asked = false
    try {
      const live = await send(signal)
      if (signal.aborted) return
      this.#running = false
      if (!live && tries < this.#options.tries) void this.#run(0, tries + 1)
      else if (!live) replace()
      else if (this.#asked) void this.#run(0, 1)
    } catch (cause) {
      if (signal.aborted) return
      const delay = Math.max(fail(cause), backoff(attempt + 1, random))
      if (!signal.aborted) this.#cancel = clock.after(delay, () => void this.#run(attempt + 1, tries))
    }
  }
}
