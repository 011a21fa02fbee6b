const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** Pauses between attempts: 0.5 s, doubling up to 30 s, and 0.5 s again after a success. */
export class Backoff {
  readonly #signal: AbortSignal | undefined
  #pause = FIRST_PAUSE_MS

  /** @param signal ends a pause, and skips later pauses, once it is aborted */
  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  succeeded(): void {
    this.#pause = FIRST_PAUSE_MS
  }

  /** Pauses before the next attempt. */
  async wait(): Promise<void> {
    const milliseconds = this.#pause
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS)
    await pause(milliseconds, this.#signal)
  }

  /**
   * Skips the first pause after a success, and pauses from the second time on. A failure that can be mended
   * at once needs no pause, unless it comes again and again.
   */
  async waitAgain(): Promise<void> {
    if (this.#pause > FIRST_PAUSE_MS) await this.wait()
    else this.#pause *= 2
  }
}

/**
 * Repeats an attempt until it succeeds, with pauses between, and reports each failure. Rejects with a failure
 * that another attempt can't mend.
 *
 * @param signal ends the pause, and the wait for the attempt under way: rejects with its reason at once
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  isHopeless: (error: unknown) => boolean,
  failed: (error: unknown) => void,
  signal?: AbortSignal,
): Promise<T> {
  const backoff = new Backoff(signal)
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await unlessAborted(attempt(), signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (isHopeless(error)) throw error
      failed(error)
      await backoff.wait()
    }
  }
}

/** Settles like the promise, or rejects with the signal's reason once the signal is aborted. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Waits for so long, or until the signal is aborted. The timer keeps no process alive. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds).unref()
    signal?.addEventListener('abort', done)
  })
}
