import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import type { Following } from './following.ts'
import { type Grant, grantedAt, Regrants, sameClient, sinceOf } from './grant.ts'
import type { ResolvedOptions } from './options.ts'
import { PositionSeal } from './position-seal.ts'
import { fingerprintsOf, rightsOf } from './resume.ts'
import { type Predicate, Rights } from './rights.ts'
import { Identification } from './session.ts'
import type { Sources } from './sources.ts'
import { Tickets } from './ticket.ts'
import { type Claims, type Opened, scopeOf, sessionId, TokenSeal } from './token.ts'
import { Warnings } from './warnings.ts'

/**
 * Limits how often an identity is looked up for one request: rights that are refreshed all the time must not
 * keep it busy for ever.
 */
const MAX_LOOKUPS = 3

/** Limits a ticket, in characters: servers commonly take addresses of 8 KB. */
const MAX_TICKET = 7_000

/** By how much a token's end is rounded down: JWT counts it in seconds, and a stream in milliseconds. */
const EXPIRY_ROUNDING_MS = 1_000

/** An opened token, or what would be sealed in one. */
export type Admission = Opened<Claims>

/** What came of a stream's token. */
export interface Admitted {
  /** Undefined where no token is needed. */
  admission?: Admission | undefined
  /** Whether the identity was looked up again. */
  renewed: boolean
  /** Whether only a handshake of the client can renew its token; default: no. */
  asks?: boolean
}

/** The answer to a handshake. */
export interface Granted {
  token: string
  session: string
  expiresAt: Date
  /** Whether an open stream of the session goes on under the new token. */
  live: boolean
  /** Opens a stream by its address; where the handshake asked for one. */
  ticket: string | undefined
}

/** By what a client is known to be the same one. */
type Client = Pick<Claims, 'given' | 'identity'>

/**
 * Copies an admission to a new set of views, and remembers the previous set so that positions issued for it
 * stay valid.
 * @param moment since when views are granted that were not before; undefined where all have the same rights
 */
function carried<T extends object>(
  admission: T,
  before: Grant | undefined,
  views: Claims['views'],
  moment: string | undefined,
): T & Grant {
  // Keeps the last set that differs, so that issuing an unused token does not invalidate older positions.
  const same = before && rightsOf(before.views) === rightsOf(views)
  const previous = same ? before.previous : before?.views
  const result: T & Grant = { ...admission, views }
  if (moment !== undefined) result.since = sinceOf(views, before, moment)
  if (previous) result.previous = previous
  else delete result.previous
  return result
}

/** Refuses a token whose identity only a handshake of its client can look up again. */
export function staleToken(): ParticleError {
  return new ParticleError(
    'TOKEN_STALE',
    'The rights were refreshed since the token was given: POST to handshake again',
  )
}

/** Decides who may connect, by which token, and keeps what was decided about tokens since. */
export class Admissions {
  readonly rights: Rights
  readonly regrants = new Regrants()
  /** Seals the positions that are given to clients. */
  readonly positions: PositionSeal
  /** Whether identities can be looked up with a request alone: then only the client can renew its token. */
  readonly readsRequest: boolean
  readonly #ttl: number
  readonly #sources: Sources
  readonly #seal: TokenSeal
  readonly #tickets: Tickets
  readonly #warnings: Warnings
  readonly #identification: Identification
  readonly #following: Following | undefined

  constructor(options: ResolvedOptions, sources: Sources, following?: Following) {
    const { secret, sessionTtl, identityLookup, onError, maxConnections } = options
    this.#ttl = sessionTtl
    this.#sources = sources
    this.#following = following
    const scope = scopeOf(options)
    this.#seal = new TokenSeal(secret, scope)
    this.#tickets = new Tickets(secret, scope)
    this.#warnings = new Warnings(options)
    this.positions = new PositionSeal(secret, `${scope}${sources.stores}`)
    this.#identification = new Identification(identityLookup, onError, maxConnections)
    this.readsRequest = this.#identification.readsRequest
    this.rights = new Rights(sessionTtl, onError, () => sources.moments.now)
  }

