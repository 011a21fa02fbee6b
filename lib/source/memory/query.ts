import type { Document, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { matcher } from '../../policy/criteria.ts'
import { checkQuery, isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'

/** A test of documents. */
export type Match = (document: Document) => boolean

/**
 * Compiles a query against JSON documents, just as criteria are compiled, so that a source and the server
 * never differ about a document. Dates, ObjectIds and the like are compared in the JSON form in which they
 * were stored. Throws `INVALID_QUERY`.
 */
export function compile(query: Query): Match {
  checkQuery(query, 'The query')
  return Object.keys(query).length === 0 ? () => true : matcher(query)
}

/**
 * The `_id` that a query asks for by equality; `undefined` when it doesn't, so that the documents must be
 * scanned.
 */
export function queriedId(query: Query): Json | undefined {
  const id = Object.hasOwn(query, '_id') ? literal(operand(query._id)) : undefined
  // `null` also asks for documents without the field, an array for those that hold it.
  return id === null || Array.isArray(id) ? undefined : id
}

/** The fields that a query fixes by equality, as an upsert takes them over: `[path, value]`. */
export function equalities(query: Query): [string, Json][] {
  return Object.entries(query).flatMap(([name, condition]): [string, Json][] => {
    if (name === '$and' && Array.isArray(condition)) return condition.flatMap(equalities)
    const value = name.startsWith('$') ? undefined : literal(operand(condition))
    return value === undefined ? [] : [[name, value]]
  })
}

/** What a condition compares with, where it says so by `$eq`. */
function operand(condition: unknown): unknown {
  return isPlain(condition) && Object.hasOwn(condition, '$eq') ? condition.$eq : condition
}

/** A value that is meant as such: neither operators nor a pattern. */
function literal(value: unknown): Json | undefined {
  if (value === undefined || value === null || value instanceof RegExp)
    return value === null ? null : undefined
  if (isPlain(value) && Object.keys(value).some((name) => name.startsWith('$'))) return undefined
  return toJson(value)
}
