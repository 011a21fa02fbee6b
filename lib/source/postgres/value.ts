import type { Json } from '../../model/document.ts'
import { toIso } from '../sql/iso.ts'
import { parseJson } from '../sql/json-text.ts'
import type { Type } from './type.ts'

/**
 * Converts PostgreSQL's text of a value, written with the settings of `session.ts`, to JSON. The result is
 * the same for texts from reads and from changes:
 *
 * | PostgreSQL | JSON |
 * | --- | --- |
 * | `NULL` | `null` |
 * | `boolean` | the same |
 * | `smallint`, `integer` | number |
 * | `bigint` | number when it is a safe integer, else a decimal string |
 * | `real`, `double precision` | number; `NaN` and the infinities are `null` |
 * | `numeric` | decimal string, with all of its digits |
 * | `text`, `varchar`, `char`, `name`, `uuid`, enums | string |
 * | `date` | `"2024-05-06"` |
 * | `timestamptz` | ISO 8601 in UTC, to the millisecond, or to the microsecond where it needs it:
 * `"2024-05-06T07:08:09.010Z"` |
 * | `timestamp` | the same without the `Z` |
 * | `json`, `jsonb` | the value itself |
 * | arrays | array, nested where they have more dimensions |
 * | `bytea` | base64 string |
 * | `interval` | ISO 8601: `"P1DT2H"` |
 * | all others | string, as PostgreSQL writes it |
 *
 * Dates without a plain text in ISO 8601 (`infinity`, BC, after the year 9999) are strings as PostgreSQL
 * writes them. `pg-types` parses the same texts, but to Dates and rounded numbers. In `json`, a field named
 * `__proto__` is left out (no path can name it), an integer that a number would round is a decimal string,
 * and another number that JavaScript can't hold is `null`.
 */
export function toValue(type: Type, text: string | null): Json {
  if (text === null) return null
  switch (type.kind) {
    case 'boolean':
      return text === 't'
    case 'integer':
      return Number(text)
    case 'bigint': {
      const number = Number(text)
      return Number.isSafeInteger(number) ? number : text
    }
    case 'real':
    case 'float': {
      const number = Number(text)
      // Adds zero, because JSON turns -0 into 0.
      return Number.isFinite(number) ? number + 0 : null
    }
    case 'json':
    case 'jsonb':
      return parseJson(text)
    case 'bytes':
      return Buffer.from(text.slice(2), 'hex').toString('base64')
    case 'timestamp':
    case 'timestamptz':
      return timestamp(text)
    case 'array':
      return parseArray(text, type.element ?? { kind: 'other' }, type.delimiter ?? ',')
    default:
      return text
  }
}

const TIMESTAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(\+00)?$/

function timestamp(text: string): string {
  const match = TIMESTAMP.exec(text)
  if (!match) return text
  const [, date = '', time = '', digits = '', zone] = match
  return toIso(date, time, digits, zone ? 'Z' : '')
}

/**
 * Parses `{1,NULL,"a \"quoted\" text"}`, with leading bounds if they don't begin at 1. The package
 * `postgres-array` knows only the delimiter `,` (a `box` has `;`), and belongs to `pg`.
 */
function parseArray(text: string, element: Type, delimiter: string): Json {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  const list = (): Json[] => {
    const items: Json[] = []
    at++
    while (at < text.length && text[at] !== '}') {
      if (text[at] === '{') items.push(list())
      else if (text[at] === '"') items.push(toValue(element, quoted()))
      else items.push(bare())
      if (text[at] === delimiter) at++
    }
    at++
    return items
  }
  const quoted = (): string => {
    const part = unquote(text, at)
    at = part.end
    return part.text
  }
  const bare = (): Json => {
    const start = at
    while (at < text.length && text[at] !== delimiter && text[at] !== '}') at++
    const word = text.slice(start, at)
    return toValue(element, word === 'NULL' ? null : word)
  }
  return list()
}

/** Parses PostgreSQL's text of a row: `(1,"a,b",)`. */
export function parseRow(text: string): (string | null)[] {
  const cells: (string | null)[] = []
  for (let at = 1; at < text.length; at++) {
    let cell: string | null = null
    while (at < text.length - 1 && text[at] !== ',') {
      if (text[at] === '"') {
        const part = unquote(text, at)
        cell = (cell ?? '') + part.text
        at = part.end
        continue
      }
      const start = at
      while (at < text.length - 1 && text[at] !== ',' && text[at] !== '"') at++
      cell = (cell ?? '') + text.slice(start, at)
    }
    cells.push(cell)
  }
  return cells
}

/** Reads the quoted text that begins at `at`, in which a backslash or a second quote escapes. */
function unquote(text: string, at: number): { text: string; end: number } {
  let result = ''
  let from = at + 1
  for (let end = from; end < text.length; end++) {
    const character = text[end]
    if (character === '\\') {
      result += text.slice(from, end)
      from = ++end
    } else if (character === '"') {
      result += text.slice(from, end)
      if (text[end + 1] !== '"') return { text: result, end: end + 1 }
      from = ++end
    }
  }
  return { text: result + text.slice(from), end: text.length }
}
