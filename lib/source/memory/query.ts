import type { Document, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { matcher } from '../../policy/criteria.ts'
import { checkQuery, isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'

/** Tests a document. */
export type Match = (document: Document) => boolean

/**
 * Compiles a query against JSON documents exactly as criteria are compiled, so that a source and the server
 * agree about every document. Compares dates, ObjectIds and similar values in their stored JSON form. Throws
 * `INVALID_QUERY`.
 */
export function compile(query: Query): Match {
  checkQuery(query, 'The query')
  return matcher(query)
}

/** Returns the `_id` that a query requires by equality; `undefined` for other queries, which need a scan. */
export function queriedId(query: Query): Json | undefined {
  const id = Object.hasOwn(query, '_id') ? literal(operand(query._id)) : undefined
  // Excludes `null`, which also matches documents without the field, and arrays, which also match inside an
  // array.
  return id === null || Array.isArray(id) ? undefined : id
}

/** Lists the fields that a query fixes by equality, for an upsert: `[path, value]`. */
export function equalities(query: Query): [string, Json][] {
  return Object.entries(query).flatMap(([name, condition]): [string, Json][] => {
    if (name === '$and' && Array.isArray(condition)) return condition.flatMap(equalities)
    const value = name.startsWith('$') ? undefined : literal(operand(condition))
    return value === undefined ? [] : [[name, value]]
  })
}

/** Returns the operand of a condition that is an equality. */
function operand(condition: unknown): unknown {
  return isPlain(condition) && Object.hasOwn(condition, '$eq') ? condition.$eq : condition
}

/** Returns a plain value: neither operators nor a pattern. */
function literal(value: unknown): Json | undefined {
  if (value === undefined || value === null || value instanceof RegExp)
    return value === null ? null : undefined
  if (isPlain(value) && Object.keys(value).some((name) => name.startsWith('$'))) return undefined
  return toJson(value)
}
