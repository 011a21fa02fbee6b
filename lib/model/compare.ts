import type { Json } from './document.ts'

/**
 * Returns the position of a value's type in BSON's order: null (or missing), number, string, object, array,
 * boolean.
 */
export function typeOrder(value: Json | undefined): number {
  if (value === null || value === undefined) return 0
  if (Array.isArray(value)) return 4
  if (typeof value === 'number') return 1
  if (typeof value === 'string') return 2
  return typeof value === 'boolean' ? 5 : 3
}

/**
 * Compares two values in BSON's order, as `$min`, `$max` and `$sort` do: negative, zero or positive. Strings
 * compare by code point, objects field by field in the order of their fields.
 */
export function compare(a: Json | undefined, b: Json | undefined): number {
  const byType = typeOrder(a) - typeOrder(b)
  if (byType !== 0) return byType
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return Number(a ?? 0) - Number(b ?? 0)
  const left = Object.entries(a)
  const right = Object.entries(b)
  for (const [index, [key, value]] of left.entries()) {
    const other = right[index]
    if (other === undefined) return 1
    // The names differ between objects only: those of arrays are the positions.
    const order =
      typeOrder(value) - typeOrder(other[1]) || compareText(key, other[0]) || compare(value, other[1])
    if (order !== 0) return order
  }
  return left.length - right.length
}

/**
 * Checks that two values are equal for `$addToSet` and `$pullAll`: the order of an object's fields counts.
 */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || compare(a, b) === 0
}

function compareText(a: string, b: string): number {
  let at = 0
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1)
}
