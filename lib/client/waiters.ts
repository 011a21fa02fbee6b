import type { ParticleError } from '../errors.ts'

/** Holds promises that wait for documents. */
export class Waiters {
  readonly #answers = new Set<(error?: ParticleError) => void>()

  get size(): number {
    return this.#answers.size
  }

  /** Returns a promise of the result. A caller that awaits no promise causes no unhandled rejection. */
  add<T>(result: () => T): Promise<T> {
    const promise = new Promise<T>((resolve, reject) => {
      this.#answers.add((error) => (error ? reject(error) : resolve(result())))
    })
    promise.catch(() => {})
    return promise
  }

  /** Resolves all promises, or rejects them with the error. */
  answer(error?: ParticleError): void {
    const answers = [...this.#answers]
    this.#answers.clear()
    for (const answer of answers) answer(error)
  }
}
