/** The number of entries up to which two lists take half of the memory of a Map, and are searched as fast. */
const FEW = 16

/**
 * Holds a map that mostly has few entries, in the order of their keys' arrival. Ten entries take 300 bytes in
 * place of the 680 of a Map, which counts where each of many views has such a map.
 */
export class FewMap<V> {
  #keys: readonly string[] = NOTHING
  #values: V[] = []
  /** All entries, once there were more than a few. */
  #all: Map<string, V> | undefined

  get size(): number {
    return this.#all?.size ?? this.#keys.length
  }

  has(key: string): boolean {
    return this.#all?.has(key) ?? this.#keys.includes(key)
  }

  get(key: string): V | undefined {
    return this.#all ? this.#all.get(key) : this.#values[this.#keys.indexOf(key)]
  }

  keys(): Iterable<string> {
    return this.#all?.keys() ?? this.#keys
  }

  set(key: string, value: V): void {
    const index = this.#all ? -1 : this.#keys.indexOf(key)
    if (index < 0) this.append([key], [value])
    else this.#values[index] = value
  }

  /** Adds entries whose keys are not in the map. */
  append(keys: readonly string[], values: readonly V[]): void {
    if (!this.#all && this.#keys.length + keys.length <= FEW) {
      // Makes lists of their length. A list that grew has room for 17.
      this.#keys = this.#keys.concat(keys)
      this.#values = this.#values.concat(values)
      return
    }
    this.#all ??= new Map(this)
    this.#keys = NOTHING
    this.#values = []
    for (const [index, key] of keys.entries()) this.#all.set(key, values[index] as V)
  }

  /** Removes an entry. Returns whether the map had it. */
  delete(key: string): boolean {
    if (this.#all) return this.#all.delete(key)
    const index = this.#keys.indexOf(key)
    if (index < 0) return false
    this.#keys = this.#keys.toSpliced(index, 1)
    this.#values.splice(index, 1)
    return true
  }

  [Symbol.iterator](): Iterator<[string, V]> {
    return (
      this.#all?.entries() ??
      this.#keys.map((key, index): [string, V] => [key, this.#values[index] as V]).values()
    )
  }
}

const NOTHING: readonly never[] = []
