import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { type Grant, Regrants, sinceOf } from '../delivery/grant.ts'
import { Warnings } from '../hints/warnings.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Sources } from '../registry/sources.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import type { Traces } from '../support/traces.ts'
import { PositionSeal } from '../tokens/position-seal.ts'
import { type Claims, scopeOf, sessionId } from '../tokens/token.ts'
import { fingerprintsOf } from '../view/fingerprint.ts'
import type { Admission, Admitted, Credentials } from './admitted.ts'
import { carried } from './carried.ts'
import { type Client, Continuations } from './continuations.ts'
import { Identification } from './identification.ts'
import { Losses } from './losses.ts'
import { Openings } from './openings.ts'
import { CLOCK_MARGIN_MS, type Predicate, Revocations, StaleToken } from './revocations.ts'
import { Tokens } from './tokens.ts'

/**
 * Limits the lookups of an identity for one request. Rights or dependencies that change all the time must not
 * keep the lookup busy for ever.
 */
const MAX_LOOKUPS = 3

const CLOCKS =
  `The clock of another node is over ${CLOCK_MARGIN_MS / 1000} s ahead, so revoke() and refresh() may miss ` +
  'its tokens: synchronize the clocks of all nodes (NTP)'

/** The rounding of a token's end, in milliseconds. JWT counts the end in whole seconds. */
const EXPIRY_ROUNDING_MS = 1_000

/** Decides which clients may connect, and issues and checks their tokens. */
export class Admissions {
  readonly rights: Revocations
  readonly regrants = new Regrants()
  readonly losses: Losses
  /** The streams that are being admitted now. */
  readonly openings = new Openings()
  /** Seals the positions that clients receive. */
  readonly positions: PositionSeal
  /** Whether only a client's request can renew its token, because `identityLookup` reads the request. */
  readonly readsRequest: boolean
  readonly #ttl: number
  readonly #sources: Sources
  readonly tokens: Tokens
  readonly #warnings: Warnings
  readonly #identification: Identification
  readonly #following: Dependencies
  readonly #traces: Traces
  readonly continuations: Continuations

