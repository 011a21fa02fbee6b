import type { Document, Json } from './document.ts'

/** A JSON object. */
export type JsonObject = { [key: string]: Json }

/** Whether a value is an object of JSON: neither null, nor an array, nor a scalar. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The own field of an object, so that names such as `toString` never find what was inherited. */
export function field(object: object, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? (object as JsonObject)[key] : undefined
}

/** The value of an object's own field or of an array's position; `undefined` where there is none. */
export function child(container: Json | Document | undefined, segment: string | number): Json | undefined {
  if (container === null || typeof container !== 'object') return undefined
  if (!Object.hasOwn(container, segment)) return undefined
  return (container as JsonObject)[segment]
}

/** The value at `keys`; `undefined` where there is none. */
export function valueAt(document: Document, keys: readonly (string | number)[]): Json | undefined {
  let node: Json | Document | undefined = document
  for (const key of keys) node = child(node, key)
  return node as Json | undefined
}

/**
 * A value as JSON would carry it: `toJSON` is honoured, `undefined` is dropped (and is `null` in an array or
 * by itself). The result shares nothing with the value.
 *
 * @throws TypeError for what JSON can't hold: a BigInt, or an object that contains itself.
 */
export function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value) ?? 'null')
}

/**
 * Whether two values are equal, whatever the order of their fields. A field that is `undefined` counts as
 * missing.
 */
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
 * JSON with sorted keys, so that two values are equal (whatever the order of their fields) where their texts
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
