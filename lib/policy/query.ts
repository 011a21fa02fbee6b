import { ParticleError } from '../errors.ts'
import type { Document } from '../model/document.ts'
import { toJson } from '../model/json.ts'
import { LOGIC, OPERATORS, queryTest } from '../model/matching.ts'
import { nearest } from '../model/nearest.ts'

/** A Mongo-style query; `{}` matches every document. */
export type Query = Record<string, unknown>

/** Operators that hold queries. */
const NESTING: ReadonlySet<string> = new Set([...LOGIC, '$not', '$elemMatch'])

/** Operators that hold where a value is in an order to another one. */
const ORDERING: ReadonlySet<string> = new Set(['$gt', '$gte', '$lt', '$lte'])

/** Operators that take a list of values. */
export const LISTING: ReadonlySet<string> = new Set(['$in', '$nin', '$all'])

/** Operators that run code, or evaluate expressions that no index and no other source understands. */
const REFUSED: ReadonlySet<string> = new Set(['$where', '$function', '$accumulator', '$expr', '$jsonSchema'])

/**
 * Whether a value is an object made by `{}` or `JSON.parse`: not an array, a Date, a RegExp, an ObjectId, a
 * promise.
 */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Checks that a value has the shape of a query that every source can answer.
 *
 * @param where what the query belongs to, for messages
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

/** What was probably meant by an operator where there can be none for a field's values. */
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
 * Compiles a query into a test of documents. Documents are JSON, so values of other types are compared in
 * their JSON form.
 *
 * @throws ParticleError `INVALID_QUERY` if it uses an operator that is not known, or uses one wrongly
 */
export function matcher(query: Query): (document: Document) => boolean {
  return compile(query, 'A query')
}

/** Compiles a query; errors name what it belongs to, and never a value. */
export function compile(query: Query, where: string): (document: Document) => boolean {
  try {
    return queryTest(inJson(query) as Query) as (document: Document) => boolean
  } catch (cause) {
    // What a TypeError says is of our own making; what a pattern's SyntaxError says has the pattern in it.
    const how = cause instanceof TypeError ? cause.message : 'a pattern is not a regular expression'
    throw invalid(where, `uses an operator that is not known, or uses one wrongly: ${how}`, cause)
  }
}

function inJson(value: unknown): unknown {
  // A RegExp with `g` or `y` remembers where it stopped: the next document would be tested from there.
  if (value instanceof RegExp) return new RegExp(value.source, value.flags.replace(/[gy]/g, ''))
  if (Array.isArray(value)) return value.map(inJson)
  if (!isPlain(value)) return value === undefined ? null : scalarInJson(value)
  const entries = Object.entries(value).map(([key, inner]) => {
    if (LISTING.has(key) && !Array.isArray(inner)) throw new TypeError(`${key} takes a list`)
    // JSON has no infinities, but everything has its order to them.
    return [key, ORDERING.has(key) && typeof inner === 'number' ? inner : inJson(inner)]
  })
  return Object.fromEntries(entries)
}

/** Numbers of BSON's classes have no JSON form of their own: here it is that of documents. */
function scalarInJson(value: unknown): unknown {
  const { _bsontype: type } = Object(value) as { _bsontype?: unknown }
  if (type === 'Int32' || type === 'Double') return toJson(Number(value))
  if (type === 'Decimal128') return String(value)
  if (type !== 'Long' && typeof value !== 'bigint') return toJson(value)
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
}

/** The fields at the top of a document that a query looks at. */
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

/**
 * A text that is the same for queries that mean the same by their form: whatever the order of fields and
 * operators.
 */
export function canonicalQuery(query: Query): string {
  return canonicalConditions(query)
}

function canonicalConditions(conditions: Record<string, unknown>): string {
  const keys = Object.keys(conditions).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalCondition(key, conditions[key])}`).join()}}`
}

function canonicalCondition(key: string, value: unknown): string {
  if (NESTING.has(key) && Array.isArray(value)) {
    return `[${value.map((inner) => (isPlain(inner) ? canonicalConditions(inner) : canonicalValue(inner))).join()}]`
  }
  const first = isPlain(value) ? Object.keys(value)[0] : undefined
  const conditions = NESTING.has(key) || (!key.startsWith('$') && first?.startsWith('$'))
  return isPlain(value) && conditions ? canonicalConditions(value) : canonicalValue(value)
}

/** Within a value that is compared as a whole, the order of fields counts, as it does for MongoDB. */
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
