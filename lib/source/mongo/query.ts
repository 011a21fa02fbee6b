import type { Query } from '../source.ts'
import { type BsonClasses, bsonCandidates } from './value.ts'

type Clause = Record<string, unknown>

/**
 * A query with its values in JSON form as a MongoDB filter that also finds the BSON values behind them:
 * a string that may be an ObjectId (24 hex digits), a Date, a UUID or an Int64 is looked for as that, too.
 *
 * Equality, `$eq` and `$in` become one `$in`; `$ne` and `$nin` one `$nin`; `$gt $gte $lt $lte` an `$or`; `$all` an `$and`;
 * `$not` a `$nor`; `$and $or $nor $elemMatch` are converted within. Other operators pass as they are.
 */
export function toFilter(query: Query, classes: BsonClasses): Clause {
  const clauses: Clause[] = []
  for (const [field, condition] of Object.entries(query)) {
    if (field === '$and' || field === '$or' || field === '$nor') {
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
      const values = bsonCandidates(value, classes)
      const either = values.map((item) => ({ [field]: { [name]: item } }))
      return either.length === 1 ? { [field]: { [name]: value } } : { $or: either }
    }
    case '$all':
      return Array.isArray(value) && value.length > 0 && !value.some(isOperators)
        ? join(value.map((item) => equal(field, item, classes)))
        : { [field]: { $all: value } }
    case '$not':
      return isOperators(value)
        ? { $nor: [join(operators(field, value, classes))] }
        : { [field]: { $not: value } }
    case '$elemMatch':
      return { [field]: { $elemMatch: elementFilter(value, classes) } }
    default:
      return { [field]: { [name]: value } }
  }
}

/** `$elemMatch` holds either a query or bare operators; of the latter only those that stay a single operator can be converted. */
function elementFilter(value: unknown, classes: BsonClasses): unknown {
  if (typeof value !== 'object' || value === null) return value
  const logical = ['$and', '$or', '$nor']
  const bare = isOperators(value) && !Object.keys(value).some((name) => logical.includes(name))
  if (!bare) return toFilter(value as Query, classes)
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
