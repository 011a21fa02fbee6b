import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { counted } from '../../model/count.ts'
import { describeGiven } from '../../model/given.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { Admission } from '../auth/admitted.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import type { Faults } from '../support/faults.ts'
import { KeyedSets } from '../support/keyed-sets.ts'
import type { Stream } from './stream.ts'

/** Ends a stream that a newer stream of its identity replaces. */
const REPLACED: ServerEvent = { event: 'revoked', data: { reason: 'replaced' } }

/** Ends a stream whose new identity has too many streams. */
const TOO_MANY = {
  event: 'error',
  data: {
    code: 'TOO_MANY_STREAMS',
    message: 'Too many streams of this identity are open; close one and try again',
  },
} as const satisfies ServerEvent

/** Limits the open streams of each identity. */
export class IdentityStreams {
  readonly #limits: ResolvedLimits
  readonly #faults: Faults
  /** The streams by the key of their identity, the oldest first. */
  readonly #byKey = new KeyedSets<Stream>()

  constructor(limits: ResolvedLimits, faults: Faults) {
    this.#limits = limits
    this.#faults = faults
  }

  /**
   * Makes room for a new stream.
   *
   * @returns the key that counts the stream; undefined for a stream that isn't counted
   * @throws ParticleError `TOO_MANY_STREAMS` when the identity has too many streams; `CALLBACK_FAILED` when
   *   `limits.key` fails
   */
  admit(admission: Admission | undefined, request: IncomingMessage | undefined): string | undefined {
    if (!admission || this.#limits.streamsPerIdentity === Number.POSITIVE_INFINITY) return undefined
    const key = this.#keyOf(admission, request)
    if (!this.#makeRoom(key, admission)) throw this.#excess()
    return key
  }

  /**
   * Counts an open stream under its new identity, since a client may present itself as another user.
   *
   * @returns false when the stream has ended, because that identity has too many streams
   * @throws ParticleError `CALLBACK_FAILED` when `limits.key` fails
   */
  move(stream: Stream, next: Admission): boolean {
    if (this.#limits.streamsPerIdentity === Number.POSITIVE_INFINITY) return true
    const key = this.#keyOf(next, stream.origin?.request)
    if (key === stream.key) return true
    if (!this.#makeRoom(key, next)) {
      this.#excess()
      stream.connection.end(TOO_MANY)
      return false
    }
    this.delete(stream)
    stream.key = key
    this.add(stream)
    return true
  }

  /** Ends one stream of an identity at its limit. Returns false when no stream may be ended. */
  #makeRoom(key: string | undefined, admission: Admission): boolean {
    const { streamsPerIdentity, excessStreams } = this.#limits
    const streams = this.#byKey.of(key)
    if (!streams || streams.size < streamsPerIdentity) return true
    // Ends the session's own earlier stream first. A client may reconnect before the server notices that its
    // last connection is dead.
    const own = [...streams].find((stream) => stream.admission?.session === admission.session)
    if (own) own.connection.end(undefined, 'replaced')
    else if (excessStreams === 'replace') [...streams][0]?.connection.end(REPLACED)
    else return false
    return true
  }

  add(stream: Stream): void {
    this.#byKey.add(stream.key, stream)
  }

  delete(stream: Stream): void {
    this.#byKey.delete(stream.key, stream)
  }

  #keyOf({ identity }: Admission, request: IncomingMessage | undefined): string | undefined {
    let key: unknown
    try {
      key = this.#limits.key(identity, request)
    } catch (cause) {
      throw new ParticleError('CALLBACK_FAILED', `limits.key failed: ${cause}`, { cause })
    }
    if (key === undefined || typeof key === 'string') return key
    // Handles the rejection, which would end the process.
    if (key instanceof Promise) key.catch(() => {})
    const wanted = 'limits.key must return a text, or undefined for an identity that is not counted'
    throw new ParticleError('CALLBACK_FAILED', `${wanted}; ${describeGiven(key)}`)
  }

  /** Reports the excess. Returns the error for the client. */
  #excess(): ParticleError {
    const { code, message } = TOO_MANY.data
    const most = counted(this.#limits.streamsPerIdentity, 'stream')
    const what = `An identity asks for more than ${most}: refused`
    const mend = 'Raise limits.streamsPerIdentity for legitimate clients'
    this.#faults.report(new ParticleError(code, `${what}. ${mend}`))
    return new ParticleError(code, message)
  }
}
