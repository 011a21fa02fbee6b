import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { requireFunction } from '../../model/unknown.ts'
import type { AnyIdentity } from '../../policy/identity.ts'
import { Clock } from '../support/clock.ts'
import type { Claims } from '../tokens/token.ts'

/**
 * Selects clients by the identity that `identityLookup` found, and by the value that the client presented.
 */
export type Predicate<Identity = never> = {
  // A method, so that a function may declare its own identity type.
  holds(identity: Identity, given: AnyIdentity): unknown
}['holds']

/** Describes a revocation or a refresh. */
export interface Decision {
  predicate: Predicate
  /**
   * The time of the decision, in milliseconds since the epoch, by the clock of its process. It applies to
   * tokens with an earlier lookup.
   */
  at: number
  /** The reason of a revocation; undefined for a refresh, which only looks up the identity again. */
  reason: string | undefined
}

/** Holds a decision, and what this process knows about its time. */
interface Known extends Decision {
  /** The same moment, as the text of a point. */
  moment: string
  /** The name of the process that made the decision. */
  process: string
  /**
   * The time at which the decision was known here, by this process's clock. Set for decisions that all nodes
   * share. Their order needs no clocks: see {@link Revocations.judge}.
   */
  arrived?: number
}

/**
 * Grace period for old tokens, in milliseconds. A token's life starts after its lookup, but `at` is the
 * lookup's begin.
 */
export const LOOKUP_MS = 60_000

/**
 * The largest tolerated difference between the clocks of two nodes, in milliseconds. The times of a decision
 * and a token of two nodes don't order them when they are closer: see {@link Revocations.judge}.
 */
export const CLOCK_MARGIN_MS = 10_000

/** The time that is added to a decision's time for the time after it, in milliseconds. */
const JUST_AFTER_MS = 0.001

/** Limits the processes whose times a token keeps. The latest times are kept. */
const MAX_PROCESSES = 8

/** Dates the lookups and the decisions of this process. */
const clock = new Clock()

/** Limits the refreshes with a predicate of their own. Before the oldest of these, every token is stale. */
const MAX_REFRESHES = 1_000

/** Limits the revocations with a predicate of their own. Every older token than the oldest is refused. */
const MAX_REVOCATIONS = 10_000

/** The reason that a refused token gets in place of a dropped revocation's. */
const REFUSED = 'identity-refused'

/**
 * Remembers revocations and refreshes for the life of older tokens, so that an older token can't undo them.
 */
export class Revocations {
  /** The name of this process in tokens. */
  readonly process = randomBytes(6).toString('base64url')
  readonly #ttl: number
  readonly #onError: (error: ParticleError) => void
  #decisions: Known[] = []
  /** The time of the oldest decision. No decision can be forgotten before the oldest has expired. */
  #earliest = Number.POSITIVE_INFINITY
  /** The newest refresh whose predicate was dropped. All tokens up to its time are stale. */
  #stale: Pick<Known, 'at' | 'moment'> = { at: Number.NEGATIVE_INFINITY, moment: '' }
  /** The time of the newest revocation whose predicate was dropped. All tokens up to it are refused. */
  #refused = Number.NEGATIVE_INFINITY
  readonly #moment: () => string
  /**
   * Whether the nodes share their decisions, so that a lookup begins after this node knows all earlier ones.
   */
  readonly isShared: boolean

  /** @param moment returns the present, as the text of a point */
  constructor(
    { sessionTtl, control }: { sessionTtl: number; control?: unknown },
    onError: (error: ParticleError) => void,
    moment: () => string,
  ) {
    this.isShared = control !== undefined
    this.#moment = moment
    this.#ttl = sessionTtl
    this.#onError = onError
  }

  /**
   * Returns the present in milliseconds, with fractions. A later call returns a later time, so that lookups
   * and decisions can be ordered.
   */
  static now(): number {
    return clock.now()
  }

  /**
   * Checks whether all decisions since a token's lookup are still remembered. Decisions are forgotten after
   * the token's life.
   */
  reaches({ at }: Pick<Claims, 'at'>): boolean {
    return at >= Revocations.now() - this.#ttl - LOOKUP_MS
  }

  /**
   * Adds a decision of this process. Returns the decision.
   *
   * @param isShared whether the other nodes get the decision too
   */
  revoke(predicate: Predicate, reason: string, isShared = false): Decision {
    requireFunction('revoke(predicate, reason): predicate', predicate)
    return this.#decide({ predicate, at: Revocations.now(), reason }, isShared)
  }

  /** Adds a decision of this process, as {@link Revocations.revoke} does. */
  refresh(predicate: Predicate, isShared = false): Decision {
    requireFunction('refresh(predicate): predicate', predicate)
    return this.#decide({ predicate, at: Revocations.now(), reason: undefined }, isShared)
  }

  /** Adds a decision of another process. */
  take(decision: Decision, process: string): void {
    this.#add(decision, process, Revocations.now())
  }