  constructor(options: ResolvedOptions, sources: Sources, following: Dependencies) {
    const { secret, sessionTtl, identityLookup, onError, limits } = options
    this.#ttl = sessionTtl
    this.#sources = sources
    this.losses = new Losses(sources.moments)
    this.#following = following
    this.#traces = options.diagnostics.traces
    this.#warnings = new Warnings(options)
    const scope = scopeOf(options)
    this.tokens = new Tokens(secret, scope, this.#warnings)
    this.positions = new PositionSeal(secret, `${scope}${sources.stores}`)
    this.#identification = new Identification(identityLookup, onError, limits.identityValues, this.#traces)
    this.readsRequest = this.#identification.readsRequest
    this.rights = new Revocations(options, onError, () => sources.moments.now)
    this.continuations = new Continuations(this.rights, following, !this.readsRequest)
  }

  /**
   * Moves a stream from one admission to the next, with the stream's own views. New views are granted now.
   */
  goOn(before: Admission, next: Admission, views: Claims['views']): Admission {
    const moment = this.#identification.required ? this.#sources.moments.now : undefined
    const result = carried(next, before, views, moment)
    if (moment !== undefined) {
      result.since = sinceOf(views, next, moment)
      this.regrants.note(next.session, before.views, views, moment)
      this.continuations.note(result)
    }
    return result
  }

  /**
   * Opens a client's previous token, expired or not. Returns undefined for a token of another server, a
   * revoked token, and a token too old to check. Nothing of a revoked token is carried over.
   *
   * @param fork whether the client begins a session of its own, since several pages may hold the token
   */
  async previous(token: string | undefined, fork = false): Promise<Admission | undefined> {
    if (token === undefined) return undefined
    const claims = await this.tokens.openExpired(token)
    if (!claims || !this.rights.reaches(claims)) return undefined
    if (this.rights.judge(claims).revoked !== undefined) return undefined
    // Gives the holder of an expired token a new session. Somebody else may have found the token. Its
    // positions stay valid, but its session's streams are out of reach.
    const isCurrent = claims.expiresAt + EXPIRY_ROUNDING_MS > Date.now()
    if (isCurrent && !fork) return claims
    const session = sessionId()
    for (const kept of [this.regrants, this.losses]) kept.copy(claims.session, session)
    return { ...claims, session }
  }

  /**
   * Admits a client that presents an identity. With its last token as `before`, the session and the positions
   * of that token stay valid.
   *
   * @param at the time of the request: a lookup may read data of that age from the request (a session)
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
   * Looks up a session's identity again, without a request. Uses the relations that have been read so far.
   *
   * @throws ParticleError as {@link Admissions.identify} does
   */
  identifyAgain(claims: Claims): Promise<Admission> {
    return this.#lookUp(claims, undefined, false, async () => ({
      moment: await this.#askMoment(),
      before: claims,
    }))
  }

  /**
   * Admits a stream by its token or ticket. Calls `open` in the same step as the last check of rights, so
   * that every later decision finds an open stream.
   *
   * @param browsers the values of the request's browser cookies
   * @throws ParticleError `UNAUTHORIZED` when the token is missing, not valid or revoked; `TOKEN_STALE` when
   *   the client must present itself again; and the errors of {@link Admissions.identify}
   */
  async admit<T>(
    token: string | undefined,
    browsers: readonly string[],
    open: (admitted: Admitted) => T,
  ): Promise<T> {
    if (token === undefined) {
      if (this.#identification.required)
        throw new ParticleError('UNAUTHORIZED', 'A stream needs a token: POST to handshake first')
      await this.#following.settle({}, null)
      return open({ renewed: false })
    }
    const claims = await this.tokens.open(token, browsers)
    // Dates the token at most to the present. Another node's clock may be ahead, and later lookups here must
    // count as newer than the token.
    const now = Revocations.now()
    if (claims.at > now + CLOCK_MARGIN_MS) this.#warnings.error('clocks', CLOCKS)
    const at = Math.min(claims.at, now)
    return this.open({ ...claims, at }, this.readsRequest, open)
  }

  /**
   * Returns the session of a request about an open stream. Returns undefined without a token, since a stream
   * without a token has no session.
   *
   * @throws ParticleError `UNAUTHORIZED` for an invalid or revoked token, `TOKEN_STALE` for a spent one
   */
  async sessionOf({ token, browsers }: Credentials): Promise<string | undefined> {
    if (token === undefined) return undefined
    const claims = await this.tokens.open(token, browsers)
    this.#refuseRevoked(claims)
    if (claims.spent) throw await this.#stale(claims)
    return claims.session
  }

  /** Opens a stream under an admission, as {@link Admissions.admit} does. `asks`: see {@link Admitted}. */
  open<T>(claims: Admission, asks: boolean, open: (admitted: Admitted) => T): Promise<T> {
    return this.openings.run(claims, async () => {
      let admission = claims
      for (let renewed = false; ; renewed = true) {
        const { identity, given, dependencies = '' } = admission
        await this.#following.settle(identity, given)
        const isStale = this.#refuseRevoked(admission)
        // Skips the check after a new lookup, which has seen all earlier changes. Later ones find the stream.
        const isCurrent = renewed || this.#following.dependencies(identity, given) === dependencies
        if (!isStale && isCurrent && !admission.spent) {
          // Records the admission, since a bare EventSource reconnects with its first ticket. The positions
          // of this stream then stay valid.
          if (renewed && admission.since) this.continuations.note(admission)
          return open({ admission, renewed, asks })
        }
        if (asks || admission.spent) throw await this.#stale(claims)
        admission = await this.#lookUp(claims, undefined, true, (now) => this.#grantOf(claims, now))
      }
    })
  }

  /**
   * Checks whether the identity must be looked up again.
   *
   * @throws ParticleError `UNAUTHORIZED` when the rights were revoked after the token's lookup
   */
  #refuseRevoked(claims: Claims): boolean {
    const { revoked, stale } = this.rights.judge(claims)
    if (revoked !== undefined) throw new ParticleError('UNAUTHORIZED', 'The token was revoked')
    return stale
  }

  async #stale(claims: Admission): Promise<StaleToken> {
    const after = this.rights.stamp(claims.after, Revocations.now())
    // Applies all earlier decisions to the grant. The new token counts as newer than these decisions.
    const { before = claims } = await this.#grantOf(claims, claims)
    const { views, since, previous } = before
    const grant = { views, ...(since && { since }), ...(previous && { previous }) }
    return new StaleToken(await this.tokens.seal({ ...claims, ...grant, after, spent: true }))
  }

  /**
   * Checks whether a predicate on identities holds for a client. A client without an admission counts as
   * `{}`.
   */
  meets(predicate: Predicate, admission: Admission | undefined): boolean {
    return this.rights.meets(predicate, admission ?? { identity: {}, given: null })
  }

  /**
   * Returns the moment from which new views are granted to a client, and the client's valid earlier grant.
   */
  async #grantOf(
    claims: Claims | undefined,
    now: Client,
  ): Promise<{ moment?: string | undefined; before?: Grant | undefined }> {
    const moment = await this.#askMoment()
    if (!claims || moment === undefined) return { moment, before: claims }
    return { moment, before: this.continuations.grantOf(claims, now, moment) }
  }

  async #askMoment(): Promise<string | undefined> {
    return this.#identification.required ? this.#sources.moments.ask() : undefined
  }

  /**
   * Looks up an identity. Repeats the lookup when the rights or the identity's dependencies changed
   * meanwhile.
   *
   * @param known the session, with the last identity if there is one
   * @param settle whether to read the relations first, and to wait until the dependencies stand still
   * @param grantOf returns the moment of the grant, and the earlier grant, for the identity that was found
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
    // Checks whether the lookup reads a request. The request's data (an earlier session) stays as old as the
    // request.
    const isOfRequest = request !== undefined && this.readsRequest
    let known = last
    for (let tries = 1; tries <= MAX_LOOKUPS; tries++) {
      // Dates a lookup without a request after the decisions of other nodes that the request has waited for.
      const isFirst = tries === 1 && !this.rights.isShared
      const at = isFirst || isOfRequest ? began : Revocations.now()
      let hasChanged = false
      const note = () => {
        hasChanged = true
      }
      const watching = known === undefined ? undefined : this.#following.watch(known, given, note)
      try {
        const dependencies = watching ? watching.digest : ''
        const identity = await this.#identification.identify(given, request)
        if (settle) await this.#following.settle(identity, given)
        const { moment, before } = await grantOf({ given, identity })
        const admission = this.#admission(
          { session, given, identity, at, after: this.rights.stamp(after, at) },
          before,
          moment,
        )
        const isCurrent = !hasChanged && this.#following.dependencies(identity, given) === dependencies
        if (isCurrent && dependencies) admission.dependencies = dependencies
        // Judges the new admission. A lookup that ran during a refresh may have found the old rights.
        const { revoked, stale } = this.rights.judge(admission)
        const isEarlier = isOfRequest && this.rights.isShared
        if (revoked !== undefined && !isEarlier) return admission
        if (!stale && (isCurrent || !settle || tries >= MAX_LOOKUPS)) {
          const granted = { session, roots: Object.keys(admission.views) }
          this.#traces.report('audit', { action: 'grant', at: Date.now(), ...granted })
          return admission
        }
        // Gives up on this request, which would show the same old session again. Only a new request knows of
        // the decision.
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
    const related = this.#following.related(known.identity)
    try {
      const views = fingerprintsOf(this.#sources.viewsOf(known.identity, related))
      // Counts the token's life from its request, not from the end of a slow body or lookup. Decisions on the
      // token are kept equally long.
      const expiresAt = Date.now() - (Revocations.now() - known.at) + this.#ttl
      return { ...carried(known, before, views, moment), expiresAt }
    } finally {
      related?.close()
    }
  }
}
