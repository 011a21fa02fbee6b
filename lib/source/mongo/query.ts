import type { Query } from '../source.ts'
import { type BsonClasses, bsonCandidates } from './value.ts'

type Clause = Record<string, unknown>

/** BSON's types, but for dates, that are texts in JSON: a text's order and a pattern hold for them too. */
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

const ORDERING = new Set(['$gt', '$gte', '$lt', '$lte'])
const DATE_LIKE = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z?)?)?)?$/

/**
 * A query with its values in JSON form as a MongoDB filter that also finds the BSON values behind them:
 * a string that may be an ObjectId (24 hex digits), a Date, a UUID or an Int64 is looked for as that, too.
 *
 * Equality, `$eq` and `$in` become one `$in`; `$ne` and `$nin` one `$nin`; `$all` an `$and`; `$not` a `$nor`;
 * `$and $or $nor $elemMatch` are converted within. Other operators pass as they are.
 *
 * `$gt $gte $lt $lte` of the text of a date (`2024`, `2024-05-06`, up to the millisecond) also find Dates, a
 * second more than asked for, since texts are in another order than times at the edges: the filter may find
 * too much, never too little, and what it found must be matched again in its JSON form. So do orders of all
 * texts, patterns and `$type` find what has another type in BSON and is a text in JSON; but not within
 * `$elemMatch`. And `$not` and `$nor` of a number don't find the Decimal128 or large Int64 that is no number
 * in JSON.
 *
 * @param wide whether the filter may find too much: not below a negation
 */
export function toFilter(query: Query, classes: BsonClasses, wide = true): Clause {
  const clauses: Clause[] = []
  for (const [field, condition] of Object.entries(query)) {
    if (field === '$nor' && ordersDates(condition)) {
      // The negation of too much would be too little.
    } else if (field === '$and' || field === '$or' || field === '$nor') {
      clauses.push({
        [field]: (condition as Query[]).map((part) => toFilter(part, classes, wide && field !== '$nor')),
      })
    } else if (field.startsWith('$')) {
      clauses.push({ [field]: condition })
    } else if (isOperators(condition)) {
      clauses.push(...operators(field, condition, classes, wide))
    } else {
      clauses.push(
        wide && condition instanceof RegExp ? alsoTexts(field, condition) : equal(field, condition, classes),
      )
    }
  }
  return join(clauses)
}

function join(clauses: Clause[]): Clause {
  if (clauses.length === 0) return {}
  const [first] = clauses
  return clauses.length === 1 && first ? first : { $and: clauses }
}

function isOperators(condition: unknown): condition is Record<string, unknown> {
  if (typeof condition !== 'object' || condition === null || Array.isArray(condition)) return false
  if (condition instanceof RegExp || condition instanceof Date) return false
  const names = Object.keys(condition)
  return names.length > 0 && names.every((name) => name.startsWith('$'))
}

function equal(field: string, value: unknown, classes: BsonClasses): Clause {
  const values = bsonCandidates(value, classes)
  return values.length === 1 ? { [field]: values[0] } : { [field]: { $in: values } }
}

/** A condition on texts that holds for whatever is a text in JSON. */
function alsoTexts(field: string, condition: unknown, ...others: Clause[]): Clause {
  const types = others.length > 0 ? TEXTUAL : ['date', ...TEXTUAL]
  return { $or: [condition, ...others, { $type: types }].map((one) => ({ [field]: one })) }
}

function operators(
  field: string,
  condition: Record<string, unknown>,
  classes: BsonClasses,
  wide: boolean,
): Clause[] {
  // These two are one condition in two operators.
  const { $regex, $options, ...others } = condition
  const clauses: Clause[] =
    $regex === undefined
      ? []
      : [pattern(field, { $regex, ...($options === undefined ? {} : { $options }) }, wide)]
  for (const [name, value] of Object.entries(others))
    clauses.push(operator(field, name, value, classes, wide))
  return clauses
}

function pattern(field: string, condition: Clause, wide: boolean): Clause {
  return wide ? alsoTexts(field, condition) : { [field]: condition }
}

