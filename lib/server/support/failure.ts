import { ParticleError } from '../../errors.ts'

/** A function of the application's whose own failure goes no further. */
export function guarded<T>(fn: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      fn(value)
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

/**
 * What a client is told of a root whose source failed: never the source's own words, which may name what the
 * client has no right to know.
 */
export function failureOf(root: string, error?: unknown): { root: string; code: string; message: string } {
  const isRefused = error instanceof ParticleError && error.code === 'INVALID_OPTION'
  const message = isRefused
    ? `The root ${root} can't be shown until its source is set up otherwise: the server's onError says how`
    : `The source of ${root} can't be followed at present`
  return { root, code: 'SOURCE_FAILED', message }
}
