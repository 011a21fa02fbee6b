import type { Document, Json } from './document.ts'

/** Represents a JSON object. */
export type JsonObject = { [key: string]: Json }

/** Checks for an object of JSON: neither null, nor an array, nor a scalar. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the own field of an object, so that a name such as `toString` never finds an inherited value. */
export function field(object: object, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? (object as JsonObject)[key] : undefined
}

/** Returns the value of an object's own field or of an array's position; `undefined` for a missing value. */
export function child(container: Json | Document | undefined, segment: string | number): Json | undefined {
  if (container === null || typeof container !== 'object') return undefined
  if (!Object.hasOwn(container, segment)) return undefined
  return (container as JsonObject)[segment]
}

/** Returns the value at `keys`; `undefined` for a missing value. */
export function valueAt(document: Document, keys: readonly (string | number)[]): Json | undefined {
  let node: Json | Document | undefined = document
  for (const key of keys) node = child(node, key)
  return node as Json | undefined
}

/**
 * Converts a value to JSON: calls `toJSON`, and drops `undefined` (`null` in an array or at the top). The
 * result shares nothing with the value.
 *
 * @throws TypeError for a value without a JSON form: a BigInt, or an object that contains itself
 */
export function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value) ?? 'null')
}

/** Compares two values, ignoring the order of fields. A field that is `undefined` counts as missing. */
export function sameJson(a: Json | Document | undefined, b: Json | Document | undefined): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((element, index) => sameJson(element, b[index]))
  if (!isObject(a) || !isObject(b)) return false
  let rest = 0
  for (const name in b) if (b[name] !== undefined) rest++
  for (const name in a) {
    if (a[name] === undefined) continue
    rest--
    if (!sameJson(a[name], field(b, name))) return false
  }
  return rest === 0
}

/**
 * Writes JSON with sorted keys: two values are equal (ignoring the order of fields) exactly when their texts
 * are.
 */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isObject(value)) return JSON.stringify(value ?? null)
  const fields = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`)
  return `{${fields.join()}}`
}
