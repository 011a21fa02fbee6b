/** The time that a rate is measured over, in milliseconds. */
const WINDOW_MS = 5_000

/** Measures the rate of a growing total over the last seconds. */
export class Rate {
  readonly #samples: { at: number; total: number }[] = []

  /** Adds a sample. Returns the rate per second. */
  add(total: number, at: number): number {
    // Starts anew when the total falls, since the server was restarted.
    if (total < (this.#samples.at(-1)?.total ?? 0)) this.#samples.length = 0
    this.#samples.push({ at, total })
    while (at - (this.#samples[0]?.at ?? at) > WINDOW_MS && this.#samples.length > 2) this.#samples.shift()
    const [first] = this.#samples
    return first && at > first.at ? ((total - first.total) / (at - first.at)) * 1_000 : 0
  }
}
