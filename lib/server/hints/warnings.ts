import { ParticleError } from '../../errors.ts'
import type { Diagnostics } from '../support/diagnostics.ts'

/** Receives warnings: errors, and hints as events. A part without diagnostics drops its hints. */
export interface Reports {
  onError(error: ParticleError): void
  diagnostics?: Pick<Diagnostics, 'report'>
}

/** Reports probable mistakes, each topic once. Nothing is refused because of a warning. */
export class Warnings {
  readonly #reports: Reports
  readonly #reported = new Set<string>()

  constructor(reports: Reports) {
    this.#reports = reports
  }

  /** Reports an almost certain mistake as an error `MISCONFIGURED`. */
  error(topic: string, sentence: string): void {
    if (this.#isNew(topic)) this.#reports.onError(new ParticleError('MISCONFIGURED', sentence))
  }

  /** Reports a possible mistake as a debug message. */
  debug(topic: string, sentence: string): void {
    if (this.#isNew(topic)) this.#reports.diagnostics?.report('hint', { topic }, sentence)
  }

  #isNew(topic: string): boolean {
    if (this.#reported.has(topic)) return false
    this.#reported.add(topic)
    return true
  }
}
