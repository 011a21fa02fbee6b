import type { Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import type { SortKey } from '../../policy/order.ts'
import { isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'
import type { RedisCodec } from './codec.ts'
import type { Mapping } from './mapping.ts'

/**
 * Describes the server's test of a document: it may hold for too many documents, never for too few.
 * `undefined` holds for all.
 */
type Test = { all: Test[] } | { any: Test[] } | Condition

/**
 * Describes a condition on a field. One element of an array, along the path or at its end, must meet the
 * condition.
 */
interface Condition {
  path: string[]
  codec: RedisCodec
  /** The accepted values. Null also stands for a missing value. */
  values?: Json[]
  /**
   * The value to compare with. The result must lie between `low` and `high`. Only values of one type are
   * compared, unless `sorts` is set.
   */
  bound?: Json
  low?: number
  high?: number
  sorts?: boolean
}

/** Holds the bound of an order's first key: excludes documents after this value. */
export interface SortBound {
  key: SortKey
  value: Json | undefined
}

/**
 * Limits the length of lists that the server tests: sending a longer list with every step would cost more
 * than it saves.
 */
const LONGEST = 32_768
const MAX_NAMES = 100

const ORDERS: Readonly<Record<string, readonly [low: number, high: number]>> = {
  $gt: [1, 1],
  $gte: [0, 1],
  $lt: [-1, -1],
  $lte: [-1, 0],
}

/**
 * Writes the part of a query that the server can test, as a JSON text for the selecting scripts. An empty
 * text stands for nothing. The reader must match the selected documents again.
 *
 * The server tests `$eq` and `$in` of scalars and null, `$gt $gte $lt $lte` of numbers and texts, joined by
 * `$and` and `$or`.
 */
export function planOf(query: Query, mapping: Mapping, bound?: SortBound): string {
  const test = all([queryTest(query, mapping), bound && boundTest(bound, mapping)])
  if (!test) return ''
  const names: string[] = []
  const json = JSON.stringify({ test: numbered(test, names), names })
  return names.length > MAX_NAMES || json.length > 2 * LONGEST ? '' : json
}

function queryTest(query: Query, mapping: Mapping): Test | undefined {
  return all(
    Object.entries(query).map(([key, value]) => {
      if (!key.startsWith('$')) return fieldTest(key, value, mapping)
      if (!Array.isArray(value)) return undefined
      if (key === '$and') return all(value.map((part) => queryTest(part, mapping)))
      return key === '$or' ? any(value.map((part) => queryTest(part, mapping))) : undefined
    }),
  )
}

function fieldTest(field: string, condition: unknown, mapping: Mapping): Test | undefined {
  const path = field.split('.')
  // Skips paths with a numeric name, which may be a position in an array.
  if (path.slice(1).some((name) => /^\d+$/.test(name)) || !path.every(isSame)) return undefined
  const base = { path, codec: mapping.codecOf(path[0] ?? '') }
  const isOperators = isPlain(condition) && Object.keys(condition)[0]?.startsWith('$')
  if (!isOperators) return among(base, [condition])
  return all(
    Object.entries(condition).map(([name, operand]) => {
      if (name === '$eq') return among(base, [operand])
      if (name === '$in') return Array.isArray(operand) ? among(base, operand) : undefined
      const order = ORDERS[name]
      const value = operand instanceof Date ? toJson(operand) : operand
      if (!order || !(Number.isFinite(value) || (typeof value === 'string' && isSame(value))))
        return undefined
      return { ...base, bound: value as Json, low: order[0], high: order[1] }
    }),
  )
}

function among(base: Pick<Condition, 'path' | 'codec'>, given: readonly unknown[]): Test | undefined {
  const values: Json[] = []
  let length = 0
  for (const one of given) {
    const isScalar =
      one === null || ['string', 'number', 'boolean'].includes(typeof one) || one instanceof Date
    const value = isScalar ? toJson(one) : undefined
    if (value === undefined || (typeof value === 'string' && !isSame(value))) return undefined
    length += typeof value === 'string' ? value.length + 3 : 8
    if (length > LONGEST) return undefined
    values.push(value)
  }
  return { ...base, values }
}

function boundTest({ key: [field, direction], value }: SortBound, mapping: Mapping): Test | undefined {
  const path = field.split('.')
  if (value === undefined || (typeof value === 'object' && value !== null) || !path.every(isSame))
    return undefined
  if (typeof value === 'string' && !(isSame(value) && value.length < LONGEST)) return undefined
  const [low, high] = direction === 1 ? [-1, 0] : [0, 1]
  return { path, codec: mapping.codecOf(path[0] ?? ''), bound: value, low, high, sorts: true }
}

/**
 * Checks that Redis holds a text unchanged and unambiguously: bytes there that are not UTF-8 are U+FFFD here.
 */
function isSame(text: string): boolean {
  return !/[\ufffd\ud800-\udfff]/u.test(text)
}

function all(tests: readonly (Test | undefined)[]): Test | undefined {
  const known = tests.filter((test) => test !== undefined)
  return known.length > 1 ? { all: known } : known[0]
}

function any(tests: readonly (Test | undefined)[]): Test | undefined {
  const known = tests.filter((test) => test !== undefined)
  return known.length < tests.length ? undefined : known.length > 1 ? { any: known } : known[0]
}

/** Replaces each hash's field by its index in the list of requested names. */
function numbered(test: Test, names: string[]): unknown {
  if ('all' in test) return { all: test.all.map((part) => numbered(part, names)) }
  if ('any' in test) return { any: test.any.map((part) => numbered(part, names)) }
  const name = test.path[0] ?? ''
  if (name === '_id') return test
  if (!names.includes(name)) names.push(name)
  return { ...test, at: names.indexOf(name) + 1 }
}
