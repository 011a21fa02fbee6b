import type { Json } from '../../model/document.ts'
import type { Condition } from '../sql/condition.ts'
import { isPlainDate, isPlainTime } from '../sql/iso.ts'
import { parameter, sql } from '../sql/sql.ts'
import type { Type } from './type.ts'

/** Describes a comparison of a column with values in JSON form. */
interface Comparison {
  /** Writes the left side of `=` for a column. */
  left(column: string): string
  /** The type of the value's side. */
  cast: string
  /** Returns the text of the value with this JSON form; `undefined` if no value of the type has it. */
  input(value: Json): string | undefined
  /** Marks a type whose `=` holds for that JSON form only (`1.0` and `1.00` are equal numerics). */
  exact: boolean
  /** Writes a condition that holds for all rows with such a value, and that an index can test. */
  within?(column: string): string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const BIG = /^-?[1-9]\d{15,18}$/
/** Bounds the digits as PostgreSQL does. A longer text is no numeric. */
const NUMERIC = /^(?:-?\d{1,131072}(?:\.\d{1,16383})?|NaN|-?Infinity)$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const itself = (column: string) => column
const asText = (column: string) => `${column}::pg_catalog.text`
/**
 * Writes PostgreSQL's own text of a value. A cast to text would strip the blanks of a `char` and the `/32` of
 * an `inet`. (NOT NULL is false for a row with a NULL field.)
 */
export const asWritten = (column: string) =>
  `CASE WHEN ${column} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ${column}) END`

/** Holds for the dates and times that no year from 1 to 9999 has, and whose texts differ from ISO 8601. */
export const isFar = (column: string) => `(${column} >= '10000-01-01' OR ${column} < '0001-01-01')`

const written: Comparison = { left: asWritten, cast: 'text', input: text, exact: true }

const COMPARISONS: Partial<Record<Type['kind'], Comparison>> = {
  boolean: {
    left: itself,
    cast: 'bool',
    input: (value) => (typeof value === 'boolean' ? String(value) : undefined),
    exact: true,
  },
  integer: { left: itself, cast: 'int8', input: safeInteger, exact: true },
  bigint: {
    left: itself,
    cast: 'int8',
    input: (value) => safeInteger(value) ?? bigInteger(value),
    exact: true,
  },
  float: {
    left: itself,
    cast: 'float8',
    input: (value) => (typeof value === 'number' ? String(value) : undefined),
    exact: true,
  },
  numeric: { left: itself, cast: 'numeric', input: matching(NUMERIC), exact: false },
  text: { left: itself, cast: 'text', input: text, exact: true },
  padded: { left: itself, cast: 'bpchar', input: text, exact: false },
  uuid: { left: itself, cast: 'uuid', input: matching(UUID), exact: true },
  bytes: {
    left: itself,
    cast: 'bytea',
    input: (value) =>
      typeof value === 'string' && BASE64.test(value)
        ? `\\x${Buffer.from(value, 'base64').toString('hex')}`
        : undefined,
    exact: false,
  },
  jsonb: {
    left: itself,
    cast: 'jsonb',
    input: (value) => (holdsTexts(value) ? JSON.stringify(value) : undefined),
    exact: false,
  },
  enum: { left: asText, cast: 'text', input: text, exact: true },
  other: written,
}

/** Returns the way to find a value of a type; `undefined` if the database can't. */
function comparison(type: Type, value: Json): Comparison | undefined {
  if (type.kind === 'date' || type.kind === 'timestamp' || type.kind === 'timestamptz') {
    const isPlain =
      type.kind === 'date' ? isPlainDate(value) : isPlainTime(value, type.kind === 'timestamp' ? '' : 'Z')
    return isPlain
      ? { left: itself, cast: type.kind, input: (date) => text(date), exact: true }
      : { ...written, exact: type.kind === 'date', within: isFar }
  }
  // Gives up for an integer past the safe range: it has the JSON form of a text.
  if (type.kind === 'jsonb' && /"-?\d{16,}"/.test(JSON.stringify(value))) return undefined
  return COMPARISONS[type.kind]
}

/**
 * Tests whether a column has one of some values, by one condition for each way to compare them. Returns
 * `undefined` if the database can't find a value by its JSON form.
 */
export function among(column: string, type: Type, values: readonly Json[]): Condition[] | undefined {
  const groups = new Map<string, { how: Comparison; texts: string[] }>()
  for (const value of values) {
    const how = comparison(type, value)
    if (!how) return undefined
    const input = how.input(value)
    if (input === undefined) continue
    const key = `${how.left(column)} ${how.cast}`
    const group = groups.get(key) ?? { how, texts: [] }
    groups.set(key, group)
    group.texts.push(input)
  }
  return [...groups.values()].map(({ how: { left, cast, exact, within }, texts }) => {
    const equal = sql`${left(column)} = ANY(${parameter(texts)}::pg_catalog.${cast}[])`
    return { ...(within ? sql`(${within(column)} AND ${equal})` : equal), exact }
  })
}

/** Returns a string that PostgreSQL can hold: without U+0000, and without half of a surrogate pair. */
export function text(value: Json | undefined): string | undefined {
  if (typeof value !== 'string' || value.includes('\0')) return undefined
  return /\p{Surrogate}/u.test(value) ? undefined : value
}

/** Checks that PostgreSQL can hold all strings within a value. */
function holdsTexts(value: Json): boolean {
  if (typeof value === 'string') return text(value) !== undefined
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, item]) => text(key) !== undefined && holdsTexts(item))
}

function matching(pattern: RegExp): (value: Json) => string | undefined {
  return (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined)
}

function safeInteger(value: Json): string | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined
}

function bigInteger(value: Json): string | undefined {
  if (typeof value !== 'string' || !BIG.test(value)) return undefined
  const number = BigInt(value)
  return BigInt.asIntN(64, number) === number && !Number.isSafeInteger(Number(value)) ? value : undefined
}
