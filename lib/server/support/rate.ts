import type { Excess } from './quota.ts'

/** The size of a burst after a quiet time, in seconds of the rate. */
export const BURST_SECONDS = 20

/** Limits the remembered keys before those with a full bucket are forgotten. */
const MAX_KEYS = 1_000

/** A token bucket, which fills at a constant rate up to a bound. Each event takes one token. */
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

  /** Checks whether an event is allowed now. */
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

/** Limits the events per second, in total and for each key, by token buckets. */
export class Rate {
  readonly #each: number
  readonly #total: Bucket | undefined
  readonly #byKey = new Map<string, Bucket>()
  readonly #now: () => number
  #sweptAt = 0

  /** @param now returns the present in milliseconds, on a clock that never goes back */
  constructor(total: number, each: number, now = () => performance.now()) {
    this.#each = each
    this.#total = Number.isFinite(total) ? new Bucket(total, now()) : undefined
    this.#now = now
  }

  /**
   * Counts an event. An event that one bound refuses doesn't count for the other bound.
   *
   * @returns the bound that refuses the event; undefined when the event is allowed
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

  /** The number of remembered keys. */
  get size(): number {
    return this.#byKey.size
  }

  #bucketOf(key: string, now: number): Bucket {
    const known = this.#byKey.get(key)
    if (known) return known
    // Sweeps once a second at most. With many used buckets, a sweep for each new key would cost more than it
    // frees.
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
