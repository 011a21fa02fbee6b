import { isIPv4, isIPv6 } from 'node:net'
import type { Json } from '../../model/document.ts'
import type { Condition } from '../sql/condition.ts'
import { isPlainDate, isPlainTime } from '../sql/iso.ts'
import type { Sql } from '../sql/sql.ts'
import { literal } from './session.ts'
import type { Type } from './type.ts'
import { shortest } from './value.ts'

/** Describes a comparison of a column with values in JSON form. */
interface Comparison {
  /** Writes the left side of `=` for a column. */
  left(column: string): string
  /**
   * Writes the value with this JSON form; `undefined` if no value of the type has this form; `null` if the
   * database can't find the value.
   */
  input(value: Json): string | undefined | null
  /** Writes a condition for the rows that may have a value whose input is `null`. Default: all rows. */
  near?(column: string, value: string): string
  /** Marks a type whose `=` holds for values of the same JSON form only. */
  exact: boolean
  /** Marks a type whose `=` holds for other texts too, so that the bytes must be compared as well. */
  bytes?: true
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const BIG = /^-?[1-9]\d{15,19}$/
/** Matches a decimal text with no more digits than MariaDB has. */
const DECIMAL = /^-?\d{1,65}(?:\.\d{1,38})?$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** Matches the JSON form of any date, also of a date with zeros, and of a day after the month's end. */
const DATE = /^\d{4}-\d\d-\d\d$/
/** Matches the JSON form of any time, also of a time that JavaScript can't parse, as in the year 0. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:\d{3})?(Z?)$/

const itself = (column: string) => column
/** Turns a year and bits into plain numbers. */
export const asNumber = (column: string) => `(${column} + 0)`
/** Writes a value's text as bytes in UTF-8, so that no collation decides about equality and order. */
export const asBytes = (column: string) => `CAST(CONVERT(${column} USING utf8mb4) AS BINARY)`

const written: Comparison = { left: asBytes, input: textBytes, exact: true }
const numbers = (left: Comparison['left']): Comparison => ({
  left,
  input: (value) => safeInteger(value) ?? bigInteger(value),
  exact: true,
})
const times = (zone: '' | 'Z'): Comparison => ({
  left: itself,
  input: (value) => {
    if (isPlainTime(value, zone)) return timeLiteral(value)
    return ISO.exec(String(value))?.[1] === zone ? null : undefined
  },
  // Finds the zero of a TIMESTAMP, whose other values have a plain form.
  near: zone === 'Z' ? (column) => `${column} < TIMESTAMP'1970-01-02 00:00:00'` : inYear,
  exact: true,
})
const addresses = (isAddress: (value: string) => boolean): Comparison => ({
  left: itself,
  input: (value) => (typeof value === 'string' && isAddress(value) ? literal(value) : undefined),
  exact: true,
  bytes: true,
})

/** Returns the comparison for a type; `undefined` if the database can't find values of the type. */
function comparison(type: Type): Comparison | undefined {
  switch (type.kind) {
    case 'integer':
      return { left: itself, input: safeInteger, exact: true }
    case 'year':
      return { left: asNumber, input: safeInteger, exact: true }
    case 'bigint':
      return numbers(itself)
    case 'bit':
      return numbers(asNumber)
    case 'double':
      return {
        left: itself,
        input: (value) => (typeof value === 'number' ? double(value) : undefined),
        exact: true,
      }
    case 'float':
      return { left: itself, input: float, exact: true }
    case 'decimal':
      return {
        left: itself,
        input: (value) => (typeof value === 'string' && DECIMAL.test(value) ? value : undefined),
        exact: false,
      }
    case 'text':
    case 'enum':
      return { left: itself, input: (value) => collated(type, value), exact: true, bytes: true }
    case 'bytes':
      return {
        left: itself,
        input: (value) =>
          typeof value === 'string' && BASE64.test(value)
            ? `X'${Buffer.from(value, 'base64').toString('hex')}'`
            : undefined,
        exact: false,
      }
    case 'date':
      return {
        left: itself,
        input: (value) =>
          isPlainDate(value) ? `DATE'${value}'` : DATE.test(String(value)) ? null : undefined,
        near: inYear,
        exact: true,
      }
    case 'datetime':
      return times('')
    case 'timestamp':
      return times('Z')
    case 'time':
      return written
    case 'uuid':
      return {
        left: itself,
        input: (value) => (typeof value === 'string' && UUID.test(value) ? literal(value) : undefined),
        exact: true,
      }
    case 'inet4':
      return addresses(isIPv4)
    case 'inet6':
      return addresses((value) => isIPv6(value) && !value.includes('%'))
    default:
      return undefined
  }
}

/**
 * Tests whether a column has one of some values. Returns `undefined` if the database can't find a value by
 * its JSON form.
 */
export function among(column: string, type: Type, values: readonly Json[]): Condition[] | undefined {
  const how = comparison(type)
  if (!how) return undefined
  const inputs: string[] = []
  const bytes: string[] = []
  const near = new Set<string>()
  for (const value of values) {
    const input = how.input(value)
    if (input === null) {
      if (!how.near) return undefined
      near.add(how.near(column, String(value)))
    }
    if (typeof input !== 'string') continue
    inputs.push(input)
    bytes.push(textBytes(value) ?? '')
  }
  const found = [...near].map((text): Condition => ({ text, values: [], exact: false }))
  if (inputs.length === 0) return found
  const equal = `${how.left(column)} IN (${inputs.join(', ')})`
  const text = how.bytes ? `(${equal} AND ${asBytes(column)} IN (${bytes.join(', ')}))` : equal
  return [{ text, values: [], exact: how.exact }, ...found]
}

/** Writes a condition for the dates and times of a year, also for those that are on no calendar. */
function inYear(column: string, value: string): string {
  const year = Number(value.slice(0, 4))
  const literal = (of: number, day: string) => `TIMESTAMP'${String(of).padStart(4, '0')}-${day}'`
  const bounds = [
    ...(year > 1 ? [`${column} > ${literal(year - 1, '12-31 23:59:59.999999')}`] : []),
    ...(year < 9999 ? [`${column} < ${literal(year + 1, '01-01 00:00:00')}`] : []),
  ]
  return `(${bounds.join(' AND ')})`
}

/** Writes a JSON form of a time as a literal. */
export function timeLiteral(iso: string): string {
  return `TIMESTAMP'${iso.replace('T', ' ').replace('Z', '')}'`
}

/** Writes a number as a literal of the type DOUBLE. */
export function double(value: number): string {
  return value.toExponential()
}

/** Writes the bytes of a text; `undefined` for half of a surrogate pair, which UTF-8 lacks. */
export function textBytes(value: Json | undefined): string | undefined {
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) return undefined
  return `X'${Buffer.from(value).toString('hex')}'`
}

/** Makes SQL of a text without values. */
export function plain(text: string): Sql {
  return { text, values: [] }
}

/** Writes a text in the column's own character set and collation, so that an index can find it. */
function collated({ charset = 'utf8mb4', collation }: Type, value: Json): string | undefined | null {
  if (typeof value !== 'string') return undefined
  // Gives up for halves of surrogate pairs, and for the character by which reads replace them.
  if (textBytes(value) === undefined || value.includes('\ufffd')) return null
  const text = charset === 'utf8mb4' ? literal(value) : `CONVERT(${literal(value)} USING ${charset})`
  return collation === undefined ? text : `${text} COLLATE ${collation}`
}

/** Writes the FLOAT with this JSON form; `undefined` if no FLOAT has the form. */
function float(value: Json): string | undefined {
  if (typeof value !== 'number') return undefined
  const rounded = Math.fround(value)
  return Number.isFinite(rounded) && shortest(rounded) === value ? double(rounded) : undefined
}

function safeInteger(value: Json): string | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined
}

function bigInteger(value: Json): string | undefined {
  return typeof value === 'string' && BIG.test(value) && !Number.isSafeInteger(Number(value))
    ? value
    : undefined
}
