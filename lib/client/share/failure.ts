import { type ErrorCode, ParticleError } from '../../errors.ts'
import { type Failure, failure } from '../transport.ts'
import type { SharedFailure } from './messages.ts'

/** Turns a failure into a form that a channel can carry. Only the leader can act on an invalid token. */
export function sharedFailure(cause: unknown): SharedFailure {
  const { error, type, own, wait } = failure(cause)
  const { code, message } = error
  return { code, message, type: type === 'ended' ? type : undefined, own, wait }
}

/** Turns a failure of the leader into a failure of a tab. */
export function failureOf({ code, message, type, own = false, wait = 0 }: SharedFailure): Failure {
  return {
    error: new ParticleError(code as ErrorCode, message),
    type: type === 'ended' ? type : undefined,
    own,
    wait,
  }
}
