import { ParticleError } from '../errors.ts'

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
  /** Trying again can't help. */
  denied: boolean
  /** The least time to wait before the next try, in milliseconds. */
  wait?: number
}

/** What a transport tells of the stream it opened; after `lost` nothing more. */
export interface Sink {
  opened(): void
  /** `data` is JSON; `id` is the position after the event, empty where there is none. */
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
  /** Presents the identity; rejects with a {@link Failure} or an error. */
  handshake(identity: unknown, signal: AbortSignal): Promise<void>
  /** Opens a stream that goes on after this position, or from scratch where it is empty. Returns what closes it. */
  open(position: string, sink: Sink): () => void
  /** The server gave a new token. */
  renew(token: string, expiresAt: string): void
}

/** The failure that an error is. An own transport may have its own errors, as long as they say `code: 'UNAUTHORIZED'`. */
export function failure(cause: unknown): Failure {
  const { code, error, message = cause } = Object(cause)
  if (error instanceof ParticleError) return cause as Failure
  const denied = code === 'UNAUTHORIZED' || String(code).startsWith('INVALID')
  if (cause instanceof ParticleError) return { error: cause, denied }
  return { error: new ParticleError(denied ? code : 'CALLBACK_FAILED', String(message), { cause }), denied }
}
