import { ParticleError } from '../../errors.ts'

/** Wraps a function of the application, so that the console gets its errors and the caller gets none. */
export function guarded<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      fn(...args)
    } catch (error) {
      console.error(error)
    }
  }
}

/** Turns an error of a source, or of another named part, into a ParticleError. */
export function asError(error: unknown, source: string): Error {
  if (error instanceof ParticleError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ParticleError('SOURCE_FAILED', `${source}: ${message}`, { cause: error })
}
