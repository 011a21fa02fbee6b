import { ParticleError } from '../errors.ts'
import type { Failure } from './transport.ts'

/** Sets how many streams in a row must fail after good handshakes before the application is told. */
const UNOPENED = 2

/** Tells the application of failures: each once an outage, not at each try. */
export class News {
  readonly #tell: (error: ParticleError) => void
  readonly #told = new Set<string>()
  #unopened = 0

  constructor(tell: (error: ParticleError) => void) {
    this.#tell = tell
  }

  /** Takes a failure that came after so many tries. */
  failed({ error, news }: Failure & { news: number }, tries: number): void {
    if (tries >= news) this.#once(error)
  }

  /** Takes the failure of a stream whose token came from a good handshake just before. */
  unopened({ error, hint = '' }: Failure): void {
    if (++this.#unopened < UNOPENED) return
    const text = `Handshakes are answered, but no stream opens: ${error.message} ${hint}`
    // The hint is the key: the message differs between the two ways to send the token.
    this.#once(new ParticleError(error.code, text, { cause: error }), hint)
  }

  opened(): void {
    this.#unopened = 0
  }

  /** Ends the outage. */
  over(): void {
    this.#told.clear()
  }

  #once(error: ParticleError, key = error.message): void {
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.#tell(error)
  }
}
