import { backoff } from './backoff.ts'
import type { Barriers } from './barriers.ts'
import { withTimeout } from './timeout.ts'
import { type Clock, failure, type Transport } from './transport.ts'
import type { WatchList } from './watch-list.ts'

/** Counts the requests that may reach other nodes than the stream's before the stream is replaced. */
const TRIES = 4

/** Configures the requests of a client. */
export interface RequestOptions {
  transport: Transport
  clock: Clock
  random: () => number
  /** The identity to present. */
  identity: () => unknown
  /** The roots that the page watches. */
  watched: WatchList
  /** The positions of writes that the page waits for. */
  barriers: Barriers
}

/** Configures the requests that an open stream needs. */
interface StreamRequestOptions extends RequestOptions {
  /** Ends all requests when the stream has ended. */
  signal: AbortSignal
  /** Replaces the stream by a new one. */
  replace: () => void
  /** Handles a failure, and returns the minimum delay before the next try, in milliseconds. */
  fail: (cause: unknown) => number
}

/**
 * Presents the identity to the server.
 *
 * @returns whether the open stream continues under the new token
 * @throws the errors of the transport, of the identity and of {@link withTimeout}
 */
export function handshake(options: RequestOptions, end: AbortSignal): Promise<boolean> {
  const { transport, clock, identity } = options
  return withTimeout(clock, end, async (signal) => {
    const presented = await identity()
    return !signal.aborted && transport.handshake(presented, signal)
  })
}

/**
 * Makes the requests that an open stream needs: renewals of its token, changes of the watched roots, and
 * questions for the positions of writes.
 */
export class StreamRequests {
  /** Renews the token by a handshake. */
  readonly renew: () => void
  /** Asks the server for the changes of the watched roots. */
  readonly watch: () => void
  /** Asks the server for the positions that the page waits for. */
  readonly reach: () => void
  readonly #options: StreamRequestOptions
  #begun = false

  constructor(options: StreamRequestOptions) {
    this.#options = options
    const { signal, watched, barriers } = options
    this.renew = this.#repeated(1, () => handshake(options, signal))
    const watch = this.#repeated(TRIES, () => this.#watch())
    const reach = this.#repeated(TRIES, () => this.#reach())
    // A stream that is opening takes no requests.
    this.watch = () => this.#begun && watched.change() && watch()
    this.reach = () => this.#begun && barriers.next().length > 0 && reach()
  }

  /** Begins with the manifest of the stream. */
  begin(): void {
    this.#begun = true
    this.watch()
    this.reach()
  }

  /**
   * Returns a function that makes a request now, or after the current one. A failed request is repeated until
   * the stream ends.
   *
   * @param tries the number of requests in a row that may reach a node without the stream. A balancer may
   *   send the next request to the right node
   * @param send makes the request. Resolves to whether the node that answered holds the open stream
   */
  #repeated(tries: number, send: () => Promise<boolean>): () => void {
    const { signal, clock, random, replace, fail } = this.#options
    let isRunning = false
    let isAsked = false
    let cancel = () => {}
    signal.addEventListener('abort', () => cancel())
    const run = async (attempt: number, left: number): Promise<void> => {
      isRunning = true
      isAsked = false
      try {
        const isLive = await send()
        if (signal.aborted) return
        isRunning = false
        if (!isLive && left === 1) replace()
        else if (!isLive) void run(0, left - 1)
        else if (isAsked) void run(0, tries)
      } catch (cause) {
        if (signal.aborted) return
        const delay = Math.max(fail(cause), backoff(attempt + 1, random))
        if (!signal.aborted) cancel = clock.after(delay, () => void run(attempt + 1, left))
      }
    }
    return () => {
      isAsked = true
      if (!isRunning && !signal.aborted) void run(0, tries)
    }
  }

  async #watch(): Promise<boolean> {
    const { transport, clock, watched, signal } = this.#options
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

  async #reach(): Promise<boolean> {
    const { transport, clock, barriers, signal } = this.#options
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
