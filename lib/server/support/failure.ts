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

/** Returns the message of an error. A time-out of the package redis has none, and is named by its class. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.constructor.name : String(error)
}

/** Turns an error of a source, or of another named part, into a ParticleError. */
export function asError(error: unknown, source: string): Error {
  if (error instanceof ParticleError) return error
  return new ParticleError('SOURCE_FAILED', `${source}: ${messageOf(error)}`, { cause: error })
}
