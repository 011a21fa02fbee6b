import { ParticleError } from '../../errors.ts'

/**
 * The time before a view that was too large is read again, in milliseconds. Otherwise each client would cause
 * a read.
 */
const PAUSE_MS = 30_000

/** The errors of the views that were too large, and the ends of their pauses by `performance.now()`. */
const paused = new WeakMap<object, { error: ParticleError; until: number }>()

/** Reads a view. Rejects at once while the view is paused, because it was larger than a limit. */
export async function outsidePause<T>(view: object, load: () => Promise<T>): Promise<T> {
  const { error, until = 0 } = paused.get(view) ?? {}
  if (performance.now() < until) throw error
  paused.delete(view)
  try {
    return await load()
  } catch (error) {
    if (error instanceof ParticleError && error.code === 'LIMIT_EXCEEDED')
      paused.set(view, { error, until: performance.now() + PAUSE_MS })
    throw error
  }
}
