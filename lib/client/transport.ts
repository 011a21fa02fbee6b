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

/** Why a handshake or a stream came to nothing. */
export interface Failure {
  error: ParticleError
  /** Trying again can't help. */
  denied: boolean
  /** It is more than the network's or the server's bad day: the application must hear of it. */
  report: boolean
  /** The least time to wait before the next try, in milliseconds. */
  wait?: number
}

/** What a transport tells of the stream it opened; after `lost` nothing more. */
export interface Sink {
  opened(): void
  /** `data` is JSON; `id` is the position after the event, empty where there is none. */
  event(name: string, data: string, id: string): void
  /** Without a failure: the stream ended or could not be opened, which happens. */
  lost(failure?: Failure): void
}

/** The way to a server. */
export interface Transport {
  /** For how long the server may be silent, in milliseconds; `undefined`: for ever. */
  readonly heartbeat: number | undefined
  /** Whether a stream can't be opened any more without another handshake. */
  readonly expired: boolean
  /** Presents the identity. Never rejects. */
  handshake(identity: unknown, signal: AbortSignal): Promise<Failure | undefined>
  /** Opens a stream that goes on after this position, or from scratch where it is empty. Returns what closes it. */
  open(position: string, sink: Sink): () => void
  /** The server gave a new token. */
  renew(token: string, expiresAt: string): void
}

/** The failure that an error of the given code is. */
export function failure(error: unknown): Failure {
  const known = error instanceof ParticleError ? error : undefined
  const message = error instanceof Error ? error.message : String(error)
  // An own transport may have its own errors, as long as they say `code: 'UNAUTHORIZED'`.
  const code = known?.code ?? (Object(error).code === 'UNAUTHORIZED' ? 'UNAUTHORIZED' : 'CALLBACK_FAILED')
  return {
    error: known ?? new ParticleError(code, message, { cause: error }),
    denied: code === 'UNAUTHORIZED' || code.startsWith('INVALID'),
    report: !['UNAUTHORIZED', 'UNAVAILABLE', 'TOO_MANY_HANDSHAKES', 'CLOSED'].includes(code),
  }
}
