import { ParticleError } from '../errors.ts'
import { isObject } from '../model/json.ts'
import { invalidOption } from '../model/unknown.ts'
import type { Clock } from './transport.ts'

/** Sets the time after which a position is given up by default, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 10_000

/** Limits the positions of one request. */
const MAX_ASKED = 100
/** Limits the positions that a request for a stream names, since they may stand in its address. */
const MAX_STARTED = 20

/**
 * Sets the time after which a server is asked again, in milliseconds. A node may still hold a stream of the
 * session that was lost, and report the position there.
 */
const ASK_AGAIN_MS = 3_000

const FORM = /^[\w-]{1,500}$/

/** Configures `client.reached`. */
export interface ReachedOptions {
  /** The time after which the wait is given up, in milliseconds. Default: 10,000. */
  timeout?: number | undefined
}

/** Holds a position that the page waits for. */
interface Barrier {
  /** Whether a server has accepted the position. A malformed one must not refuse a stream. */
  isProven: boolean
  /** Whether the open stream was asked for the position. */
  isAsked: boolean
  readonly waiters: Set<(error?: ParticleError) => void>
}

/** Tracks the positions of writes that the page waits for, and which ones the open stream was asked for. */
export class Barriers {
  readonly #clock: Clock
  /** Asks the server for the positions of {@link Barriers.next}. */
  readonly #ask: () => void
  readonly #barriers = new Map<string, Barrier>()
  /** Whether positions are asked for one by one, to find a malformed one. */
  #careful = false
  /** Cancels the next question for all positions. */
  #cancel: (() => void) | undefined

  constructor(clock: Clock, ask: () => void) {
    this.#clock = clock
    this.#ask = ask
  }

  /**
   * Resolves when the client has everything up to the position.
   *
   * @throws ParticleError `INVALID_OPTION` for a text that is no position, and for other options;
   *   `TIMED_OUT` after `timeout` ms
   */
  wait(position: string, options: ReachedOptions): Promise<void> {
    const { timeout = DEFAULT_TIMEOUT_MS, ...rest }: ReachedOptions = Object(options)
    if (typeof position !== 'string' || !FORM.test(position))
      return Promise.reject(
        invalidOption('reached(position) takes the text that server.position(root) gave.'),
      )
    if (!isObject(options) || Object.keys(rest).length > 0 || typeof timeout !== 'number' || !(timeout > 0))
      return Promise.reject(
        invalidOption(
          'reached(position, { timeout }): timeout is a number of milliseconds, and the only option.',
        ),
      )
    const barrier = this.#barriers.get(position) ?? { isProven: false, isAsked: false, waiters: new Set() }
    this.#barriers.set(position, barrier)
    if (!barrier.isAsked) this.#ask()
    return new Promise((resolve, reject) => {
      const settle = (error?: ParticleError) => {
        cancel()
        barrier.waiters.delete(settle)
        if (barrier.waiters.size === 0 && this.#barriers.get(position) === barrier) this.#forget(position)
        if (error) reject(error)
        else resolve()
      }
      barrier.waiters.add(settle)
      const late = () =>
        settle(
          new ParticleError(
            'TIMED_OUT',
            `The position was not reached within ${timeout} ms: ` +
              'is the client connected, and does the source report changes?',
          ),
        )
      const cancel = this.#clock.after(timeout, late)
    })
  }

  /** Returns the positions that a request for a new stream names. The others are asked for afterwards. */
  start(): string[] {
    const proven = [...this.#barriers].filter(([, { isProven }]) => isProven).map(([position]) => position)
    const started = proven.slice(0, MAX_STARTED)
    for (const [position, barrier] of this.#barriers) barrier.isAsked = started.includes(position)
    return started
  }

  /** Returns the positions that the open stream must still be asked for. */
  next(): string[] {
    const waiting = [...this.#barriers].filter(([, { isAsked }]) => !isAsked).map(([position]) => position)
    return waiting.slice(0, this.#careful ? 1 : MAX_ASKED)
  }

  /** Notes that a server has accepted positions, and whether it has the open stream. */
  answered(positions: readonly string[], live: boolean): void {
    for (const position of positions) {
      const barrier = this.#barriers.get(position)
      if (barrier) Object.assign(barrier, { isProven: true, isAsked: live })
    }
    if (!live) return
    this.#cancel ??= this.#clock.after(ASK_AGAIN_MS, () => {
      this.#cancel = undefined
      for (const barrier of this.#barriers.values()) barrier.isAsked = false
      this.#ask()
    })
  }

  /** Notes that the server has refused positions. Several are asked for one by one from now on. */
  refused(positions: readonly string[], message: string): void {
    if (positions.length > 1) this.#careful = true
    else for (const position of positions) this.#settle(position, invalidOption(message))
  }

  reached(position: string): void {
    this.#settle(position)
  }

  /** Rejects all waits. */
  end(error: ParticleError): void {
    for (const position of [...this.#barriers.keys()]) this.#settle(position, error)
  }

  #settle(position: string, error?: ParticleError): void {
    const barrier = this.#barriers.get(position)
    this.#forget(position)
    for (const settle of [...(barrier?.waiters ?? [])]) settle(error)
  }

  #forget(position: string): void {
    this.#barriers.delete(position)
    if (this.#barriers.size > 0) return
    this.#careful = false
    this.#cancel?.()
    this.#cancel = undefined
  }
}
