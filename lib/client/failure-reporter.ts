import { ParticleError } from '../errors.ts'
import type { Failure } from './transport.ts'

/** Counts the streams in a row that fail after good handshakes before the first report. */
const UNOPENED_BEFORE_REPORT = 2

/** Reports failures to the application. Each failure is reported once per outage, not at each try. */
export class FailureReporter {
  readonly #report: (error: ParticleError) => void
  readonly #reported = new Set<string>()
  #unopened = 0

  constructor(report: (error: ParticleError) => void) {
    this.#report = report
  }

  /** Reports a failure once `tries` have failed. */
  failed({ error, reportAfter }: Failure & { reportAfter: number }, tries: number): void {
    if (tries >= reportAfter) this.#once(error)
  }

  /** Reports the failure of a stream after a good handshake, from the second stream in a row on. */
  unopened({ error, hint = '' }: Failure): void {
    if (++this.#unopened < UNOPENED_BEFORE_REPORT) return
    const sentence = error.message.replace(/(?<![.?!])$/, '.')
    const text = `Handshakes are answered, but no stream opens: ${sentence} ${hint}`
    // Uses the hint as the key: the message differs between the two ways to send the token.
    this.#once(new ParticleError(error.code, text, { cause: error }), hint)
  }

  opened(): void {
    this.#unopened = 0
  }

  /** Ends the outage, so that the next one is reported again. */
  over(): void {
    this.#reported.clear()
  }

  #once(error: ParticleError, key = error.message): void {
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    this.#report(error)
  }
}
