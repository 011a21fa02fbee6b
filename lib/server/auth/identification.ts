import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { ANSWER_BOUNDS, excessOf } from '../../model/bounds.ts'
import type { Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { callback, hasText, usesParameter } from '../../source/callbacks/index.ts'
import { expiredJwt, missingMiddleware, swappedRequest } from '../hints/identity-hint.ts'
import { Warnings } from '../hints/warnings.ts'
import type { IdentityLookup } from '../options/identity-lookup.ts'
import type { TraceFields, Traces } from '../support/traces.ts'
import { lostValue } from './lost-value.ts'

/** Limits the presented value and the found identity, in characters of JSON. Each token contains both. */
const MAX_PRESENTED = 100_000
const MAX_FOUND = 200_000

/** Runs the application's `identityLookup`. Accepts one answer, in time, as JSON. */
export class Identification {
  readonly #lookup: IdentityLookup | undefined
  readonly #onError: (error: Error) => void
  readonly #values: number
  readonly #warnings: Warnings
  readonly #traces: Traces | undefined

  /** @param values the maximum number of fields and elements of an identity */
  constructor(
    lookup: IdentityLookup | undefined,
    onError: (error: Error) => void,
    values: number,
    traces?: Traces,
  ) {
    this.#traces = traces
    this.#lookup = lookup
    this.#onError = onError
    this.#warnings = new Warnings({ onError })
    this.#values = values
  }

  /** Whether clients must present an identity. */
  get required(): boolean {
    return this.#lookup !== undefined
  }

  /**
   * Whether the lookup reads its third parameter, the request. Such a lookup never runs without a request.
   * The function's text shows it (see {@link usesParameter}): it uses the parameter's name, rest parameters
   * or `arguments`. A function without a text (bound, or a Proxy) counts as reading the request: a needless
   * handshake is cheaper than a wrong login.
   */
  get readsRequest(): boolean {
    return this.#lookup !== undefined && (!hasText(this.#lookup) || usesParameter(this.#lookup, 3))
  }

  /**
   * Looks up the identity of a client.
   *
   * @throws ParticleError `UNAUTHORIZED` when the application refuses the client; `UNAVAILABLE` when the
   *   lookup failed or its answer is too large; `BODY_TOO_LARGE` when the presented value is too long
   */
  async identify(given: Json, request: IncomingMessage | undefined): Promise<Json> {
    const lookup = this.#lookup
    if (!lookup) return {}
    const began = Date.now()
    let outcome: TraceFields['lookup']['outcome'] = 'found'
    try {
      return await this.#identify(lookup, given, request)
    } catch (error) {
      outcome = error instanceof ParticleError && error.code === 'UNAUTHORIZED' ? 'refused' : 'failed'
      throw error
    } finally {
      this.#traces?.report('lookup', { outcome, began, ended: Date.now() })
    }
  }

  async #identify(lookup: IdentityLookup, given: Json, request: IncomingMessage | undefined): Promise<Json> {
    if (JSON.stringify(given).length > MAX_PRESENTED)
      throw new ParticleError('BODY_TOO_LARGE', `The identity is over ${MAX_PRESENTED} characters`)
    let found: unknown
    try {
      found = await callback('identityLookup', lookup, (done) => [given, done, request], {
        arity: 2,
        onError: this.#onError,
      })
    } catch (error) {
      const { cause } = error as ParticleError
      const status =
        typeof cause === 'object' && cause !== null ? (cause as { status?: unknown }).status : undefined
      if (status === 401 || status === 403) throw refusal()
      const hint =
        missingMiddleware(lookup, request, cause) ??
        swappedRequest(lookup, given, cause) ??
        expiredJwt(lookup, given, request)
      const { code, message } = error as ParticleError
      this.#onError(hint ? new ParticleError(code, `${message}; ${hint}`, { cause }) : (error as Error))
      throw new ParticleError('UNAVAILABLE', 'The identity could not be looked up; try again later')
    }
    if (found === undefined || found === null || found === false) {
      const hint = missingMiddleware(lookup, request) ?? expiredJwt(lookup, given, request)
      if (hint) this.#warnings.error(hint, `identityLookup refuses a client, and ${hint}`)
      throw refusal()
    }
    // Refuses values that JSON can't hold (such as a function). They must not pass for an empty identity.
    const identity = this.#jsonOf(found)
    if (identity === null) throw refusal()
    const { length } = JSON.stringify(identity)
    if (length <= MAX_FOUND) return identity
    const what = `identityLookup returned ${length} characters of JSON, more than ${MAX_FOUND}`
    this.#warnings.error('size of identities', `${what}: return less, and find the rest by a relation`)
    throw new ParticleError('UNAVAILABLE', 'The identity is too large')
  }

  /**
   * Converts the lookup's answer to JSON.
   *
   * @throws ParticleError `UNAVAILABLE` when JSON can't hold the answer, or the answer exceeds its bounds
   */
  #jsonOf(found: unknown): Json {
    let cause: unknown
    let mistake: string | undefined
    try {
      const identity = toJson(found)
      const excess = excessOf(identity, { ...ANSWER_BOUNDS, keys: this.#values })
      const lost = excess ? undefined : lostValue(found)
      if (!excess && !lost) return identity
      mistake = excess
        ? `returned an identity that ${excess}: return less, find the rest by a relation, ` +
          'or raise limits.identityValues'
        : `returned ${lost}`
    } catch (error) {
      cause = error
      const reason = error instanceof Error ? error.message : String(error)
      // A value of thousands of levels exhausts the stack.
      mistake =
        error instanceof RangeError
          ? 'returned an identity that is nested too deep'
          : `returned an identity that is not JSON: ${reason}`
    }
    this.#onError(new ParticleError('CALLBACK_FAILED', `identityLookup ${mistake}`, { cause }))
    throw new ParticleError('UNAVAILABLE', 'The identity could not be looked up; try again later')
  }
}

function refusal(): ParticleError {
  return new ParticleError('UNAUTHORIZED', 'The identity was refused')
}