  /**
   * Lets a stream that had the one admission go on with another one, and with views of its own: what is new
   * in these is granted now.
   */
  goOn(before: Admission, next: Admission, views: Claims['views']): Admission {
    const moment = this.#identification.required ? this.#sources.moments.now : undefined
    const result = carried(next, before, views, moment)
    if (moment !== undefined) {
      result.since = sinceOf(views, next, moment)
      this.regrants.note(next.session, before.views, views, moment)
    }
    return result
  }

  /**
   * Opens the token that a client had before, expired or not. Undefined where it is none of this server's, or
   * was revoked, or is so old that nobody knows: nothing of a revoked token is carried over.
   */
  async previous(token: string | undefined): Promise<Admission | undefined> {
    if (token === undefined) return undefined
    const claims = await this.#seal.open(token, true).catch(() => undefined)
    if (!claims || !this.rights.reaches(claims)) return undefined
    if (this.rights.judge(claims).revoked !== undefined) return undefined
    // An expired token may be in other hands: its positions go on, but its session's streams are out of its
    // reach.
    const isCurrent = claims.expiresAt.getTime() + EXPIRY_ROUNDING_MS > Date.now()
    if (isCurrent) return claims
    const session = sessionId()
    this.regrants.copy(claims.session, session)
    return { ...claims, session }
  }

  /**
   * Admits a client that presents itself. `before` is its last token's: the session goes on, and so do the
   * positions that were given with it.
   * @param at when the request came: what a lookup reads of it (a session, say) may be as old as that
   * @throws ParticleError `UNAUTHORIZED`, `UNAVAILABLE` or `TOO_MANY_HANDSHAKES`
   */
  identify(
    given: Json,
    request: IncomingMessage | undefined,
    before?: Claims,
    at?: number,
  ): Promise<Admission> {
    const session = before?.session ?? sessionId()
    const grantOf = async (now: Client) => {
      const moment = await this.#askMoment()
      return {
        moment,
        before: before && moment !== undefined ? this.#continued(before, now, moment) : before,
      }
    }
    return this.#lookUp({ session, given }, request, true, grantOf, at)
  }

