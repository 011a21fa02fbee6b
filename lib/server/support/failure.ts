import { ParticleError } from '../../errors.ts'

/** A function of the application's whose own failure goes no further. */
export function guarded<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      fn(...args)
    } catch (error) {
      console.error(error)
    }
  }
}

/** An error of a source, or of another part that is named, as one of ours. */
export function asError(error: unknown, source: string): Error {
  if (error instanceof ParticleError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ParticleError('SOURCE_FAILED', `${source}: ${message}`, { cause: error })
}
