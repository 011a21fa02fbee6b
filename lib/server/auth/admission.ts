import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { type Grant, Regrants, sinceOf } from '../delivery/grant.ts'
import { Warnings } from '../hints/warnings.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Sources } from '../registry/sources.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import { PositionSeal } from '../tokens/position-seal.ts'
import { Tickets } from '../tokens/ticket.ts'
import { type Claims, scopeOf, sessionId, TokenSeal } from '../tokens/token.ts'
import { fingerprintsOf } from '../view/fingerprint.ts'
import type { Admission, Admitted, Credentials } from './admitted.ts'
import { carried } from './carried.ts'
import { type Client, Continuations } from './continuations.ts'
import { Identification } from './identification.ts'
import { Openings } from './openings.ts'
import { CLOCK_MARGIN_MS, type Predicate, Revocations, StaleToken } from './revocations.ts'

/**
 * Limits how often an identity is looked up for one request: rights or dependencies that change all the time
 * must not keep it busy for ever.
 */
const MAX_LOOKUPS = 3

/** Limits a ticket, in characters: servers commonly take addresses of 8 KB. */
const MAX_TICKET = 7_000

const CLOCKS = `A token was given by a process whose clock is over ${CLOCK_MARGIN_MS / 1000} s ahead of this one's: keep the clocks of all nodes together (NTP), or revoke() and refresh() may miss it`

/** By how much a token's end is rounded down: JWT counts it in seconds, and a stream in milliseconds. */
const EXPIRY_ROUNDING_MS = 1_000

/** Decides who may connect, by which token, and keeps what was decided about tokens since. */
export class Admissions {
  readonly rights: Revocations
  readonly regrants = new Regrants()
  /** The streams that are being admitted. */
  readonly openings = new Openings()
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
  readonly #following: Dependencies | undefined
  readonly #continuations: Continuations

  constructor(options: ResolvedOptions, sources: Sources, following?: Dependencies) {
    const { secret, sessionTtl, identityLookup, onError, limits } = options
    this.#ttl = sessionTtl
    this.#sources = sources
    this.#following = following
    const scope = scopeOf(options)
    this.#seal = new TokenSeal(secret, scope)
    this.#tickets = new Tickets(secret, scope)
    this.#warnings = new Warnings(options)
    this.positions = new PositionSeal(secret, `${scope}${sources.stores}`)
    this.#identification = new Identification(identityLookup, onError, limits.identityValues)
    this.readsRequest = this.#identification.readsRequest
    this.rights = new Revocations(sessionTtl, onError, () => sources.moments.now)
    this.#continuations = new Continuations(this.rights, following, !this.readsRequest)
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
      this.#continuations.note(result)
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
    const { session = sessionId(), identity, after } = before ?? {}
    const known = { session, given, identity, after }
    const grantOf = (now: Client) => this.#grantOf(before, now)
    return this.#lookUp(known, request, true, grantOf, at)
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
   * Admits a stream by its token or ticket. `open` is given what came of it, in the very step in which all
   * that
   * decides on rights was judged: what is decided later finds an open stream.
   * @param browsers the values of the request's browser cookies
   * @throws ParticleError `UNAUTHORIZED` where the token is missing, not valid or revoked; `TOKEN_STALE`
   *   where the client must present itself anew; and what {@link Admissions.identify} throws
   */
  async admit<T>(
    token: string | undefined,
    browsers: readonly string[],
    open: (admitted: Admitted) => T,
  ): Promise<T> {
    if (token === undefined) {
      if (this.#identification.required)
        throw new ParticleError('UNAUTHORIZED', 'A stream needs a token: POST to handshake first')
      await this.#following?.settle({}, null)
      return open({ renewed: false })
    }
    const claims = await this.#open(token, browsers)
    // Another node's clock may be ahead: what is looked up here from now on is newer than the token.
    const now = Revocations.now()
    if (claims.at > now + CLOCK_MARGIN_MS) this.#warnings.error('clocks', CLOCKS)
    const at = Math.min(claims.at, now)
    return this.open({ ...claims, at }, this.readsRequest, open)
  }

  /**
   * Proves the session of a request about an open stream. Undefined without a token: a stream that needed no
   * token has no session.
   * @throws ParticleError `UNAUTHORIZED` when the token is not valid or revoked
   */
  async sessionOf({ token, browsers }: Credentials): Promise<string | undefined> {
    if (token === undefined) return undefined
    const claims = await this.#open(token, browsers)
    this.#refuseRevoked(claims)
    return claims.session
  }

  /** Opens a token or a ticket. */
  #open(token: string, browsers: readonly string[]): Promise<Admission> {
    return Tickets.is(token) ? this.#tickets.redeem(token, browsers) : this.#seal.open(token)
  }

  /**
   * Opens a stream under an admission, as {@link Admissions.admit} does.
   * @param asks whether only a handshake of the client can look its identity up again
   */
  open<T>(claims: Admission, asks: boolean, open: (admitted: Admitted) => T): Promise<T> {
    return this.openings.run(claims, async () => {
      let admission = claims
      for (let renewed = false; ; renewed = true) {
        const { identity, given, dependencies = '' } = admission
        await this.#following?.settle(identity, given)
        const isStale = this.#refuseRevoked(admission) || admission.spent === true
        // A lookup of just now has seen what had changed before; what changed since finds an open stream.
        const isCurrent = renewed || (this.#following?.dependencies(identity, given) ?? '') === dependencies
        if (!isStale && isCurrent) {
          // A bare EventSource comes back with its first ticket, and keeps the positions of this stream.
          if (renewed && admission.since) this.#continuations.note(admission)
          return open({ admission, renewed, asks })
        }
        if (asks) throw await this.#stale(claims)
        admission = await this.#lookUp(claims, undefined, true, (now) => this.#grantOf(claims, now))
      }
    })
  }

  /**
   * Tells whether the identity must be looked up again.
   * @throws ParticleError `UNAUTHORIZED` where the rights were taken away since it was looked up
   */
  #refuseRevoked(claims: Claims): boolean {
    const { revoked, stale } = this.rights.judge(claims)
    if (revoked !== undefined) throw new ParticleError('UNAUTHORIZED', 'The token was revoked')
    return stale
  }

  async #stale(claims: Admission): Promise<StaleToken> {
    const after = this.rights.stamp(claims.after, Revocations.now())
    // The token counts as newer than all decisions of before, so its grant must take them into account.
    const { before = claims } = await this.#grantOf(claims, claims)
    const { views, since, previous } = before
    const grant = { views, ...(since && { since }), ...(previous && { previous }) }
    return new StaleToken(await this.seal({ ...claims, ...grant, after, spent: true }))
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

  /** Tells since when views are granted to a client that was just looked up, and its grant before. */
  async #grantOf(
    claims: Claims | undefined,
    now: Client,
  ): Promise<{ moment?: string | undefined; before?: Grant | undefined }> {
    const moment = await this.#askMoment()
    if (!claims || moment === undefined) return { moment, before: claims }
    return { moment, before: this.#continuations.grantOf(claims, now, moment) }
  }

  async #askMoment(): Promise<string | undefined> {
    return this.#identification.required ? this.#sources.moments.ask() : undefined
  }

