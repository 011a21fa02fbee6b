import { type Grant, sinceOf } from '../delivery/grant.ts'
import type { Claims } from '../tokens/token.ts'
import { rightsOf } from '../view/fingerprint.ts'

/**
 * Copies an admission to a new set of views, and remembers the previous set so that positions issued for it
 * stay valid.
 *
 * @param moment the moment from which new views are granted; undefined when all clients have the same rights
 */
export function carried<T extends object>(
  admission: T,
  before: Grant | undefined,
  views: Claims['views'],
  moment: string | undefined,
): T & Grant {
  // Keeps the last set that differs, so that issuing an unused token does not invalidate older positions.
  const same = before && rightsOf(before.views) === rightsOf(views)
  const previous = same ? before.previous : before?.views
  const result: T & Grant = { ...admission, views }
  if (moment !== undefined) result.since = sinceOf(views, before, moment)
  if (previous) result.previous = previous
  else delete result.previous
  return result
}
