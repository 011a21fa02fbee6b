import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { requireFunction } from '../../model/unknown.ts'
import type { AnyIdentity } from '../../policy/identity.ts'
import type { Claims } from '../tokens/token.ts'

/**
 * Selects clients by the identity that `identityLookup` found, and by the value that the client presented.
 */
export type Predicate<Identity = never> = {
  // A method, so that a function may declare its own identity type.
  holds(identity: Identity, given: AnyIdentity): unknown
}['holds']

interface Decision {
  predicate: Predicate
  /**
   * The time of the decision, in milliseconds since the epoch. It applies to tokens with an earlier lookup.
   */
  at: number
  /** The same moment, as the text of a point. */
  moment: string
  /** The reason of a revocation; undefined for a refresh, which only looks up the identity again. */
  reason: string | undefined
}

/**
 * Grace period for old tokens, in milliseconds. A token's life starts after its lookup, but `at` is the
 * lookup's begin.
 */
const LOOKUP = 60_000

/**
 * The largest tolerated difference between the clocks of two nodes, in milliseconds. The times of a decision
 * and a token of two nodes don't order them when they are closer: see {@link Revocations.judge}.
 */
export const CLOCK_MARGIN_MS = 10_000

/** Limits the processes whose times a token keeps. The processes that last found the token stale are kept. */
const MAX_PROCESSES = 8

/** Limits the refreshes with a predicate of their own. Before the oldest of these, every token is stale. */
const MAX_REFRESHES = 1_000

/**
 * Remembers revocations and refreshes for the life of older tokens, so that an older token can't undo them.
 */
export class Revocations {
  /** The name of this process in tokens. */
  readonly #process = randomBytes(6).toString('base64url')
  readonly #ttl: number
  readonly #onError: (error: ParticleError) => void
  #decisions: Decision[] = []
  /** The newest refresh whose predicate was dropped. All tokens up to its time are stale. */
  #stale: Pick<Decision, 'at' | 'moment'> = { at: Number.NEGATIVE_INFINITY, moment: '' }
  readonly #moment: () => string

  /** @param moment returns the present, as the text of a point */
  constructor(sessionTtl: number, onError: (error: ParticleError) => void, moment: () => string) {
    this.#moment = moment
    this.#ttl = sessionTtl
    this.#onError = onError
  }

  /**
   * Returns the present in milliseconds, with fractions. A later call returns a later time, so that lookups
   * and decisions can be ordered.
   */
  static now(): number {
    return performance.timeOrigin + performance.now()
  }

  /**
   * Checks whether all decisions since a token's lookup are still remembered. Decisions are forgotten after
   * the token's life.
   */
  reaches({ at }: Pick<Claims, 'at'>): boolean {
    return at >= Revocations.now() - this.#ttl - LOOKUP
  }

  revoke(predicate: Predicate, reason: string): void {
    requireFunction('revoke(predicate, reason): predicate', predicate)
    this.#add({ predicate, at: Revocations.now(), moment: this.#moment(), reason })
  }

  refresh(predicate: Predicate): void {
    requireFunction('refresh(predicate): predicate', predicate)
    this.#add({ predicate, at: Revocations.now(), moment: this.#moment(), reason: undefined })
    const refreshes = this.#decisions.filter((decision) => decision.reason === undefined)
    const [oldest] = refreshes
    if (refreshes.length <= MAX_REFRESHES || !oldest) return
    this.#stale = oldest
    this.#decisions = this.#decisions.filter((decision) => decision !== oldest)
  }

  /** Adds the time of a new lookup to a token's times, under the name of this process. */
  stamp(after: Claims['after'], at: number): NonNullable<Claims['after']> {
    const others = Object.entries(after ?? {}).filter(([process]) => process !== this.#process)
    return Object.fromEntries([...others.slice(1 - MAX_PROCESSES), [this.#process, at]])
  }

  /**
   * Judges a token by the decisions after its lookup. Returns the reason of a revocation, or whether the
   * identity must be looked up again, with the `moment` of the last decision. When the clocks of two nodes
   * don't order the token and a decision, the identity must be looked up again.
   */
  judge(claims: Pick<Claims, 'identity' | 'given' | 'at' | 'after'>): {
    revoked?: string
    stale: boolean
    moment?: string
  } {
    const own = claims.after?.[this.#process]
    /**
     * The time after which a decision may be newer than the token, and the time after which it certainly is.
     */
    const [doubted, certain] =
      own === undefined ? [claims.at - CLOCK_MARGIN_MS, claims.at + CLOCK_MARGIN_MS] : [own, own]
    let last: Pick<Decision, 'moment'> | undefined = doubted <= this.#stale.at ? this.#stale : undefined
    for (const decision of this.#decisions) {
      const { predicate, at, reason } = decision
      if (doubted > at || !this.meets(predicate, claims)) continue
      if (reason !== undefined && certain <= at) return { revoked: reason, stale: true }
      last = decision
    }
    return last ? { stale: true, moment: last.moment } : { stale: false }
  }

  /**
   * Checks whether the application's predicate holds. Reports a predicate that throws, and selects the
   * client, so that it can't keep rights that it was to lose.
   */
  meets(predicate: Predicate, { identity, given }: { identity: Json; given: Json }): boolean {
    try {
      const held: unknown = predicate(identity as never, given as never)
      // Rejects a promise, which is truthy whatever it resolves to: the predicate would select all clients.
      if (typeof (held as { then?: unknown } | null)?.then === 'function')
        throw new TypeError('it returned a promise, and must answer at once')
      return Boolean(held)
    } catch (cause) {
      this.#onError(
        new ParticleError('CALLBACK_FAILED', `A predicate on identities threw: ${cause}`, { cause }),
      )
      return true
    }
  }

  #add(decision: Decision): void {
    const oldest = decision.at - this.#ttl - LOOKUP - CLOCK_MARGIN_MS
    this.#decisions = this.#decisions.filter(({ at }) => at >= oldest)
    this.#decisions.push(decision)
  }
}

/** Refuses a token that only a handshake of its client can renew. */
export class StaleToken extends ParticleError {
  /** The token to present as `previous`. It counts as newer than this refusal. */
  readonly token: string

  constructor(token: string) {
    super('TOKEN_STALE', 'The rights may have changed since the token was given: POST to handshake again')
    this.token = token
  }
}
