import type { Json } from './document.ts'
import { canonical } from './json.ts'

/**
 * A text that stands for an id: two ids are equal exactly where their keys are. `1` and `'1'` differ; objects
 * are equal whatever the order of their fields.
 */
export function idKey(id: Json): string {
  // The open quote keeps strings apart from all else without the cost of escaping them.
  if (typeof id === 'string') return `"${id}`
  return typeof id === 'number' ? `${id}` : canonical(id)
}
