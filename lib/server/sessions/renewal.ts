import type { EventData } from '../../protocol/messages.ts'
import { MAX_TIMER } from '../options/options.ts'

/** The reason why a client must make a handshake. */
export type RenewalReason = EventData['renew']['reason']
/** Limits the identities that are looked up again at the same time. */
export const MAX_RENEWALS = 64

/**
 * Limits how long a stream continues under possibly outdated rights, in milliseconds. A lookup or the
 * client's handshake may take this time.
 */
export const REFRESH_TIMEOUT_MS = 2_000

/**
 * Asks a client for a new handshake. Only a request of the client has the data that a lookup reads (such as a
 * session cookie). The handshake or the end of the stream settles the request; otherwise the request runs
 * late.
 */
export class RenewalRequest {
  readonly reason: RenewalReason
  /** Resolves after the request is settled. */
  readonly settled: Promise<void>
  readonly #onLate: () => void
  #resolve: () => void = () => {}
  #deadline = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** @param within the milliseconds until the deadline */
  constructor(reason: RenewalReason, within: number, onLate: () => void) {
    this.reason = reason
    this.#onLate = onLate
    this.settled = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.hurry(within)
  }

  /** The milliseconds until the deadline. */
  get within(): number {
    return Math.max(0, Math.round(this.#deadline - performance.now()))
  }

  /**
   * Moves the deadline to an earlier time, never to a later one. A second reason may leave less time than the
   * first.
   */
  hurry(within: number): void {
    const deadline = performance.now() + Math.min(Math.max(0, within), MAX_TIMER)
    if (deadline >= this.#deadline) return
    this.#deadline = deadline
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#onLate, this.within).unref()
  }

  settle(): void {
    clearTimeout(this.#timer)
    this.#resolve()
  }
}
