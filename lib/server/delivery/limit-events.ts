import { ParticleError } from '../../errors.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { Root } from './root.ts'

/** Returns the last event of a stream that a limit ends; undefined for another error. */
export function excessEvent(error: unknown): ServerEvent | undefined {
  if (!(error instanceof ParticleError) || error.code !== 'LIMIT_EXCEEDED') return undefined
  return { event: 'error', data: { code: error.code, message: EXCESS } }
}

/** The message to a client whose identity exceeds a limit. */
export const EXCESS = 'This identity leads to more than this server allows'

/**
 * Returns the event for a root that can't be shown now; undefined if the client was told in the same outage.
 * Contains nothing of the error's own text.
 */
export function failureEvent(failing: Root, error: unknown): ServerEvent | undefined {
  const { root, feed } = failing.view
  const isTooLarge = error instanceof ParticleError && error.code === 'LIMIT_EXCEEDED'
  const isRefused = error instanceof ParticleError && error.code === 'INVALID_OPTION'
  const message = isRefused
    ? `The source can't show ${root} until it is set up otherwise: the server's onError says how`
    : `The source of ${root} can't be followed at present`
  const data = isTooLarge
    ? { root, code: error.code, message: `${root} is larger than this server allows` }
    : { root, code: 'SOURCE_FAILED' as const, message }
  const failure = `${data.code} in outage ${feed.report.outages}`
  if (failing.failure === failure) return undefined
  failing.failure = failure
  return { event: 'error', data }
}
