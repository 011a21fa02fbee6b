import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { Admission } from '../auth/admitted.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import type { Faults } from '../support/faults.ts'
import type { Stream } from './stream.ts'

/** Ends a stream in whose place its identity has opened another one. */
const REPLACED: ServerEvent = { event: 'revoked', data: { reason: 'replaced' } }

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
    const { streamsPerIdentity, excessStreams } = this.#limits
    if (!admission || streamsPerIdentity === Number.POSITIVE_INFINITY) return undefined
    const key = this.#keyOf(admission, request)
    const streams = key === undefined ? undefined : this.#byKey.get(key)
    if (!streams || streams.size < streamsPerIdentity) return key
    // A client that comes back may be earlier than the news that its last connection is dead.
    const own = [...streams].find((stream) => stream.admission?.session === admission.session)
    if (own) own.connection.end()
    else if (excessStreams === 'replace') [...streams][0]?.connection.end(REPLACED)
    else throw this.#excess(streamsPerIdentity)
    return key
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
    try {
      return this.#limits.key(identity, request)
    } catch (cause) {
      throw new ParticleError('CALLBACK_FAILED', `limits.key failed: ${cause}`, { cause })
    }
  }

  #excess(most: number): ParticleError {
    const code = 'TOO_MANY_STREAMS'
    const what = `An identity asks for more than ${most} streams: turned away for now`
    this.#faults.report(new ParticleError(code, `${what}. Raise limits.streamsPerIdentity if it is honest`))
    return new ParticleError(code, 'Too many streams of this identity are open; close one and try again')
  }
}
