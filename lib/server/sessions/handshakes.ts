import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { addressOf } from '../auth/address.ts'
import type { Admissions } from '../auth/admission.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Granted } from '../auth/admitted.ts'
import { Revocations } from '../auth/revocations.ts'
import type { Streams } from './streams.ts'

/** Answers handshakes: of strangers, and of clients whose open stream goes on under the new token. */
export class Handshakes {
  readonly #admissions: Admissions
  readonly #streams: Streams
  readonly #control: AdmissionControl
  readonly #refuseWhenFull: () => void

  constructor(
    admissions: Admissions,
    streams: Streams,
    control: AdmissionControl,
    refuseWhenFull: () => void,
  ) {
    this.#admissions = admissions
    this.#streams = streams
    this.#control = control
    this.#refuseWhenFull = refuseWhenFull
  }

  /**
   * Answers a handshake.
   * @param browser the value of the browser cookie; undefined where no ticket is wanted
   * @param at when the request came
   * @throws ParticleError `TOO_MANY_HANDSHAKES`, `UNAVAILABLE` or `UNAUTHORIZED`
   */
  async grant(
    given: Json,
    request: IncomingMessage | undefined,
    token: string | undefined,
    browser?: string,
    at = Revocations.now(),
  ): Promise<Granted> {
    const before = await this.#admissions.previous(token)
    // A client that has a stream here needs no room for another one.
    const isRenewal = before !== undefined && this.#streams.has(before.session)
    if (!isRenewal) this.#refuseWhenFull()
    const answered = this.#control.handshake(request && addressOf(request), isRenewal)
    try {
      const found = await this.#admissions.identify(given, request, before, at)
      const live = this.#streams.present(found)
      const admission = live ?? found
      const { session, expiresAt } = admission
      return {
        token: await this.#admissions.seal(admission),
        session,
        expiresAt,
        live: live !== undefined,
        ticket: browser === undefined ? undefined : await this.#admissions.ticket(admission, browser),
      }
    } catch (error) {
      if (before && error instanceof ParticleError && error.code === 'UNAUTHORIZED')
        this.#streams.refuse(before.session, at)
      throw error
    } finally {
      answered()
    }
  }
}
