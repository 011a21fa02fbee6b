import { ParticleError } from '../errors.ts'
import { isWithin, MAX_DEPTH } from './bounds.ts'
import type { Json } from './document.ts'
import { canonical } from './json.ts'

/**
 * Returns a text for an id: two ids are equal exactly when their texts are. `1` and `'1'` differ; objects are
 * equal whatever the order of their fields.
 */
export function idKey(id: Json): string {
  // Marks strings by an open quote, which is cheaper than escaping.
  if (typeof id === 'string') return `"${id}`
  if (typeof id === 'number') return `${id}`
  if (isWithin(id, MAX_DEPTH)) return canonical(id)
  throw new ParticleError('INVALID_OPERATION', `An _id is nested deeper than ${MAX_DEPTH} levels.`)
}