  /**
   * Looks a session's identity up again, without a request; its relations are taken as far as they were read.
   * Throws what {@link Admissions.identify} does.
   */
  identifyAgain(claims: Claims): Promise<Admission> {
    return this.#lookUp(claims, undefined, false, async () => ({
      moment: await this.#askMoment(),
      before: claims,
    }))
  }

  /**
   * Opens a stream's token or ticket, and looks its identity up again where that was decided since.
   * @param browsers the values of the request's browser cookies
   * @throws ParticleError `UNAUTHORIZED` where the token is missing, not valid or revoked; `TOKEN_STALE`
   *   where the client must present itself anew; and what {@link Admissions.identify} throws
   */
  async admit(token: string | undefined, browsers: readonly string[] = []): Promise<Admitted> {
    if (token === undefined) {
      if (this.#identification.required)
        throw new ParticleError('UNAUTHORIZED', 'A stream needs a token: POST to handshake first')
      return { renewed: false }
    }
    const claims = Tickets.is(token)
      ? await this.#tickets.redeem(token, browsers)
      : await this.#seal.open(token)
    const asks = this.readsRequest
    if (!this.refuseRevoked(claims)) return { admission: claims, renewed: false, asks }
    if (asks) throw staleToken()
    const admission = await this.#lookUp(claims, undefined, true, async () => {
      // A stream may have gone on under the new rights without its client's getting their token: a bare
      // EventSource
      // comes back with the ticket that it has.
      const { moment } = this.rights.judge(claims)
      return moment && claims.since ? { moment, before: grantedAt(moment, claims) } : { before: claims }
    })
    return { admission, renewed: true }
  }

  /**
   * Tells whether the identity must be looked up again.
   * @throws ParticleError `UNAUTHORIZED` where the rights were taken away since it was looked up
   */
  refuseRevoked(claims: Claims): boolean {
    const { revoked, stale } = this.rights.judge(claims)
    if (revoked !== undefined) throw new ParticleError('UNAUTHORIZED', 'The token was revoked')
    return stale
  }

  seal({ expiresAt, ...claims }: Admission): Promise<string> {
    return this.#seal.seal(claims, expiresAt)
  }

  /**
   * Issues a ticket, which opens a stream by its address: see {@link Tickets}.
   * @returns undefined where it would be too long for an address
   */
  async ticket(admission: Admission, browser: string): Promise<string | undefined> {
    const ticket = await this.#tickets.issue(admission, browser)
    if (ticket.length <= MAX_TICKET) return ticket
    const sentence = `The ticket of an EventSource would have ${ticket.length} characters, more than an address can hold; let identityLookup answer with less, or use Particle's client`
    this.#warnings.error('length of tickets', sentence)
    return undefined
  }

  /** Whether a predicate on identities holds for a client; those who present nothing are `{}`. */
  meets(predicate: Predicate, admission: Admission | undefined): boolean {
    return this.rights.meets(predicate, admission ?? { identity: {}, given: null })
  }

  /**
   * Tells what goes on of an older token's grant. Of another client's, only which views there were, all
   * granted now. Where rights were looked at anew since, nothing of before that: they may have been others
   * meanwhile.
   */
  #continued(before: Claims, now: Client, moment: string): Grant {
    const { revoked, moment: decided } = this.rights.judge(before)
    const same = sameClient(before, now, !this.readsRequest)
    if (!same || revoked !== undefined || !before.since) return grantedAt(moment, before)
    return decided === undefined ? before : grantedAt(decided, before)
  }

  async #askMoment(): Promise<string | undefined> {
    return this.#identification.required ? this.#sources.moments.ask() : undefined
  }

  /**
   * @param grantOf tells, once the identity was found, since when it is granted views, and what goes on of
   * before
   */
  async #lookUp(
    { session, given }: Pick<Claims, 'session' | 'given'>,
    request: IncomingMessage | undefined,
    settle: boolean,
    grantOf: (now: Client) => Promise<{ moment?: string | undefined; before?: Grant | undefined }>,
    began = Rights.now(),
  ): Promise<Admission> {
    for (let tries = 0; tries < MAX_LOOKUPS; tries++) {
      const at = tries === 0 ? began : Rights.now()
      const identity = await this.#identification.identify(given, request)
      if (settle) await this.#following?.settle(identity)
      const { moment, before } = await grantOf({ given, identity })
      const admission = this.#admission({ session, given, identity, at }, before, moment)
      // A lookup that was under way when rights were refreshed may have found the old ones.
      const { revoked, stale } = this.rights.judge(admission)
      if (!stale || revoked !== undefined) return admission
      // The same request would show the same session once more: only another one knows of what was decided
      // since.
      if (request && this.readsRequest) break
    }
    throw new ParticleError('UNAVAILABLE', 'The rights were refreshed meanwhile; try again')
  }

  #admission(
    known: Pick<Claims, 'session' | 'given' | 'identity' | 'at'>,
    before: Grant | undefined,
    moment: string | undefined,
  ): Admission {
    const related = this.#following?.related(known.identity)
    try {
      const views = fingerprintsOf(this.#sources.viewsOf(known.identity, related))
      // A token lives from when its request came, not from when a slow body or lookup ended: decisions about
      // it are kept as long.
      const expiresAt = new Date(Date.now() - (Rights.now() - known.at) + this.#ttl)
      return { ...carried(known, before, views, moment), expiresAt }
    } finally {
      related?.close()
    }
  }
}