  /**
   * Looks an identity up, again where a decision or a change of what it depends on came meanwhile.
   * @param known with the identity that was found before, if any
   * @param settle whether its relations are read first, and its dependencies are to stand still
   * @param grantOf tells, once the identity was found, since when it is granted views, and the grant before
   */
  async #lookUp(
    {
      session,
      given,
      identity: last,
      after,
    }: Pick<Claims, 'session' | 'given'> & {
      identity?: Json | undefined
      after?: Claims['after'] | undefined
    },
    request: IncomingMessage | undefined,
    settle: boolean,
    grantOf: (now: Client) => Promise<{ moment?: string | undefined; before?: Grant | undefined }>,
    began = Revocations.now(),
  ): Promise<Admission> {
    // What a request brings along (a session that was read before, say) stays as old as the request.
    const isOfRequest = request !== undefined && this.readsRequest
    let known = last
    for (let tries = 1; tries <= MAX_LOOKUPS; tries++) {
      const at = tries === 1 || isOfRequest ? began : Revocations.now()
      let hasChanged = false
      const note = () => {
        hasChanged = true
      }
      const watching = known === undefined ? undefined : this.#following?.watch(known, given, note)
      try {
        const dependencies = watching ? watching.digest : ''
        const identity = await this.#identification.identify(given, request)
        if (settle) await this.#following?.settle(identity, given)
        const { moment, before } = await grantOf({ given, identity })
        const admission = this.#admission(
          { session, given, identity, at, after: this.rights.stamp(after, at) },
          before,
          moment,
        )
        const isCurrent =
          !hasChanged && (this.#following?.dependencies(identity, given) ?? '') === dependencies
        if (isCurrent && dependencies) admission.dependencies = dependencies
        // A lookup that was under way when rights were refreshed may have found the old ones.
        const { revoked, stale } = this.rights.judge(admission)
        if (revoked !== undefined) return admission
        if (!stale && (isCurrent || !settle || tries >= MAX_LOOKUPS)) return admission
        // The same request would show the same session once more: only another one knows of the decision.
        if (stale && isOfRequest) break
        known = identity
      } finally {
        watching?.close()
      }
    }
    throw new ParticleError('UNAVAILABLE', 'The rights were refreshed meanwhile; try again')
  }

  #admission(
    known: Pick<Claims, 'session' | 'given' | 'identity' | 'at' | 'after'>,
    before: Grant | undefined,
    moment: string | undefined,
  ): Admission {
    const related = this.#following?.related(known.identity)
    try {
      const views = fingerprintsOf(this.#sources.viewsOf(known.identity, related))
      // A token lives from when its request came, not from when a slow body or lookup ended: decisions about
      // it are kept as long.
      const expiresAt = new Date(Date.now() - (Revocations.now() - known.at) + this.#ttl)
      return { ...carried(known, before, views, moment), expiresAt }
    } finally {
      related?.close()
    }
  }
}
