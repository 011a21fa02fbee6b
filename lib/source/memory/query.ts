import { Query as Compiled } from 'mingo/query'
import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import type { Query } from '../source.ts'
import { isObject } from './value.ts'

/** A test of documents. */
export type Match = (document: Document) => boolean

/**
 * Compiles a query against JSON documents. Dates, ObjectIds and the like in it are compared in the JSON form in which they were stored;
 * regular expressions stay what they are. Throws `INVALID_QUERY` for operators that are unknown or would run code.
 */
export function compile(query: Query): Match {
  if (!isObject(query)) throw new ParticleError('INVALID_QUERY', 'A query must be an object.')
  const plain = queryJson(query) as Query
  if (Object.keys(plain).length === 0) return () => true
  try {
    const compiled = new Compiled(plain, { scriptEnabled: false })
    return (document) => compiled.test(document)
  } catch (cause) {
    throw invalidQuery(cause)
  }
}

/** What mingo refuses, as the library's own error. */
export function invalidQuery(cause: unknown): ParticleError {
  if (cause instanceof ParticleError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ParticleError('INVALID_QUERY', `The query is not valid: ${reason}`, { cause })
}

/** The `_id` that a query asks for by equality; `undefined` when it doesn't, so that the documents must be scanned. */
export function queriedId(query: Query): Json | undefined {
  if (!Object.hasOwn(query, '_id')) return undefined
  const condition = queryJson(query._id)
  if (condition instanceof RegExp || condition === null || condition === undefined) return undefined
  if (Array.isArray(condition)) return undefined
  if (!isObject(condition)) return condition as Json
  const names = Object.keys(condition)
  if (names.length === 1 && names[0] === '$eq') return literal(condition.$eq)
  return literal(condition)
}

/** The fields that a query fixes by equality, as an upsert takes them over: `[path, value]`. */
export function equalities(query: Query): [string, Json][] {
  const found: [string, Json][] = []
  for (const [name, raw] of Object.entries(query)) {
    const condition = queryJson(raw)
    if (name === '$and' && Array.isArray(condition)) {
      for (const part of condition) if (isObject(part)) found.push(...equalities(part))
    } else if (!name.startsWith('$')) {
      const value = isObject(condition) && Object.hasOwn(condition, '$eq') ? condition.$eq : condition
      const fixed = literal(value)
      if (fixed !== undefined) found.push([name, fixed])
    }
  }
  return found
}

function literal(value: unknown): Json | undefined {
  if (value === undefined || value instanceof RegExp) return undefined
  if (isObject(value) && Object.keys(value).some((name) => name.startsWith('$'))) return undefined
  return value as Json
}

function queryJson(value: unknown): unknown {
  if (value instanceof RegExp || typeof value === 'function') return value
  if (Array.isArray(value)) return value.map(queryJson)
  if (!isObject(value)) return value
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return toJson(value)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, queryJson(field)]))
}
