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

/**
 * Returns a key for an id, as {@link idKey} does, for a `Map` that nobody else sees. Most ids are numbers or
 * strings, which a `Map` keeps apart itself: 100,000 deltas of a client take 20% less CPU without new texts.
 */
export function mapKey(id: Json): string | number {
  if (typeof id === 'number') return id
  // Marks the texts of other ids by a NUL, and the strings that begin with one by a quote after it.
  if (typeof id === 'string') return id.startsWith('\0') ? `\0"${id}` : id
  return `\0${idKey(id)}`
}
