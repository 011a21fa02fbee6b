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

/** A failure with more to say than its error. */
export interface Failure {
  error: ParticleError
  /**
   * Tells what follows from it: trying again can't help (`denied`), the token is not valid (`unauthorized`), or the stream was ended
   * in order (`ended`). Without one, another try may help.
   */
  type?: 'denied' | 'unauthorized' | 'ended' | undefined
  /** Whether the server itself said so, in Particle's form. */
  own?: boolean
  /** The least time to wait before the next try, in milliseconds. Default: 0. */
  wait?: number
  /** How many tries in a row must have failed before the application is told. Default: by the error's code. */
  news?: number
  /** What is likely to be wrong where handshakes are answered and no stream opens, as a question. */
  hint?: string
}

/** What a transport tells of the stream it opened; after `lost` nothing more. */
export interface Sink {
  /** The stream is open; told again with each sign of life. */
  opened(): void
  /** `data` is JSON; `id` is the position after the event, empty where there is none. What came together is told in one turn. */
  event(name: string, data: string, id: string): void
  /** The stream ended, or could not be opened; `error` may be a {@link Failure}. */
  lost(error: unknown): void
}

/** The way to a server. */
export interface Transport {
  /** For how long the server may be silent, in milliseconds; `undefined`: for ever. */
  readonly heartbeat: number | undefined
  /** Whether a stream can't be opened any more without another handshake. */
  readonly expired: boolean
  /**
   * Presents the identity; rejects with a {@link Failure} or an error.
   *
   * @returns whether the stream that is open goes on under the new token
   */
  handshake(identity: unknown, signal: AbortSignal): Promise<boolean>
  /** Opens a stream that goes on after this position, or from scratch where it is empty. Returns what closes it. */
  open(position: string, sink: Sink): () => void
  /** The server gave a new token. */
  renew(token: string, expiresAt: string): void
}

/** The codes after which trying again can't help. */
const FINAL: readonly string[] = ['UNAUTHORIZED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']
/** The codes of what is over by itself soon, as a rule. */
const PASSING: readonly ErrorCode[] = ['UNAVAILABLE', 'TOO_MANY_HANDSHAKES']
/** How many tries (a minute of them) what is over soon may take before it is news. */
const PATIENCE = 7

/** Whether trying again can't help. */
export function isFinal(code: unknown): boolean {
  return FINAL.includes(String(code)) || String(code).startsWith('INVALID')
}

/** The failure that an error is. An own transport may have its own errors, as long as they say `code: 'UNAUTHORIZED'`. */
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
  // A refusal is told by the status.
  if (code === 'UNAUTHORIZED') return Number.POSITIVE_INFINITY
  return PASSING.includes(code) ? PATIENCE : 1
}
