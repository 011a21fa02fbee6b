import { FewSet } from './few-set.ts'

/** Holds a set of members for each key, in the order of their arrival. Leaves out members without a key. */
export class KeyedSets<T extends object> {
  readonly #sets = new Map<string, FewSet<T>>()

  of(key: string | undefined): FewSet<T> | undefined {
    return key === undefined ? undefined : this.#sets.get(key)
  }

  add(key: string | undefined, member: T): void {
    if (key !== undefined) this.#sets.set(key, (this.of(key) ?? new FewSet<T>()).add(member))
  }

  delete(key: string | undefined, member: T): void {
    const set = this.of(key)
    set?.delete(member)
    if (key !== undefined && set?.size === 0) this.#sets.delete(key)
  }
}
