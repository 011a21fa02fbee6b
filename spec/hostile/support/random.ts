/** Draws values from a seed: the same seed draws the same values (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Draws a number from 0 up to, and without, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** Draws a whole number from 0 up to, and without, the limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

/** Draws a seed, unless `--seed` or FUZZ_SEED names one. */
export function newSeed(asked: string | undefined = process.env.FUZZ_SEED): number {
  return asked === undefined ? Math.floor(Math.random() * 4_294_967_296) : Number(asked)
}

/** Returns the seed of a spec: always the same, unless FUZZ_SEED names one. A landing must not hang on a new seed. */
export function usualSeed(): number {
  return Number(process.env.FUZZ_SEED ?? 1)
}
