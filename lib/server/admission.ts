import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import type { Following } from './following.ts'
import { type Grant, grantedAt, sameClient, sinceOf } from './grant.ts'
import type { ResolvedOptions } from './options.ts'
import { fingerprintsOf, rightsOf } from './resume.ts'
import { type Predicate, Rights } from './rights.ts'
import { Identification } from './session.ts'
import type { Sources } from './sources.ts'
import { type Claims, sessionId, TokenSeal } from './token.ts'

/** An opened token, or what would be sealed in one. */
export type Admission = Claims & { expiresAt: Date }

/** By what a client is known to be the same one. */
type Client = Pick<Claims, 'given' | 'identity'>

/** What goes on with other views than those of before, which positions may still be presented for; what is new is granted at a moment. */
export function carried<T extends object>(
  admission: T,
  before: Grant | undefined,
  views: Claims['views'],
  moment: string | undefined,
): T & Grant {
  // The last that were others: a token that was not used, or not for long, must not make an older position worthless.
  const same = before && rightsOf(before.views) === rightsOf(views)
  const previous = same ? before.previous : before?.views
  const result: T & Grant = { ...admission, views }
  if (moment !== undefined) result.since = sinceOf(views, before, moment)
  if (previous) result.previous = previous
  else delete result.previous
  return result
}

/** Who may connect, by which token, and what was decided about them since. */
export class Admissions {
  readonly rights: Rights
  readonly #ttl: number
  readonly #sources: Sources
  readonly #seal: TokenSeal
  readonly #identification: Identification
  readonly #following: Following | undefined

  constructor(options: ResolvedOptions, sources: Sources, following?: Following) {
    const { secret, sessionTtl, identityLookup, onError, maxConnections } = options
    this.#ttl = sessionTtl
    this.#sources = sources
    this.#following = following
    this.#seal = new TokenSeal(secret)
    this.#identification = new Identification(identityLookup, onError, maxConnections)
    this.rights = new Rights(sessionTtl, onError, () => sources.moment)
  }

  /** The present, as the text of a point; undefined where all have the same rights, at all times. */
  get moment(): string | undefined {
    return this.#identification.required ? this.#sources.moment : undefined
  }

  /**
   * A new session of a client that presents itself. `previous` is the token of the session before, whose positions it wants to go on from.
   * @throws ParticleError `UNAUTHORIZED`, `UNAVAILABLE` or `TOO_MANY_HANDSHAKES`
   */
  async identify(given: Json, request: IncomingMessage | undefined, previous?: string): Promise<Admission> {
    const before =
      previous === undefined ? undefined : await this.#seal.open(previous, true).catch(() => undefined)
    return this.#lookUp({ session: sessionId(), given }, request, true, async (now) => {
      const moment = await this.#askMoment()
      return {
        moment,
        before: before && moment !== undefined ? this.#continued(before, now, moment) : before,
      }
    })
  }

  /**
   * What a session's token would seal if its identity were looked up now, its relations as far as they were read. Throws as {@link Admissions.identify}
   * does.
   */
  async identifyAgain(claims: Claims): Promise<Admission> {
    return this.#lookUp(claims, undefined, false, async () => ({
      moment: await this.#askMoment(),
      before: claims,
    }))
  }

  /**
   * What a stream's token seals, or would seal by now (`renewed`); undefined where none is needed.
   * @throws ParticleError `UNAUTHORIZED` where it is missing, not valid or revoked; and what {@link Admissions.identify} throws
   */
  async admit(token: string | undefined): Promise<{ admission?: Admission; renewed: boolean }> {
    if (token === undefined) {
      if (this.#identification.required)
        throw new ParticleError('UNAUTHORIZED', 'A stream needs a token: POST to handshake first')
      return { renewed: false }
    }
    const claims = await this.#seal.open(token)
    const stale = this.refuseRevoked(claims)
    if (!stale) return { admission: claims, renewed: false }
    const admission = await this.#lookUp(claims, undefined, true, async () => {
      // The stream may have gone on under the new rights, and its client may never have got their token: a bare EventSource comes back with the one that it has.
      const { moment } = this.rights.judge(claims)
      return moment && claims.since ? { moment, before: grantedAt(moment, claims) } : { before: claims }
    })
    return { admission, renewed: true }
  }

  /**
   * Whether the identity must be looked up again.
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

  /** Whether a predicate on identities holds for a client; those who present nothing are `{}`. */
  meets(predicate: Predicate, admission: Admission | undefined): boolean {
    return this.rights.meets(predicate, admission ?? { identity: {}, given: null })
  }

  /**
   * What goes on of an older token's grant. Of another client's, or of a revoked one, only which views there were, all granted now; and where rights were looked at
   * anew since, nothing of before that: they may have been others meanwhile.
   */
  #continued(before: Claims, now: Client, moment: string): Grant {
    const { revoked, moment: decided } = this.rights.judge(before)
    const same = sameClient(before, now, !this.#identification.readsRequest)
    if (!same || revoked !== undefined || !before.since) return grantedAt(moment, before)
    return decided === undefined ? before : grantedAt(decided, before)
  }

  async #askMoment(): Promise<string | undefined> {
    return this.#identification.required ? this.#sources.askMoment() : undefined
  }

  async #lookUp(
    { session, given }: Pick<Claims, 'session' | 'given'>,
    request: IncomingMessage | undefined,
    settle: boolean,
    grantOf: (now: Client) => Promise<{ moment?: string | undefined; before?: Grant | undefined }>,
  ): Promise<Admission> {
    for (;;) {
      const at = Rights.now()
      const identity = await this.#identification.identify(given, request)
      if (settle) await this.#following?.settle(identity)
      const { moment, before } = await grantOf({ given, identity })
      const admission = this.#admission({ session, given, identity, at }, before, moment)
      // A lookup that was under way when rights were refreshed may have found the old ones.
      const { revoked, stale } = this.rights.judge(admission)
      if (!stale || revoked !== undefined) return admission
    }
  }

  #admission(
    known: Pick<Claims, 'session' | 'given' | 'identity' | 'at'>,
    before: Grant | undefined,
    moment: string | undefined,
  ): Admission {
    const related = this.#following?.related(known.identity)
    try {
      const views = fingerprintsOf(this.#sources.viewsOf(known.identity, related))
      return { ...carried(known, before, views, moment), expiresAt: new Date(Date.now() + this.#ttl) }
    } finally {
      related?.close()
    }
  }
}
