import { ParticleError } from '../errors.ts'
import type { Document } from '../model/document.ts'
import { toJson } from '../model/json.ts'
import { LOGIC, OPERATORS, queryTest } from '../model/matching.ts'
import { nearest } from '../model/nearest.ts'

/** Describes a Mongo-style query. `{}` matches every document. */
export type Query = Record<string, unknown>

/** Operators that hold queries. */
const NESTING: ReadonlySet<string> = new Set([...LOGIC, '$not', '$elemMatch'])

/** The operators that compare two values by their order. */
const ORDERING: ReadonlySet<string> = new Set(['$gt', '$gte', '$lt', '$lte'])

/** Operators that take a list of values. */
export const LISTING: ReadonlySet<string> = new Set(['$in', '$nin', '$all'])

/** The operators that run code, or evaluate expressions that no index and no other source supports. */
const REFUSED: ReadonlySet<string> = new Set(['$where', '$function', '$accumulator', '$expr', '$jsonSchema'])

/**
 * Checks for an object made by `{}` or `JSON.parse`: not an array, a Date, a RegExp, an ObjectId, a promise.
 */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Checks that a value is a query that every source can answer.
 *
 * @param where the query's option, for messages
 * @throws ParticleError `INVALID_QUERY`
 */
export function checkQuery(value: unknown, where: string): asserts value is Query {
  checkOperators(value, where, [])
  checkShape(value, where)
}

function checkShape(value: unknown, where: string): void {
  if (!isPlain(value)) throw invalid(where, 'must be a query: an object such as { accountId: 1 }')
  for (const key of Object.keys(value)) {
    if (!key.startsWith('$')) continue
    if (LOGIC.has(key)) {
      const queries = value[key]
      if (!Array.isArray(queries) || queries.length === 0) {
        throw invalid(where, `has a ${key} that is not a list of queries`)
      }
      for (const query of queries) checkShape(query, where)
    } else if (!REFUSED.has(key) && key !== '$comment') {
      throw invalid(where, `has ${key} where a field's name must stand${meantBy(key)}`)
    }
  }
}

/** Suggests the operator that was probably meant by an operator that can't apply to a field. */
function meantBy(key: string): string {
  const near = nearest(key, LOGIC)
  if (near !== undefined) return `; ${near} was perhaps meant`
  return OPERATORS.includes(key) ? `: write { field: { ${key}: ... } }` : ''
}

function checkOperators(value: unknown, where: string, parents: readonly unknown[]): void {
  if (parents.includes(value)) throw invalid(where, 'refers to itself')
  if (!isPlain(value) && !Array.isArray(value)) {
    if (typeof value === 'function' || typeof value === 'symbol')
      throw invalid(where, `holds a ${typeof value}`)
    // Refuses objects that JSON turns into `{}`: a `$ne` of such an object would match every document.
    if (typeof (value as { then?: unknown } | null | undefined)?.then === 'function')
      throw invalid(where, 'holds a promise: let identityLookup find out the value, and await it there')
    if (value instanceof Map || value instanceof Set)
      throw invalid(where, `holds a ${value.constructor.name}: make an object or an array of it first`)
    return
  }
  for (const [key, inner] of Object.entries(value)) {
    if (REFUSED.has(key)) throw invalid(where, `uses ${key}, which is not supported`)
    if (key.split('.').includes('__proto__')) throw invalid(where, 'names __proto__, which no document has')
    checkOperators(inner, where, [...parents, value])
  }
}

/**
 * Compiles a query into a test of documents. Documents are JSON, so that values of other types are compared
 * in their JSON form.
 *
 * @throws ParticleError `INVALID_QUERY` for an unknown operator, or an operand that does not fit the operator
 */
export function matcher(query: Query): (document: Document) => boolean {
  return compile(query, 'A query')
}

