import { isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'
import { type BsonClasses, FIRST_DATE, isShaped, LAST_DATE, readCandidates, sameInJson } from './value.ts'

type Clause = Record<string, unknown>

/** BSON's types, except dates, that are texts in JSON. They also match a text's order and a pattern. */
const TEXTUAL = [
  'objectId',
  'binData',
  'decimal',
  'long',
  'timestamp',
  'regex',
  'javascript',
  'symbol',
  'minKey',
  'maxKey',
]
const NUMERIC = ['number', 'double', 'int', 'long', 1, 16, 18]

/** BSON's types that are numbers on the server and texts in JSON (a Long past 2^53 is a text). */
const NUMBERS_AS_TEXT = ['decimal', 'long']

const ORDERS: ReadonlySet<string> = new Set(['$gt', '$gte', '$lt', '$lte'])
const DATE_LIKE = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z?)?)?)?$/

/** Finds all documents. Replaces a condition that the server can't express. */
const ANY: Clause = {}

/**
 * Converts a query on JSON values to a MongoDB filter that finds at least the documents whose JSON form
 * matches. The server compares by BSON type, where JSON has lost the types: a reader must match what the
 * filter finds once more, in its JSON form.
 *
 * - Values: a text may be an ObjectId, a Date, a UUID, a Decimal128 and so on; `null` may be NaN, an infinity
 *   or a Date out of range.
 * - Orders and patterns of texts, and `$type`, also find all BSON types that are texts in JSON.
 * - Code is the exception: equality with the text of its source does not find it, so that each
 *   query by a text stays one look-up.
 * - Negations exclude only the values that are surely equal in JSON; other negations are left out.
 */
export function toFilter(query: Query, classes: BsonClasses): Clause {
  const clauses: Clause[] = []
  for (const [field, condition] of Object.entries(query)) {
    if (field === '$and' || field === '$or')
      clauses.push({ [field]: (condition as Query[]).map((part) => toFilter(part, classes)) })
    else if (field === '$nor') clauses.push(...(condition as Query[]).map((part) => noneOf(part, classes)))
    else if (field.startsWith('$')) clauses.push({ [field]: condition })
    else if (isOperators(condition)) clauses.push(...operators(field, condition, classes))
    else clauses.push(value(field, condition, classes))
  }
  return join(clauses)
}

function join(clauses: readonly Clause[]): Clause {
  const said = clauses.filter((clause) => Object.keys(clause).length > 0)
  const [first] = said
  return said.length > 1 ? { $and: said } : (first ?? ANY)
}

function either(...clauses: Clause[]): Clause {
  const [first] = clauses
  if (clauses.some((clause) => Object.keys(clause).length === 0)) return ANY
  return clauses.length === 1 && first ? first : { $or: clauses }
}

function isOperators(condition: unknown): condition is Record<string, unknown> {
  if (!isPlain(condition)) return false
  const names = Object.keys(condition)
  return names.length > 0 && names.every((name) => name.startsWith('$'))
}

function value(field: string, condition: unknown, classes: BsonClasses): Clause {
  return condition instanceof RegExp ? texts(field, condition) : anyOf(field, [condition], classes)
}

/** Finds the fields that may be equal to one of the values in JSON, or contain one. */
function anyOf(field: string, values: readonly unknown[], classes: BsonClasses): Clause {
  const patterns = values.filter((item) => item instanceof RegExp).map((item) => texts(field, item))
  const found: unknown[] = []
  const types = new Set<string | number>()
  const ranges: Clause[] = []
  /** The lengths of the Binaries that the ranges include: all texts of a length have the same range. */
  const lengths = new Set<number>()
  for (const item of values) {
    if (item instanceof RegExp) continue
    const candidates = readCandidates(item, classes)
    found.push(...candidates.values)
    for (const type of candidates.types) types.add(type)
    const { binaries } = candidates
    if (binaries && !lengths.has(binaries.$gte.position)) {
      lengths.add(binaries.$gte.position)
      ranges.push({ [field]: binaries })
    }
    if (item === null) ranges.push({ [field]: { $gt: LAST_DATE } }, { [field]: { $lt: FIRST_DATE } })
  }
  const [first] = found
  const equal = found.length === 1 ? [{ [field]: first }] : [{ [field]: { $in: found } }]
  const others = types.size > 0 ? [{ [field]: { $type: [...types] } }] : []
  const isEmpty = found.length === 0 && (patterns.length > 0 || types.size > 0)
  return either(...(isEmpty ? [] : equal), ...ranges, ...others, ...patterns)
}

