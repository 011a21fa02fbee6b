import type { Excess } from './quota.ts'

/** How many seconds' worth of a rate may come at once, after a time in which nothing came. */
export const BURST_SECONDS = 20

/** How many keys are remembered before those without a debt are forgotten. */
const MAX_KEYS = 1_000

/** A token bucket: filled at a constant rate up to a bound, emptied by one for each event. */
class Bucket {
  readonly #perSecond: number
  readonly #most: number
  #tokens: number
  #at: number

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond
    this.#most = Math.max(1, perSecond * BURST_SECONDS)
    this.#tokens = this.#most
    this.#at = now
  }

  /** Whether an event may happen now. */
  allows(now: number): boolean {
    const filled = this.#tokens + ((now - this.#at) / 1_000) * this.#perSecond
    this.#tokens = Math.min(this.#most, filled)
    this.#at = now
    return this.#tokens >= 1
  }

  take(): void {
    this.#tokens--
  }

  isFull(now: number): boolean {
    return this.allows(now) && this.#tokens >= this.#most
  }
}

/** Bounds how often something happens a second, in all and for each key, by token buckets. */
export class Rate {
  readonly #each: number
  readonly #total: Bucket | undefined
  readonly #byKey = new Map<string, Bucket>()
  readonly #now: () => number
  #sweptAt = 0

  /** @param now the present in milliseconds, of a clock that only goes forward */
  constructor(total: number, each: number, now = () => performance.now()) {
    this.#each = each
    this.#total = Number.isFinite(total) ? new Bucket(total, now()) : undefined
    this.#now = now
  }

  /**
   * Counts an event. An event that one bound refuses doesn't count for the other.
   * @returns the bound that refuses the event; undefined where it may happen
   */
  take(key: string | undefined): Excess | undefined {
    const now = this.#now()
    const own = key === undefined || !Number.isFinite(this.#each) ? undefined : this.#bucketOf(key, now)
    if (own && !own.allows(now)) return 'each'
    if (this.#total && !this.#total.allows(now)) return 'total'
    own?.take()
    this.#total?.take()
    return undefined
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#byKey.size
  }

  #bucketOf(key: string, now: number): Bucket {
    const known = this.#byKey.get(key)
    if (known) return known
    // At most once a second: with many debtors, a sweep for each new key would cost more than it frees.
    if (this.#byKey.size >= MAX_KEYS && now - this.#sweptAt >= 1_000) this.#sweep(now)
    const bucket = new Bucket(this.#each, now)
    this.#byKey.set(key, bucket)
    return bucket
  }

  #sweep(now: number): void {
    this.#sweptAt = now
    for (const [key, bucket] of this.#byKey) if (bucket.isFull(now)) this.#byKey.delete(key)
  }
}
