/** The lag behind the system's clock from which the process's own clock is set, in milliseconds. */
const MAX_LAG_MS = 1_000

/**
 * Counts milliseconds since 1970, with fractions, and never goes back. Node's monotonic clock stands still
 * while the machine is suspended, so this clock then follows the system's clock. A clock that lags would date
 * a decision about rights before older tokens of other nodes.
 */
export class Clock {
  readonly #system: () => number
  readonly #monotonic: () => number
  #origin: number

  constructor(system = () => Date.now(), monotonic = () => performance.now()) {
    this.#system = system
    this.#monotonic = monotonic
    this.#origin = system() - monotonic()
  }

  now(): number {
    const monotonic = this.#monotonic()
    const lag = this.#system() - (this.#origin + monotonic)
    if (lag > MAX_LAG_MS) this.#origin += lag
    return this.#origin + monotonic
  }
}
