import { ParticleError } from '../../errors.ts'
import type { ServerEvent } from '../../protocol/messages.ts'

/** Tells a client that its stream ends because of a limit; undefined where it ends for another reason. */
export function excessEvent(error: unknown): ServerEvent | undefined {
  if (!(error instanceof ParticleError) || error.code !== 'LIMIT_EXCEEDED') return undefined
  return { event: 'error', data: { code: error.code, message: EXCESS } }
}

/** What a client learns of a limit that its identity exceeds. */
export const EXCESS = 'This identity leads to more than this server allows'

/** Tells a client that a root can't be shown for now, and nothing of the error's own text. */
export function failureEvent(root: string, error: unknown): ServerEvent {
  const isTooLarge = error instanceof ParticleError && error.code === 'LIMIT_EXCEEDED'
  const data = isTooLarge
    ? { root, code: error.code, message: `${root} is larger than this server allows` }
    : { root, code: 'SOURCE_FAILED' as const, message: `The source of ${root} can't be followed at present` }
  return { event: 'error', data }
}
