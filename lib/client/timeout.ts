import { ParticleError } from '../errors.ts'
import type { Clock } from './transport.ts'

/** Limits the duration of a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 30_000

/**
 * Ends a request after 30 s, or when `end` is aborted.
 *
 * @throws the request's own error; ParticleError `UNAVAILABLE` after the time-out or the abort
 */
export async function withTimeout<T>(
  clock: Clock,
  end: AbortSignal,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const { signal } = controller
  let abort = () => {}
  const over = new Promise<never>((_resolve, reject) => {
    abort = () => {
      controller.abort()
      reject(new ParticleError('UNAVAILABLE', `The server gave no answer within ${REQUEST_TIMEOUT_MS} ms.`))
    }
  })
  end.addEventListener('abort', abort)
  const cancel = clock.after(REQUEST_TIMEOUT_MS, abort)
  try {
    return await Promise.race([request(signal), over])
  } finally {
    cancel()
    end.removeEventListener('abort', abort)
  }
}
