/** Names the exceeded bound of a {@link Quota}. */
export type Excess = 'total' | 'each'

/** Counts places that are in use at the same time, in total and for each key. */
export class Quota {
  readonly #total: number
  readonly #each: number
  readonly #byKey = new Map<string, number>()
  #count = 0

  constructor(total: number, each: number) {
    this.#total = total
    this.#each = each
  }

  /**
   * Takes a place, which must be given back once. Without a key, only the total bound applies.
   *
   * @returns the exceeded bound; undefined when a place was free
   */
  take(key: string | undefined): Excess | undefined {
    const held = key === undefined ? 0 : (this.#byKey.get(key) ?? 0)
    if (key !== undefined && held >= this.#each) return 'each'
    if (this.#count >= this.#total) return 'total'
    this.#count++
    if (key !== undefined) this.#byKey.set(key, held + 1)
    return undefined
  }

  giveBack(key: string | undefined): void {
    this.#count--
    if (key === undefined) return
    const held = this.#byKey.get(key) ?? 0
    if (held > 1) this.#byKey.set(key, held - 1)
    else this.#byKey.delete(key)
  }
}
