import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { requireFunction } from '../../model/unknown.ts'
import type { AnyIdentity } from '../../policy/identity.ts'
import type { Claims } from '../tokens/token.ts'

/** Says of a client by what `identityLookup` found, and by what the client presented, whether it is meant. */
export type Predicate<Identity = never> = {
  // A method, so that a function may declare what it knows of the identity.
  holds(identity: Identity, given: AnyIdentity): unknown
}['holds']

interface Decision {
  predicate: Predicate
  /**
   * Tokens for which the identity was looked up at this time or before are meant: milliseconds since the
   * epoch.
   */
  at: number
  /** The same moment, as the text of a point. */
  moment: string
  /** Why rights were taken away; undefined where they are only to be looked at anew. */
  reason: string | undefined
}

/**
 * A token ends its time to live after its lookup was answered, and is dated by when the lookup began: so many
 * milliseconds may lie between.
 */
const LOOKUP = 60_000

/**
 * By how much the clocks of nodes may differ, in milliseconds. Decisions and tokens of two nodes that lie
 * closer together are not ordered by their times: see {@link Revocations.judge}.
 */
export const CLOCK_MARGIN_MS = 10_000

/** A token keeps the times of so many processes: of those that found it stale last. */
const MAX_PROCESSES = 8

/** So many refreshes are told apart; of those before them, all tokens are looked at anew. */
const MAX_REFRESHES = 1_000

/**
 * What was decided about rights after tokens were sealed: kept as long as such a token may live, so that an
 * older token does not undo it.
 */
export class Revocations {
  /** Names this process in tokens. */
  readonly #process = randomBytes(6).toString('base64url')
  readonly #ttl: number
  readonly #onError: (error: ParticleError) => void
  #decisions: Decision[] = []
  /** Tokens of this time or before are looked at anew, whoever has them. */
  #stale: Pick<Decision, 'at' | 'moment'> = { at: Number.NEGATIVE_INFINITY, moment: '' }
  readonly #moment: () => string

  /** @param moment the present, as the text of a point */
  constructor(sessionTtl: number, onError: (error: ParticleError) => void, moment: () => string) {
    this.#moment = moment
    this.#ttl = sessionTtl
    this.#onError = onError
  }

  /**
   * A moment: later than any before it, so that what was sealed before a decision is told from what was
   * sealed after.
   */
  static now(): number {
    return performance.timeOrigin + performance.now()
  }

  /**
   * Tells whether all decisions since a token was sealed are known: they are forgotten once it must have
   * ended.
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

  /** Notes in a token's times that its identity was looked up after a time of this process. */
  stamp(after: Claims['after'], at: number): NonNullable<Claims['after']> {
    const others = Object.entries(after ?? {}).filter(([process]) => process !== this.#process)
    return Object.fromEntries([...others.slice(1 - MAX_PROCESSES), [this.#process, at]])
  }

  /**
   * What was decided about a client since its token was sealed: why it was revoked, or whether its identity
   * must be looked up again, and at which `moment` that was decided last. Where the clocks of two nodes don't
   * tell whether the token is older than a decision, its identity must be looked up again.
   */
  judge(claims: Pick<Claims, 'identity' | 'given' | 'at' | 'after'>): {
    revoked?: string
    stale: boolean
    moment?: string
  } {
    const own = claims.after?.[this.#process]
    /** The time up to which decisions may be newer than the token, and the time up to which they are. */
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
   * Whether the application's predicate holds. Where it throws, that is reported, and the client counts as
   * meant: what it was to lose must not stay with it.
   */
  meets(predicate: Predicate, { identity, given }: { identity: Json; given: Json }): boolean {
    try {
      const held: unknown = predicate(identity as never, given as never)
      // A promise is truthy whatever it resolves to: all clients would be meant.
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

/** Refuses a token whose identity only a handshake of its client can look up again. */
export class StaleToken extends ParticleError {
  /** The token to name as `previous`: what it opens later is known to be newer than this refusal. */
  readonly token: string

  constructor(token: string) {
    super('TOKEN_STALE', 'The rights may have changed since the token was given: POST to handshake again')
    this.token = token
  }
}
