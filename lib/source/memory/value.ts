import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'

type JsonObject = { [key: string]: Json }

/**
 * Converts a value to its stored form. Throws `INVALID_OPERATION` for a value that JSON can't hold (a BigInt,
 * an object within itself) and for a field named `__proto__`, which is not safe for clients.
 */
export function stored(value: unknown): Json {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  // Turns -0 into 0, as JSON does.
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  let json: Json
  try {
    json = toJson(value)
  } catch (cause) {
    throw new ParticleError('INVALID_OPERATION', "A value can't be stored, since it has no JSON form.", {
      cause,
    })
  }
  if (holdsPrototype(json))
    throw new ParticleError('INVALID_OPERATION', "A field can't be named '__proto__'.")
  return json
}

function holdsPrototype(value: Json): boolean {
  if (Array.isArray(value)) return value.some(holdsPrototype)
  if (value === null || typeof value !== 'object') return false
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(holdsPrototype)
}

/**
 * Copies a value deeply: stored, reported and returned values share nothing that could be changed in place.
 */
export function copy<T extends Json | Document>(value: T): T
export function copy(value: Json): Json {
  if (Array.isArray(value)) return value.map((element) => copy(element))
  if (value === null || typeof value !== 'object') return value
  const result: JsonObject = {}
  for (const [name, field] of Object.entries(value)) {
    if (field !== undefined) result[name] = copy(field)
  }
  return result
}

/** Compares two values as MongoDB does: the order of an object's fields counts. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a === null || b === null) return false
  if (typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((element, index) => same(element, b[index]))
  }
  const names = Object.keys(a)
  const others = Object.keys(b)
  return (
    names.length === others.length &&
    names.every((name, index) => name === others[index] && same(a[name], b[name]))
  )
}
