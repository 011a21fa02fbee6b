import { ParticleError } from '../errors.ts'
import type { WatchEntry } from '../protocol/watched-root.ts'

/** Gives the time and timers. Specs replace the clock to avoid real waits. */
export interface Clock {
  /** Returns the milliseconds since the epoch. */
  now(): number
  /** Calls back once after a number of milliseconds. Returns a function that cancels the call. */
  after(milliseconds: number, callback: () => void): () => void
}

export const CLOCK: Clock = {
  now: () => Date.now(),
  after: (milliseconds, callback) => {
    // Limits the delay, because `setTimeout` fires at once above 2^31 - 1.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

/** Describes a failure and its consequences. */
export interface Failure {
  error: ParticleError
  /**
   * The kind of failure: a final refusal (`denied`), an invalid token (`unauthorized`), or a stream ended in
   * order (`ended`). Other failures may pass.
   */
  type?: 'denied' | 'unauthorized' | 'ended' | undefined
  /** Whether the answer had Particle's own form. */
  own?: boolean
  /** Whether the answer was that the token or the identity is refused. */
  isUnauthorized?: boolean
  /** The token that the next handshake names as the previous one, in place of the refused token. */
  token?: string | undefined
  /** The minimum delay before the next try, in milliseconds. Default: 0. */
  wait?: number
  /** The number of failed tries before the first report to the application. Default: by the error's code. */
  reportAfter?: number
  /** Asks for the likely cause of streams that do not open after good handshakes. */
  hint?: string
}

/** Receives the events of a stream. No call follows `lost`. */
export interface Sink {
  /** Reports the opening of the stream, or another sign of life. */
  opened(): void
  /** Receives an event. `data` is JSON. `id` is the position after the event, or empty. */
  event(name: string, data: string, id: string): void
  /** Reports the end of a stream, or a stream that could not be opened. `error` may be a {@link Failure}. */
  lost(error: unknown): void
}

/** Describes what a new stream is asked for. */
export interface StreamStart {
  /** The position to continue from. Empty for a stream from scratch. */
  position: string
  /** The watched roots. */
  watch: readonly WatchEntry[]
  /** The watched roots that the position was given for, where they differ from `watch`. */
  held?: readonly WatchEntry[] | undefined
  /** The positions of writes that the page waits for. */
  reached?: readonly string[] | undefined
}

/** Returns the fields of a request for a stream beside the position. Most pages send none. */
export function startFields({
  watch,
  held,
  reached = [],
}: StreamStart): Omit<Partial<StreamStart>, 'position'> {
  const watched = held ? { watch, held } : watch.length > 0 ? { watch } : {}
  return reached.length > 0 ? { ...watched, reached } : watched
}

/** Describes the answer to a request about the open stream. */
export interface SessionAnswer {
  /** Whether the node that answered holds the stream. */
  live: boolean
  /** The roots that the client watches now, with the limits that the server has granted. */
  watch?: readonly WatchEntry[]
}

/** Connects a client with a server. */
export interface Transport {
  /** The interval of the server's signs of life, in milliseconds; `undefined` without such signs. */
  readonly heartbeat: number | undefined
  /** Whether the next stream needs a new handshake. */
  readonly expired: boolean
  /** The address of the server. */
  readonly address?: string
  /** The last token, which the next handshake names as the previous one. */
  token?: string | undefined
  /** The end of the token's validity, in milliseconds since the epoch. */
  readonly expires?: number
  /** The digest of the identity, as the server answered the last handshake. */
  readonly identity?: string | undefined
  /** Whether other pages may hold the token too. The next handshake then begins a session of its own. */
  fork?: boolean | undefined
  /** Limits each list of watched roots of a new stream, in characters; `undefined` for no limit. */
  readonly maxWatched?: number | undefined
  /**
   * Presents the identity. Rejects with a {@link Failure} or an error.
   *
   * @returns whether the open stream continues under the new token
   */
  handshake(identity: unknown, signal: AbortSignal): Promise<boolean>
  /** Opens a stream. Returns a function that closes the stream. */
  open(start: StreamStart, sink: Sink): () => void
  /**
   * Posts a request about the open stream to a route. Rejects with a {@link Failure} or an error.
   *
   * @returns the node's answer
   */
  post(route: 'watch' | 'reached', body: object, signal: AbortSignal): Promise<SessionAnswer>
  /** Replaces the token by a new token of the server. */
  renew(token: string, expiresAt: string): void
}

/** Matches the final codes. */
const FINAL = /^(INVALID|UNAUTHORIZED$|REPLACED$|BODY_TOO_LARGE$|UNSUPPORTED_MEDIA_TYPE$)/
/** Matches the codes of failures that usually pass. */
const TRANSIENT = /^(UNAVAILABLE|TOO_MANY_|BODY_TOO_SLOW)/
/** Counts the failed tries (about a minute) before a transient failure is reported. */
const TRIES_BEFORE_REPORT = 7

/** Checks whether a code is final, so that another try can't help. */
export function isFinal(code: unknown): boolean {
  return FINAL.test(String(code))
}

/** Turns an error into a failure. Errors of an own transport need only a `code`. */
export function failure(cause: unknown): Failure & { reportAfter: number } {
  const { code, error, message = cause } = Object(cause)
  if (error instanceof ParticleError) return { reportAfter: reportAfterOf(error), ...(cause as Failure) }
  const type = isFinal(code) ? 'denied' : undefined
  const known =
    cause instanceof ParticleError
      ? cause
      : new ParticleError(type ? code : 'CALLBACK_FAILED', String(message), { cause })
  return { error: known, type, reportAfter: reportAfterOf(known) }
}

function reportAfterOf({ code }: ParticleError): number {
  // Never reports this code here: a final refusal is reported by the link, and an expired token is normal.
  if (code === 'UNAUTHORIZED') return Number.POSITIVE_INFINITY
  return TRANSIENT.test(code) ? TRIES_BEFORE_REPORT : 1
}

/** Creates the error of a revoked stream. */
export function revocation(reason: string): ParticleError {
  return reason === 'replaced'
    ? new ParticleError('REPLACED', 'Replaced by a newer stream of this identity')
    : new ParticleError('UNAUTHORIZED', `Revoked: ${reason}`)
}
