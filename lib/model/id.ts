import { ParticleError } from '../errors.ts'
import { isWithin, MAX_DEPTH } from './bounds.ts'
import type { Json } from './document.ts'
import { canonical } from './json.ts'

/**
 * A text that stands for an id: two ids are equal exactly where their keys are. `1` and `'1'` differ; objects
 * are equal whatever the order of their fields.
 */
export function idKey(id: Json): string {
  // The open quote keeps strings apart from all else without the cost of escaping them.
  if (typeof id === 'string') return `"${id}`
  if (typeof id === 'number') return `${id}`
  if (isWithin(id, MAX_DEPTH)) return canonical(id)
  throw new ParticleError('INVALID_OPERATION', `An _id is nested deeper than ${MAX_DEPTH} levels.`)
}
