import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { addressOf } from '../auth/address.ts'
import type { Admissions } from '../auth/admission.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Granted } from '../auth/admitted.ts'
import { Revocations } from '../auth/revocations.ts'
import { type Diagnostics, since } from '../support/diagnostics.ts'
import type { Streams } from './streams.ts'

/** Answers the handshakes of new clients, and of clients whose open stream continues under the new token. */
export class Handshakes {
  readonly #admissions: Admissions
  readonly #streams: Streams
  readonly #control: AdmissionControl
  readonly #diagnostics: Diagnostics
  readonly #refuseWhenFull: () => void

  constructor(
    admissions: Admissions,
    streams: Streams,
    control: AdmissionControl,
    diagnostics: Diagnostics,
    refuseWhenFull: () => void,
  ) {
    this.#admissions = admissions
    this.#streams = streams
    this.#control = control
    this.#diagnostics = diagnostics
    this.#refuseWhenFull = refuseWhenFull
  }

  /**
   * Answers a handshake.
   *
   * @param browser the value of the browser cookie; undefined when the client wants no ticket
   * @param fork whether the client begins a session of its own, which continues from the token's positions
   * @param at the time of the request
   * @throws ParticleError `TOO_MANY_HANDSHAKES`, `UNAVAILABLE` or `UNAUTHORIZED`
   */
  async grant(
    given: Json,
    request: IncomingMessage | undefined,
    token: string | undefined,
    {
      browser,
      fork = false,
      at = Revocations.now(),
    }: { browser?: string | undefined; fork?: boolean; at?: number } = {},
  ): Promise<Granted> {
    const began = performance.now()
    const before = await this.#admissions.previous(token, fork)
    // Skips the check for room. A client with an open stream here needs no other one.
    const renewed = before && this.#streams.of(before.session).length > 0 ? before.session : undefined
    if (renewed === undefined) this.#refuseWhenFull()
    const answered = this.#control.handshake(request && addressOf(request), renewed)
    try {
      const found = await this.#admissions.identify(given, request, before, at)
      const live = await this.#streams.present(found)
      const admission = live ?? found
      const { session, expiresAt } = admission
      const granted = {
        token: await this.#admissions.tokens.seal(admission),
        session,
        expiresAt: new Date(expiresAt),
        live: live !== undefined,
        identity: this.#admissions.tokens.identities.of(admission),
        ticket: browser === undefined ? undefined : await this.#admissions.tokens.ticket(admission, browser),
      }
      const continued = before !== undefined
      this.#diagnostics.report('handshake', { session, continued, live: granted.live, ms: since(began) })
      return granted
    } catch (error) {
      if (before && error instanceof ParticleError && error.code === 'UNAUTHORIZED')
        this.#streams.refuse(before.session, at)
      throw error
    } finally {
      answered()
    }
  }
}