  /**
   * Adds the time of a new lookup to a token's times, under the name of this process. Adds a time of each
   * other process whose decisions were known before the lookup, so that all nodes can order the token and
   * these.
   */
  stamp(after: Claims['after'], at: number): NonNullable<Claims['after']> {
    const times = new Map(Object.entries(after ?? {}))
    for (const { process, at: time, arrived } of this.#decisions)
      if (arrived !== undefined && arrived < at)
        times.set(process, Math.max(times.get(process) ?? time, time + JUST_AFTER_MS))
    times.delete(this.process)
    if (times.size === 0) return { [this.process]: at }
    // Keeps the latest: a node that starts gets the decisions in any order.
    const latest = [...times].sort(([, one], [, other]) => one - other).slice(1 - MAX_PROCESSES)
    return Object.fromEntries([...latest, [this.process, at]])
  }

  /**
   * Judges a token by the decisions after its lookup. Returns the reason of a revocation, or whether the
   * identity must be looked up again, with the `moment` of the last decision. When the clocks of two nodes
   * don't order the token and a decision, the identity must be looked up again. A shared decision needs no
   * clocks: it applies to all tokens whose lookup did not begin after the decision was known at its node.
   */
  judge(claims: Pick<Claims, 'identity' | 'given' | 'at' | 'after'>): {
    revoked?: string
    stale: boolean
    moment?: string
  } {
    const own = claims.after?.[this.process]
    const [doubted] = rangeOf(claims, own)
    if (doubted <= this.#refused) return { revoked: REFUSED, stale: true }
    let last: Pick<Known, 'moment'> | undefined = doubted <= this.#stale.at ? this.#stale : undefined
    for (const decision of this.#decisions) {
      const { predicate, at, reason, process, arrived } = decision
      // Skips a lookup here that began after the decision was known here, whatever the clocks say.
      if (arrived !== undefined && own !== undefined && own > arrived) continue
      const time = claims.after?.[process]
      const [earliest, latest] = rangeOf(claims, time)
      // Applies a shared decision without clocks, if the node of the lookup knew none of its process.
      const isUnknown = arrived !== undefined && time === undefined && hasRoom(claims)
      if ((earliest > at && !isUnknown) || !this.meets(predicate, claims)) continue
      if (reason !== undefined && (latest <= at || arrived !== undefined))
        return { revoked: reason, stale: true }
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

  #decide(decision: Decision, isShared: boolean): Decision {
    return this.#add(decision, this.process, isShared ? decision.at : undefined)
  }

  #add(decision: Decision, process: string, arrived?: number): Decision {
    const oldest = Revocations.now() - this.#ttl - LOOKUP_MS - CLOCK_MARGIN_MS
    if (this.#earliest < oldest) {
      this.#decisions = this.#decisions.filter(({ at }) => at >= oldest)
      this.#earliest = Math.min(...this.#decisions.map(({ at }) => at))
    }
    this.#earliest = Math.min(this.#earliest, decision.at)
    const known: Known = { ...decision, process, moment: this.#moment() }
    if (arrived !== undefined) known.arrived = arrived
    this.#decisions.push(known)
    this.#limit(decision.reason !== undefined)
    return decision
  }

  /** Drops the oldest revocation or refresh where there are too many. Older tokens pay for it. */
  #limit(isRevocation: boolean): void {
    const most = isRevocation ? MAX_REVOCATIONS : MAX_REFRESHES
    if (this.#decisions.length <= most) return
    const alike = this.#decisions.filter(({ reason }) => (reason !== undefined) === isRevocation)
    const [oldest] = alike
    if (alike.length <= most || !oldest) return
    const { arrived = oldest.at, moment } = oldest
    if (isRevocation) {
      this.#refused = arrived
      const what = `There were more than ${MAX_REVOCATIONS} revocations within the life of a token`
      const mend = 'Revoke many clients by one query, or shorten sessionTtl'
      this.#onError(new ParticleError('LIMIT_EXCEEDED', `${what}: older tokens are refused. ${mend}`))
    } else this.#stale = { at: arrived, moment }
    this.#decisions = this.#decisions.filter((each) => each !== oldest)
  }
}

/** Checks that a token keeps the time of each process whose decisions its lookup's node knew. */
function hasRoom({ after }: Pick<Claims, 'after'>): boolean {
  return after !== undefined && Object.keys(after).length < MAX_PROCESSES
}

/**
 * Returns the time after which a decision may be newer than a token, and the time after which it certainly
 * is. `own` is the time of the token's lookup by the clock of the decision's process; without it, clocks may
 * differ.
 */
function rangeOf({ at }: Pick<Claims, 'at'>, own: number | undefined): [earliest: number, latest: number] {
  return own === undefined ? [at - CLOCK_MARGIN_MS, at + CLOCK_MARGIN_MS] : [own, own]
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
