import { ParticleError } from '../errors.ts'
import type { Failure } from './transport.ts'

/** How many streams in a row must not open, though handshakes are answered, before the application is told. */
const UNOPENED = 2

/** What the application is told of failures: each once an outage, not at each try. */
export class News {
  readonly #tell: (error: ParticleError) => void
  readonly #told = new Set<string>()
  #unopened = 0

  constructor(tell: (error: ParticleError) => void) {
    this.#tell = tell
  }

  /** A failure after so many tries. */
  failed({ error, news }: Failure & { news: number }, tries: number): void {
    if (tries >= news) this.#once(error)
  }

  /** A stream that could not be opened by a token that is just a moment old. */
  unopened({ error, hint = '' }: Failure): void {
    if (++this.#unopened < UNOPENED) return
    const text = `Handshakes are answered, but no stream opens: ${error.message} ${hint}`
    // The token is sent now this way and now another: that makes no other failure.
    this.#once(new ParticleError(error.code, text, { cause: error }), hint)
  }

  opened(): void {
    this.#unopened = 0
  }

  /** The outage is over. */
  over(): void {
    this.#told.clear()
  }

  #once(error: ParticleError, key = error.message): void {
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.#tell(error)
  }
}
