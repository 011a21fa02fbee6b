import { ParticleError } from '../../errors.ts'
import type { Diagnostics } from '../support/diagnostics.ts'

/** Takes warnings: errors, and hints as events; hints of a part that has none go nowhere. */
export interface Reports {
  onError(error: ParticleError): void
  diagnostics?: Pick<Diagnostics, 'report'>
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
    if (this.#isNew(topic)) this.#reports.diagnostics?.report('hint', { topic }, sentence)
  }

  #isNew(topic: string): boolean {
    if (this.#told.has(topic)) return false
    this.#told.add(topic)
    return true
  }
}
