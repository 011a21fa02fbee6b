import { type ErrorCode, ParticleError } from '../errors.ts'

/** Time, so that specs need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls back once after this many milliseconds; what it returns cancels that. */
  after(milliseconds: number, callback: () => void): () => void
}

export const CLOCK: Clock = {
  now: () => Date.now(),
  after: (milliseconds, callback) => {
    // More would be none at all.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

/** Describes a failure: its error, and what follows from it. */
export interface Failure {
  error: ParticleError
  /**
   * The kind of failure: the server refuses for good (`denied`), the token is not valid (`unauthorized`),
   * or the stream was ended in order (`ended`). Any other may pass.
   */
  type?: 'denied' | 'unauthorized' | 'ended' | undefined
  /** Whether the answer had Particle's own form. */
  own?: boolean
  /** The token to name as the previous one in the next handshake, in place of the one that was refused. */
  token?: string | undefined
  /** The minimum delay before the next try, in milliseconds. Default: 0. */
  wait?: number
  /** The number of failed tries from which the application is told. Default: by the error's code. */
  news?: number
  /** Asks for the likely cause where handshakes succeed and no stream opens. */
  hint?: string
}

/** Hears what happens to a stream; nothing more after `lost`. */
export interface Sink {
  /** The stream is open, or gave another sign of life. */
  opened(): void
  /** Takes an event. `data` is JSON; `id` is the position after the event, empty where there is none. */
  event(name: string, data: string, id: string): void
  /** The stream ended, or could not be opened; `error` may be a {@link Failure}. */
  lost(error: unknown): void
}

/** The way to a server. */
export interface Transport {
  /** How often the server gives a sign of life, in milliseconds; `undefined`: never. */
  readonly heartbeat: number | undefined
  /** Whether another handshake is needed before a stream can be opened. */
  readonly expired: boolean
  /**
   * Presents the identity; rejects with a {@link Failure} or an error.
   *
   * @returns whether the open stream continues under the new token
   */
  handshake(identity: unknown, signal: AbortSignal): Promise<boolean>
  /**
   * Opens a stream from this position, or from scratch where it is empty. Returns a function that closes it.
   */
  open(position: string, sink: Sink): () => void
  /** The server gave a new token. */
  renew(token: string, expiresAt: string): void
}

/** Lists the codes that are final, beside those that begin with `INVALID`. */
const FINAL: readonly string[] = ['UNAUTHORIZED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']
/** Lists the codes of failures that commonly pass by themselves. */
const PASSING: readonly ErrorCode[] = [
  'UNAVAILABLE',
  'TOO_MANY_HANDSHAKES',
  'TOO_MANY_STREAMS',
  'BODY_TOO_SLOW',
]
/** Sets after how many tries (about a minute) such a failure is told. */
const PATIENCE = 7

/** Tells whether a code is final: another try can't help. */
export function isFinal(code: unknown): boolean {
  return FINAL.includes(String(code)) || String(code).startsWith('INVALID')
}

/** Turns an error into a failure. Errors of an own transport need only a `code` to be understood. */
export function failure(cause: unknown): Failure & { news: number } {
  const { code, error, message = cause } = Object(cause)
  if (error instanceof ParticleError) return { news: newsOf(error), ...(cause as Failure) }
  const type = isFinal(code) ? 'denied' : undefined
  const known =
    cause instanceof ParticleError
      ? cause
      : new ParticleError(type ? code : 'CALLBACK_FAILED', String(message), { cause })
  return { error: known, type, news: newsOf(known) }
}

function newsOf({ code }: ParticleError): number {
  // Told as a refusal where it is final; a token that has expired is no news.
  if (code === 'UNAUTHORIZED') return Number.POSITIVE_INFINITY
  return PASSING.includes(code) ? PATIENCE : 1
}
