import { ParticleError } from '../../errors.ts'

/** Takes warnings: the server's options of these names. */
export interface Reports {
  onError(error: ParticleError): void
  onDebug(message: string): void
}

/** Tells what was probably not meant, each topic once: nothing is refused for it. */
export class Warnings {
  readonly #reports: Reports
  readonly #told = new Set<string>()

  constructor(reports: Reports) {
    this.#reports = reports
  }

  /** Reports what is wrong in all likelihood, as an error `MISCONFIGURED`. */
  error(topic: string, sentence: string): void {
    if (this.#isNew(topic)) this.#reports.onError(new ParticleError('MISCONFIGURED', sentence))
  }

  /** Reports what may be meant as it is. */
  debug(topic: string, sentence: string): void {
    if (this.#isNew(topic)) this.#reports.onDebug(sentence)
  }

  #isNew(topic: string): boolean {
    if (this.#told.has(topic)) return false
    this.#told.add(topic)
    return true
  }
}
