import { ParticleError } from '../errors.ts'
import { Backoff } from './backoff.ts'

/** Describes the work that a {@link RetryLoop} repeats. */
export interface RetryLoopWork {
  /** Follows the source. Rejects when that fails; a resolved promise starts the next attempt at once. */
  attempt(): Promise<void>
  /** Checks that another attempt can't help. The loop asks only before it is open. */
  isHopeless?(error: unknown): boolean
  /** Reports a failed attempt. `'at once'` skips the pause before the next attempt. */
  failed(error: unknown): undefined | 'at once' | Promise<undefined | 'at once'>
  /** Reports that an open source answers again. A quiet source would otherwise report nothing for long. */
  recovered?(): void
}

/**
 * Keeps a connection to a source: repeats an attempt until the loop is closed, with pauses of 0.5 s to 30 s
 * after failures. All sources that follow a server share this class, so that each opens, fails and closes in
 * the same way.
 *
 *     opening --accept()--> open, retries every failure --close()--> closed
 *        |-- a hopeless failure: `opened` rejects with the failure -----^
 *        `-- close(reason): `opened` rejects with the reason -----------^
 */
export class RetryLoop {
  /** Resolves at the first accepted attempt. */
  readonly opened: Promise<void>
  readonly backoff: Backoff
  readonly #work: RetryLoopWork
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #isOpen = false
  /** Marks a failure of an open source, until the source answers again. */
  #isFailing = false
  #resolve: () => void = () => {}
  #reject: (error: unknown) => void = () => {}

  /** Starts the first attempt after the current call, so that the owner can keep the loop first. */
  constructor(work: RetryLoopWork) {
    this.#work = work
    this.backoff = new Backoff(this.signal)
    this.opened = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.opened.catch(() => {})
    this.#running = Promise.resolve().then(() => this.#run())
  }

  /** Aborts at the end of the loop. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }

  get isClosed(): boolean {
    return this.signal.aborted
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Opens the loop: the server has accepted the attempt. */
  accept(): void {
    this.#isOpen = true
    this.#resolve()
  }

  /** Opens the loop, makes the next pause short again, and reports the end of a failure. */
  succeeded(): void {
    this.backoff.succeeded()
    this.accept()
    if (!this.#isFailing) return
    this.#isFailing = false
    this.#work.recovered?.()
  }

  /**
   * Ends the loop. Resolves at the end of the attempt under way, which the caller has to break off.
   *
   * @param reason the rejection of `opened`, unless the loop is open. Default: a ParticleError `CLOSED`
   */
  async close(reason: unknown = closedEarly()): Promise<void> {
    this.#closing.abort(reason)
    this.#reject(reason)
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.isClosed) {
      try {
        await this.#work.attempt()
      } catch (error) {
        if (this.isClosed) return
        if (!this.#isOpen && this.#work.isHopeless?.(error)) {
          this.#reject(error)
          this.#closing.abort(error)
          return
        }
        this.#isFailing = this.#isOpen
        if ((await this.#work.failed(error)) !== 'at once') await this.backoff.wait()
      }
    }
  }
}

function closedEarly(): ParticleError {
  return new ParticleError('CLOSED', 'The subscription was closed before the source was open')
}
