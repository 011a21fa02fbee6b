import type { Json } from './document.ts'
import { isObject } from './json.ts'

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
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b)
  if (isObject(a) && isObject(b)) {
    const left = Object.entries(a)
    const right = Object.entries(b)
    for (const [index, [key, value]] of left.entries()) {
      const other = right[index]
      if (other === undefined) return 1
      const order =
        typeOrder(value) - typeOrder(other[1]) || compareText(key, other[0]) || compare(value, other[1])
      if (order !== 0) return order
    }
    return left.length - right.length
  }
  return Number(a ?? 0) - Number(b ?? 0)
}

/**
 * Checks that two values are equal for `$addToSet` and `$pullAll`: the order of an object's fields counts.
 */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || compare(a, b) === 0
}

function compareArrays(a: readonly Json[], b: readonly Json[]): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const order = compare(a[index], b[index])
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    // Ranks surrogates above all single units: they encode higher code points, though their own numbers are
    // lower.
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
