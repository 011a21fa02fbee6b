import { ParticleError } from '../../errors.ts'

/** How long what was too large is not read again, in milliseconds: each client would have it read. */
const PAUSE_MS = 30_000

/** Remembers that a view was larger than a limit allows, so that it isn't read again and again. */
export class ExcessPause {
  #error: ParticleError | undefined
  /** By the clock of `performance.now()`, in milliseconds. */
  #until = 0

  /** Reads a view; rejects at once where it was too large a short while ago. */
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