/** Compiles a query. Errors name the query's option, and never a value. */
export function compile(query: Query, where: string): (document: Document) => boolean {
  try {
    return queryTest(inJson(query) as Query) as (document: Document) => boolean
  } catch (cause) {
    // Uses the text of a TypeError, which is our own. Hides the text of a SyntaxError, which contains the
    // pattern.
    const how = cause instanceof TypeError ? cause.message : 'a pattern is not a regular expression'
    throw invalid(where, `uses an operator that is not known, or uses one wrongly: ${how}`, cause)
  }
}

/** Converts the values of a query to the JSON form in which they are compared. Keeps patterns. */
export function inJson(value: unknown): unknown {
  // Drops the flags `g` and `y`: such a RegExp remembers its last position, and would test the next document
  // from there.
  if (value instanceof RegExp) return new RegExp(value.source, value.flags.replace(/[gy]/g, ''))
  if (Array.isArray(value)) return value.map(inJson)
  if (!isPlain(value)) return value === undefined ? null : scalarInJson(value)
  const entries = Object.entries(value).map(([key, inner]) => {
    if (LISTING.has(key) && !Array.isArray(inner)) throw new TypeError(`${key} takes a list`)
    // Keeps infinities for ordering operators: JSON has no infinities, but all numbers compare to them.
    return [key, ORDERING.has(key) && typeof inner === 'number' ? inner : inJson(inner)]
  })
  return Object.fromEntries(entries)
}

/** Converts numbers of BSON's classes, which have no JSON form of their own, as documents are converted. */
function scalarInJson(value: unknown): unknown {
  const { _bsontype: type } = Object(value) as { _bsontype?: unknown }
  if (type === 'Int32' || type === 'Double') return toJson(Number(value))
  if (type === 'Decimal128') return String(value)
  if (type !== 'Long' && typeof value !== 'bigint') return toJson(value)
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
}

/** Returns the top-level fields that a query depends on. */
export function fieldsOf(query: Query): Set<string> {
  const fields = new Set<string>()
  for (const [key, value] of Object.entries(query)) {
    if (!key.startsWith('$')) fields.add(key.split('.')[0] ?? key)
    else if (Array.isArray(value)) {
      for (const inner of value) for (const field of fieldsOf(inner)) fields.add(field)
    }
  }
  return fields
}

/** Returns a text that is equal for queries of equal form, whatever the order of fields and operators. */
export function canonicalQuery(query: Query): string {
  return canonicalConditions(query)
}

function canonicalConditions(conditions: Record<string, unknown>): string {
  const keys = Object.keys(conditions).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalCondition(key, conditions[key])}`).join()}}`
}

function canonicalCondition(key: string, value: unknown): string {
  if (NESTING.has(key) && Array.isArray(value)) return `[${value.map(canonicalElement).join()}]`
  const first = isPlain(value) ? Object.keys(value)[0] : undefined
  const conditions = NESTING.has(key) || (!key.startsWith('$') && first?.startsWith('$'))
  return isPlain(value) && conditions ? canonicalConditions(value) : canonicalValue(value)
}

function canonicalElement(value: unknown): string {
  return isPlain(value) ? canonicalConditions(value) : canonicalValue(value)
}

/** Keeps the order of fields within a value, which counts for a comparison of whole values, as in MongoDB. */
function canonicalValue(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number' || value === undefined) return String(value)
  if (Array.isArray(value)) return `[${value.map(canonicalValue).join()}]`
  if (isPlain(value)) {
    const fields = Object.entries(value).map(
      ([key, inner]) => `${JSON.stringify(key)}:${canonicalValue(inner)}`,
    )
    return `{${fields.join()}}`
  }
  if (value instanceof RegExp) return `RegExp(${JSON.stringify(value.source)},${value.flags})`
  if (typeof value === 'bigint') return `${value}n`
  const type = typeof value === 'object' ? value.constructor.name : typeof value
  return `${type}(${JSON.stringify(toJson(value))})`
}

function invalid(where: string, what: string, cause?: unknown): ParticleError {
  const options = cause === undefined ? undefined : { cause }
  return new ParticleError('INVALID_QUERY', `${where} ${what}`, options)
}
