import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { describeGiven } from '../../model/given.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { Admission } from '../auth/admitted.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import type { Faults } from '../support/faults.ts'
import type { Stream } from './stream.ts'

/** Ends a stream in whose place its identity has opened another one. */
const REPLACED: ServerEvent = { event: 'revoked', data: { reason: 'replaced' } }

/** Ends a stream that goes on as an identity which has as many streams as it may. */
const TOO_MANY = {
  event: 'error',
  data: {
    code: 'TOO_MANY_STREAMS',
    message: 'Too many streams of this identity are open; close one and try again',
  },
} as const satisfies ServerEvent

/** Bounds how many streams an identity has open. */
export class IdentityStreams {
  readonly #limits: ResolvedLimits
  readonly #faults: Faults
  /** By the key of an identity, its streams: the oldest first. */
  readonly #byKey = new Map<string, Set<Stream>>()

  constructor(limits: ResolvedLimits, faults: Faults) {
    this.#limits = limits
    this.#faults = faults
  }

  /**
   * Makes room for a stream that is about to open.
   * @returns the key that the stream is to be counted under; undefined where it isn't counted
   * @throws ParticleError `TOO_MANY_STREAMS` where the identity has as many streams as it may;
   *   `CALLBACK_FAILED` where `limits.key` fails
   */
  admit(admission: Admission | undefined, request: IncomingMessage | undefined): string | undefined {
    if (!admission || this.#limits.streamsPerIdentity === Number.POSITIVE_INFINITY) return undefined
    const key = this.#keyOf(admission, request)
    if (!this.#makeRoom(key, admission)) throw this.#excess()
    return key
  }

  /**
   * Counts an open stream under the identity that it goes on with: a client may present itself as another
   * user.
   * @returns false where the stream has ended, because that identity has as many streams as it may
   * @throws ParticleError `CALLBACK_FAILED` where `limits.key` fails
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

  /** Ends a stream where an identity has as many as it may; returns false where none is to end. */
  #makeRoom(key: string | undefined, admission: Admission): boolean {
    const { streamsPerIdentity, excessStreams } = this.#limits
    const streams = key === undefined ? undefined : this.#byKey.get(key)
    if (!streams || streams.size < streamsPerIdentity) return true
    // A client that comes back may be earlier than the news that its last connection is dead.
    const own = [...streams].find((stream) => stream.admission?.session === admission.session)
    if (own) own.connection.end(undefined, 'replaced')
    else if (excessStreams === 'replace') [...streams][0]?.connection.end(REPLACED)
    else return false
    return true
  }

  add(stream: Stream): void {
    const { key } = stream
    if (key === undefined) return
    const streams = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, streams.add(stream))
  }

  delete(stream: Stream): void {
    const { key } = stream
    if (key === undefined) return
    const streams = this.#byKey.get(key)
    streams?.delete(stream)
    if (streams?.size === 0) this.#byKey.delete(key)
  }

  #keyOf({ identity }: Admission, request: IncomingMessage | undefined): string | undefined {
    let key: unknown
    try {
      key = this.#limits.key(identity, request)
    } catch (cause) {
      throw new ParticleError('CALLBACK_FAILED', `limits.key failed: ${cause}`, { cause })
    }
    if (key === undefined || typeof key === 'string') return key
    // Its rejection would end the process.
    if (key instanceof Promise) key.catch(() => {})
    const wanted = 'limits.key must return a text, or undefined for an identity that is not counted'
    throw new ParticleError('CALLBACK_FAILED', `${wanted}; ${describeGiven(key)}`)
  }

  /** Reports the excess; returns the error that the client is told. */
  #excess(): ParticleError {
    const { code, message } = TOO_MANY.data
    const what = `An identity asks for more than ${this.#limits.streamsPerIdentity} streams: turned away for now`
    this.#faults.report(new ParticleError(code, `${what}. Raise limits.streamsPerIdentity if it is honest`))
    return new ParticleError(code, message)
  }
}
