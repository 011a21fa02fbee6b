import type { Barriers } from './barriers.ts'
import { type HandshakeOptions, handshake } from './handshake.ts'
import { SessionRequest } from './session-request.ts'
import { withTimeout } from './timeout.ts'
import { failure } from './transport.ts'
import type { WatchList } from './watch-list.ts'

/** Counts the requests that may reach other nodes than the stream's before the stream is replaced. */
const TRIES = 4

/** Configures the requests of a stream. */
export interface StreamRequestsOptions extends HandshakeOptions {
  random: () => number
  /** The roots that the page watches. */
  watched: WatchList
  /** The positions of writes that the page waits for. */
  barriers: Barriers
}

/**
 * Makes the requests that an open stream needs: renewals of its token, changes of the watched roots, and
 * questions for the positions of writes.
 */
export class StreamRequests {
  readonly #options: StreamRequestsOptions
  readonly #renewal: SessionRequest
  readonly #watching: SessionRequest
  readonly #reaching: SessionRequest
  #begun = false

  /**
   * @param replace replaces the stream by a new one
   * @param fail handles a failure, and returns the minimum delay before the next try, in milliseconds
   */
  constructor(options: StreamRequestsOptions, replace: () => void, fail: (cause: unknown) => number) {
    this.#options = options
    const { clock, random } = options
    const request = (tries: number, send: (signal: AbortSignal) => Promise<boolean>) =>
      new SessionRequest({ clock, random, tries, send, replace, fail })
    this.#renewal = request(1, (signal) => handshake(options, signal))
    this.#watching = request(TRIES, (signal) => this.#watch(signal))
    this.#reaching = request(TRIES, (signal) => this.#reach(signal))
  }

  /** Renews the token by a handshake. */
  renew(): void {
    this.#renewal.ask()
  }

  /** Begins with the manifest of the stream. A stream that is opening takes no requests. */
  begin(): void {
    this.#begun = true
    this.watch()
    this.reach()
  }

  /** Asks the server for the changes of the watched roots. */
  watch(): void {
    if (this.#begun && this.#options.watched.change()) this.#watching.ask()
  }

  /** Asks the server for the positions that the page waits for. */
  reach(): void {
    if (this.#begun && this.#options.barriers.next().length > 0) this.#reaching.ask()
  }

  /** Ends all requests when the stream has ended. */
  stop(): void {
    this.#renewal.stop()
    this.#watching.stop()
    this.#reaching.stop()
  }

  async #watch(signal: AbortSignal): Promise<boolean> {
    const { transport, clock, watched } = this.#options
    const change = watched.change()
    if (!change) return true
    const undo = watched.ask(change)
    let isLive = false
    try {
      const { live, watch } = await withTimeout(clock, signal, (end) => transport.post('watch', change, end))
      isLive = live
      if (live && watch && !signal.aborted) watched.grant(watch)
      return live
    } finally {
      if (!isLive && !signal.aborted) undo()
    }
  }

  async #reach(signal: AbortSignal): Promise<boolean> {
    const { transport, clock, barriers } = this.#options
    const position = barriers.next()
    if (position.length === 0) return true
    try {
      const { live } = await withTimeout(clock, signal, (end) => transport.post('reached', { position }, end))
      barriers.answered(position, live)
      if (live) this.reach()
      return live
    } catch (cause) {
      const { error, own } = failure(cause)
      if (!own || error.code !== 'INVALID_MESSAGE') throw cause
      barriers.refused(position, error.message)
      this.reach()
      return true
    }
  }
}