/** Applies a condition on texts to all types that are texts in JSON. */
function texts(field: string, condition: unknown, ...others: Clause[]): Clause {
  const types = others.length > 0 ? TEXTUAL : ['date', ...TEXTUAL]
  return { $or: [condition, ...others, { $type: types }].map((one) => ({ [field]: one })) }
}

function operators(field: string, condition: Record<string, unknown>, classes: BsonClasses): Clause[] {
  // Keeps two operators together that form one condition.
  const { $regex, $options, ...others } = condition
  const clauses: Clause[] =
    $regex === undefined ? [] : [texts(field, { $regex, ...($options === undefined ? {} : { $options }) })]
  for (const [name, operand] of Object.entries(others)) clauses.push(operator(field, name, operand, classes))
  return clauses
}

function operator(field: string, name: string, operand: unknown, classes: BsonClasses): Clause {
  switch (name) {
    case '$eq':
      return anyOf(field, [operand], classes)
    case '$in':
      return anyOf(field, operand as unknown[], classes)
    case '$ne':
      return noValue(field, [operand], classes)
    case '$nin':
      return noValue(field, operand as unknown[], classes)
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return ordered(field, name, operand, classes)
    case '$exists':
      // Adds BSON's undefined: such a field does not exist in JSON.
      return operand
        ? { [field]: { $exists: true } }
        : either({ [field]: { $exists: false } }, { [field]: { $type: 6 } })
    case '$type':
      return { [field]: { $type: wideTypes(operand) } }
    case '$all':
      return Array.isArray(operand) && operand.length > 0
        ? join(
            operand.map((item) =>
              isOperators(item) ? join(operators(field, item, classes)) : value(field, item, classes),
            ),
          )
        : { [field]: { $all: operand } }
    case '$not':
      return isOperators(operand) ? noneOf({ [field]: operand }, classes) : ANY
    case '$elemMatch':
      return { [field]: elementFilter(operand, classes) }
    default:
      return { [field]: { [name]: operand } }
  }
}

function ordered(field: string, name: string, operand: unknown, classes: BsonClasses): Clause {
  if (operand === null) return anyOf(field, [null], classes)
  if (typeof operand === 'object') return ANY
  if (typeof operand !== 'string') return { [field]: { [name]: operand } }
  return texts(field, { [name]: operand }, ...dateBound(name, operand))
}

/**
 * Returns the bound of the Dates whose text may be in this order to a text. Adds a second, because texts and
 * times differ in order at the edges. Years of six digits begin with a sign, unlike any text of a date.
 */
function dateBound(name: string, text: string): Clause[] {
  if (!DATE_LIKE.test(text)) return []
  const time = Date.parse(text.includes('T') && !text.endsWith('Z') ? `${text}Z` : text)
  if (Number.isNaN(time)) return []
  return [name.startsWith('$gt') ? { $gte: new Date(time - 1000) } : { $lte: new Date(time + 1000) }]
}

/** Excludes the values for which the server surely finds no other value in JSON. */
function noValue(field: string, values: readonly unknown[], classes: BsonClasses): Clause {
  const excluded = values.flatMap((item) => sameInJson(item, classes))
  if (excluded.length === 0) return ANY
  const without = { [field]: { $nin: excluded } }
  // Adds Decimal128 and Long again: the exclusion of 5 also excludes Decimal128 5, a text in JSON.
  return excluded.some((item) => typeof item === 'number')
    ? either(without, { [field]: { $type: NUMBERS_AS_TEXT } })
    : without
}