function operator(field: string, name: string, value: unknown, classes: BsonClasses, wide: boolean): Clause {
  const all = (values: unknown): unknown[] =>
    (Array.isArray(values) ? values : [values]).flatMap((item) => bsonCandidates(item, classes))
  switch (name) {
    case '$eq':
      return equal(field, value, classes)
    case '$in':
      return { [field]: { $in: all(value) } }
    case '$ne':
      return { [field]: { $nin: all([value]) } }
    case '$nin':
      return { [field]: { $nin: all(value) } }
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte': {
      const dates = [dateBound(name, value)].filter((bound) => bound !== undefined)
      if (wide && typeof value === 'string') return alsoTexts(field, { [name]: value }, ...dates)
      return dates.length > 0
        ? { $or: [{ [name]: value }, ...dates].map((one) => ({ [field]: one })) }
        : { [field]: { [name]: value } }
    }
    case '$type':
      return { [field]: { $type: wide ? wideTypes(value) : value } }
    case '$all':
      return Array.isArray(value) && value.length > 0 && !value.some(isOperators)
        ? join(value.map((item) => equal(field, item, classes)))
        : { [field]: { $all: value } }
    case '$not':
      if (ordersDates(value)) return {}
      return isOperators(value)
        ? { $nor: [join(operators(field, value, classes, false))] }
        : { [field]: { $not: value } }
    case '$elemMatch':
      // An order of bare elements can't be two orders at once.
      if (isOperators(value) && ordersDates(value)) return {}
      return { [field]: { $elemMatch: elementFilter(value, classes) } }
    default:
      return { [field]: { [name]: value } }
  }
}

/** The bound of the Dates whose text may be in this order to a text. */
function dateBound(name: string, text: unknown): Clause | undefined {
  if (typeof text !== 'string' || !DATE_LIKE.test(text)) return undefined
  const time = Date.parse(text.includes('T') && !text.endsWith('Z') ? `${text}Z` : text)
  if (Number.isNaN(time)) return undefined
  return name.startsWith('$gt') ? { $gte: new Date(time - 1000) } : { $lte: new Date(time + 1000) }
}

/** Whether there is an order by the text of a date anywhere within. */
function ordersDates(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, item]) =>
    ORDERING.has(name) ? dateBound(name, item) !== undefined : ordersDates(item),
  )
}

/**
 * `$elemMatch` holds either a query or bare operators; of the latter only those that stay a single operator
 * can be converted.
 */
function elementFilter(value: unknown, classes: BsonClasses): unknown {
  if (typeof value !== 'object' || value === null) return value
  const logical = ['$and', '$or', '$nor']
  const bare = isOperators(value) && !Object.keys(value).some((name) => logical.includes(name))
  if (!bare) return merged(toFilter(value as Query, classes, false))
  const result: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value)) {
    if (name === '$eq' || name === '$in')
      result.$in = (name === '$in' ? (item as unknown[]) : [item]).flatMap((one) =>
        bsonCandidates(one, classes),
      )
    else if (name === '$ne' || name === '$nin')
      result.$nin = (name === '$nin' ? (item as unknown[]) : [item]).flatMap((one) =>
        bsonCandidates(one, classes),
      )
    else result[name] = item
  }
  return result
}

/**
 * One object of fields in place of an `$and` of them, which some servers of the wire protocol don't know
 * within `$elemMatch`.
 */
function merged(filter: Clause): Clause {
  const clauses = filter.$and as Clause[] | undefined
  const names = clauses?.flatMap((clause) => Object.keys(clause)) ?? []
  const plain = names.every((name) => !name.startsWith('$')) && new Set(names).size === names.length
  return clauses && plain && Object.keys(filter).length === 1 ? Object.assign({}, ...clauses) : filter
}

/** BSON's types of the values that are of these types in JSON. */
function wideTypes(value: unknown): unknown {
  const types: unknown[] = Array.isArray(value) ? value : [value]
  const texts = types.includes('string') || types.includes(2) ? ['date', ...TEXTUAL] : []
  const numbers = NUMERIC.some((type) => types.includes(type)) ? ['number'] : []
  return texts.length + numbers.length > 0 ? [...types, ...texts, ...numbers] : value
}
