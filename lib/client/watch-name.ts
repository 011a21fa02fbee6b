import { isObject } from '../model/json.ts'
import { invalidOption } from '../model/unknown.ts'
import { watchedRoot } from '../protocol/watched-root.ts'

/**
 * Names the root that a page watches. Checks what the page gives, since a server's rendering opens no watch.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function watchName(source: unknown, params: unknown): string {
  if (typeof source === 'string' && isObject(params)) return watchedRoot(source, params)
  throw invalidOption('watch(source, params) takes a name and an object, such as { room: 7 }.')
}