/** Negates a query of plain values. Excludes nothing for other queries. */
function noneOf(query: Query, classes: BsonClasses): Clause {
  const fields = Object.entries(query)
  if (fields.length === 0 || fields.some(([field]) => field.startsWith('$'))) return ANY
  return either(...fields.map(([field, condition]) => notSo(field, condition, classes)))
}

/** Negates a condition on a field. */
function notSo(field: string, condition: unknown, classes: BsonClasses): Clause {
  if (!isOperators(condition)) return noValue(field, [condition], classes)
  const [only, ...others] = Object.entries(condition)
  if (!only || others.length > 0) return ANY
  const [name, operand] = only
  if (name === '$eq') return noValue(field, [operand], classes)
  if (name === '$in') return noValue(field, operand as unknown[], classes)
  if (name === '$ne') return operator(field, '$eq', operand, classes)
  if (name === '$nin') return operator(field, '$in', operand, classes)
  if (name === '$exists') return operator(field, '$exists', !operand, classes)
  if (typeof operand !== 'number' || !ORDERS.has(name)) return ANY
  // Numbers that are texts or null in JSON are in no order to a number.
  return either(
    { [field]: { $not: { [name]: operand } } },
    { [field]: { $type: NUMBERS_AS_TEXT } },
    { [field]: { $in: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] } },
  )
}

/**
 * Converts `$elemMatch` of a query to the query's filter. The server takes no `$or` of types for bare
 * operators: then all arrays are read, except arrays of numbers and plain texts.
 */
function elementFilter(operand: unknown, classes: BsonClasses): Clause {
  if (typeof operand !== 'object' || operand === null) return { $elemMatch: operand }
  const logical = ['$and', '$or', '$nor']
  const bare = isOperators(operand) && !Object.keys(operand).some((name) => logical.includes(name))
  if (!bare) {
    const fields = fieldsOf(toFilter(operand as Query, classes))
    return Object.keys(fields).length > 0 ? { $elemMatch: fields } : { $type: 'array' }
  }
  return Object.entries(operand).every(isSame) ? { $elemMatch: operand } : { $type: 'array' }
}

/** Checks that the server finds with a bare operator everything that matches in JSON. */
function isSame([name, operand]: [string, unknown]): boolean {
  if (name === '$eq') return isPlainValue(operand)
  if (name === '$in') return (operand as unknown[]).every(isPlainValue)
  if (['$gt', '$gte', '$lt', '$lte'].includes(name)) return typeof operand === 'number'
  return name === '$mod' || name === '$size'
}

function isPlainValue(operand: unknown): boolean {
  return typeof operand === 'string'
    ? !isShaped(operand)
    : typeof operand === 'number' || typeof operand === 'boolean'
}

/**
 * Joins a filter's conditions on fields in one object: some servers of the wire protocol know no `$and` and
 * `$or` within `$elemMatch`. A dropped condition makes the filter find more.
 */
function fieldsOf(filter: Clause): Clause {
  const clauses = (filter.$and as Clause[] | undefined) ?? [filter]
  const fields: Clause = {}
  for (const clause of clauses)
    for (const [name, condition] of Object.entries(clause))
      if (!name.startsWith('$')) fields[name] = condition
  return fields
}

/** Returns BSON's types for values that have these types in JSON. */
function wideTypes(operand: unknown): unknown {
  const types: unknown[] = Array.isArray(operand) ? operand : [operand]
  const strings = types.includes('string') || types.includes(2) ? ['date', ...TEXTUAL] : []
  const numbers = NUMERIC.some((type) => types.includes(type)) ? ['number'] : []
  // Adds the values that are null in JSON: NaN, infinities, Dates out of range, and undefined in arrays.
  const nulls = types.includes('null') || types.includes(10) ? ['double', 'date', 6] : []
  const more = [...strings, ...numbers, ...nulls].filter((type) => !types.includes(type))
  return more.length > 0 ? [...types, ...new Set(more)] : operand
}
