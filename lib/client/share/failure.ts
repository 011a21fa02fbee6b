import { type ErrorCode, ParticleError } from '../../errors.ts'
import type { Failure } from '../transport.ts'
import type { SharedFailure } from './messages.ts'

/** Turns a failure into a form that a channel can carry. Only the leader can act on an invalid token. */
export function sharedFailure(cause: unknown): SharedFailure {
  const { error = cause, type, own, wait } = Object(cause)
  const { code = 'UNAVAILABLE', message = error } = Object(error)
  return { error: { code, message: String(message) }, type: type === 'ended' ? type : undefined, own, wait }
}

/** Turns a failure of the leader into a failure of a tab. */
export function failureOf({ error, ...rest }: SharedFailure): Failure {
  return { ...rest, error: new ParticleError(error.code as ErrorCode, error.message) }
}
