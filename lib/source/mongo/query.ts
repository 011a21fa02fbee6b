import type { Query } from '../source.ts'
import { type BsonClasses, bsonCandidates } from './value.ts'

type Clause = Record<string, unknown>

const ORDERING = new Set(['$gt', '$gte', '$lt', '$lte'])
const DATE_LIKE = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z?)?)?)?$/

/**
 * A query with its values in JSON form as a MongoDB filter that also finds the BSON values behind them:
 * a string that may be an ObjectId (24 hex digits), a Date, a UUID or an Int64 is looked for as that, too.
 *
 * Equality, `$eq` and `$in` become one `$in`; `$ne` and `$nin` one `$nin`; `$all` an `$and`; `$not` a `$nor`;
 * `$and $or $nor $elemMatch` are converted within. Other operators pass as they are.
 *
 * `$gt $gte $lt $lte` of the text of a date (`2024`, `2024-05-06`, up to the millisecond) also find Dates, a second more than asked for, since
 * texts are in another order than times at the edges: the filter may find too much, never too little, and what it found must be matched again
 * in its JSON form. Ordering by any other text finds strings only.
 */
export function toFilter(query: Query, classes: BsonClasses): Clause {
  const clauses: Clause[] = []
  for (const [field, condition] of Object.entries(query)) {
    if (field === '$nor' && ordersDates(condition)) {
      // The negation of too much would be too little.
    } else if (field === '$and' || field === '$or' || field === '$nor') {
      clauses.push({ [field]: (condition as Query[]).map((part) => toFilter(part, classes)) })
    } else if (field.startsWith('$')) {
      clauses.push({ [field]: condition })
    } else if (isOperators(condition)) {
      clauses.push(...operators(field, condition, classes))
    } else {
      clauses.push(equal(field, condition, classes))
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
  return values.length === 1 ? { [field]: value } : { [field]: { $in: values } }
}

function operators(field: string, condition: Record<string, unknown>, classes: BsonClasses): Clause[] {
  // These two are one condition in two operators.
  const { $regex, $options, ...others } = condition
  const clauses: Clause[] =
    $regex === undefined ? [] : [{ [field]: { $regex, ...($options === undefined ? {} : { $options }) } }]
  for (const [name, value] of Object.entries(others)) clauses.push(operator(field, name, value, classes))
  return clauses
}

function operator(field: string, name: string, value: unknown, classes: BsonClasses): Clause {
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
      const date = dateBound(name, value)
      return date
        ? { $or: [{ [field]: { [name]: value } }, { [field]: date }] }
        : { [field]: { [name]: value } }
    }
    case '$all':
      return Array.isArray(value) && value.length > 0 && !value.some(isOperators)
        ? join(value.map((item) => equal(field, item, classes)))
        : { [field]: { $all: value } }
    case '$not':
      if (ordersDates(value)) return {}
      return isOperators(value)
        ? { $nor: [join(operators(field, value, classes))] }
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

/** `$elemMatch` holds either a query or bare operators; of the latter only those that stay a single operator can be converted. */
function elementFilter(value: unknown, classes: BsonClasses): unknown {
  if (typeof value !== 'object' || value === null) return value
  const logical = ['$and', '$or', '$nor']
  const bare = isOperators(value) && !Object.keys(value).some((name) => logical.includes(name))
  if (!bare) return merged(toFilter(value as Query, classes))
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

/** One object of fields in place of an `$and` of them, which some servers of the wire protocol don't know within `$elemMatch`. */
function merged(filter: Clause): Clause {
  const clauses = filter.$and as Clause[] | undefined
  const names = clauses?.flatMap((clause) => Object.keys(clause)) ?? []
  const plain = names.every((name) => !name.startsWith('$')) && new Set(names).size === names.length
  return clauses && plain && Object.keys(filter).length === 1 ? Object.assign({}, ...clauses) : filter
}
