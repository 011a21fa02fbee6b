import type { EventData } from '../../protocol/messages.ts'
import { MAX_TIMER } from '../options/options.ts'

/** Why a client is asked for a handshake. */
export type RenewalReason = EventData['renew']['reason']
/** How many identities are looked up anew at once. */
export const MAX_RENEWALS = 64

/**
 * How long a stream goes on under the rights of before where they may have changed, in milliseconds: for so
 * long a lookup, or the client's handshake, may take.
 */
export const REFRESH_TIMEOUT_MS = 2_000

/**
 * A request to a client that it present itself anew, by a handshake: only a request of the client has what a
 * lookup reads (a session cookie, say). It is settled by that handshake or by the end of the stream;
 * otherwise it is late.
 */
export class RenewalRequest {
  readonly reason: RenewalReason
  /** Resolves once the request is settled. */
  readonly settled: Promise<void>
  readonly #onLate: () => void
  #resolve: () => void = () => {}
  #deadline = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** @param within milliseconds until it is late */
  constructor(reason: RenewalReason, within: number, onLate: () => void) {
    this.reason = reason
    this.#onLate = onLate
    this.settled = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.hurry(within)
  }

  /** Milliseconds until it is late. */
  get within(): number {
    return Math.max(0, Math.round(this.#deadline - performance.now()))
  }

  /** Moves the deadline forward, never back: a second reason may leave less time than the first. */
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
