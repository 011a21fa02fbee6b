import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { describeGiven } from '../../model/given.ts'
import type { InspectorGuard } from '../options/inspector-guard.ts'
import { withTimeout } from '../support/scheduling.ts'

/** Limits the wait for a guard's answer, in milliseconds. */
const GUARD_TIMEOUT_MS = 10_000

/**
 * Runs the guard of the inspector.
 *
 * @throws ParticleError `FORBIDDEN` when the guard refuses the request; `CALLBACK_FAILED` when the guard
 *   fails, never answers, or answers with something other than `true`, `false` or nothing
 */
export async function admitInspector(
  guard: InspectorGuard,
  request: IncomingMessage,
  timeout = GUARD_TIMEOUT_MS,
): Promise<void> {
  let answer: { given: unknown } | undefined
  try {
    const asked = Promise.resolve(guard(request)).then((given: unknown) => ({ given }))
    answer = await withTimeout(asked, timeout)
  } catch (cause) {
    throw new ParticleError('CALLBACK_FAILED', `inspector failed: ${cause}`, { cause })
  }
  if (!answer) throw new ParticleError('CALLBACK_FAILED', `inspector did not answer in ${timeout / 1_000} s`)
  const { given } = answer
  if (given === true) return
  // `request.user?.isAdmin` is undefined for a stranger.
  if (given !== false && given !== undefined && given !== null)
    throw new ParticleError(
      'CALLBACK_FAILED',
      `inspector must return true or false, or a promise of it; ${describeGiven(given)}`,
    )
  throw new ParticleError('FORBIDDEN', 'The inspector is not for you')
}
