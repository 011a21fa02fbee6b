import { ParticleError } from '../../errors.ts'

/**
 * The time before a view that was too large is read again, in milliseconds. Otherwise each client would cause
 * a read.
 */
const PAUSE_MS = 30_000

/** Remembers that a view was larger than a limit, so that the view isn't read again and again. */
export class ExcessPause {
  #error: ParticleError | undefined
  /** The end of the pause, on the clock of `performance.now()`, in milliseconds. */
  #until = 0

  /** Reads a view. Rejects at once during the pause. */
  async read<T>(load: () => Promise<T>): Promise<T> {
    if (this.#error && performance.now() < this.#until) throw this.#error
    this.#error = undefined
    try {
      return await load()
    } catch (error) {
      if (error instanceof ParticleError && error.code === 'LIMIT_EXCEEDED') {
        this.#error = error
        this.#until = performance.now() + PAUSE_MS
      }
      throw error
    }
  }
}
