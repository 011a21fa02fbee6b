import { requireFunction } from '../model/unknown.ts'

/** Holds the listeners of `subscribe`, which are called without arguments. */
export class Subscribers {
  readonly #all = new Set<() => void>()

  /**
   * Adds a listener. Returns the function that ends it. Two subscriptions of one listener are two.
   *
   * @throws ParticleError `INVALID_OPTION` when the listener is not a function
   */
  readonly add = (listener: () => void): (() => void) => {
    requireFunction('subscribe(listener): listener', listener)
    const entry = () => listener()
    this.#all.add(entry)
    return () => void this.#all.delete(entry)
  }

  /** Calls all listeners, but for those that an earlier one has ended. */
  call(call: (listener: () => void) => void): void {
    for (const listener of [...this.#all]) if (this.#all.has(listener)) call(listener)
  }

  clear(): void {
    this.#all.clear()
  }
}
