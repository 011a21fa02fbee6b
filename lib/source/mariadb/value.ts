import { isUtf8 } from 'node:buffer'
import type { Json } from '../../model/document.ts'
import { toIso } from '../sql/iso.ts'
import { parseJson } from '../sql/json-text.ts'
import { formatInet4, formatInet6, formatUuid } from './address.ts'
import { isUnicode } from './charset.ts'
import type { Cell, Type } from './type.ts'

/**
 * Converts a cell to JSON. Cells from reads and cells from the log have the same result:
 *
 * | MariaDB | JSON |
 * | --- | --- |
 * | `NULL` | `null` |
 * | `TINYINT` (and `BOOLEAN`), `SMALLINT`, `MEDIUMINT`, `INT`, `YEAR` | number |
 * | `BIGINT`, `BIT` | number when it is a safe integer, else a decimal string |
 * | `FLOAT`, `DOUBLE` | number: for a `FLOAT`, the number with the fewest digits |
 * | `DECIMAL` | decimal string with all digits |
 * | `CHAR`, `VARCHAR`, `TEXT`, `ENUM`, `UUID`, `INET4`, `INET6` | string |
 * | `SET` | array of strings |
 * | `DATE` | `"2024-05-06"` |
 * | `TIMESTAMP` | ISO 8601 in UTC, to the millisecond, or to the microsecond if the value needs it |
 * | `DATETIME` | the same without the `Z` |
 * | `TIME` | string, as MariaDB writes the value: `"-12:34:56.50"` |
 * | `JSON` (a text with `CHECK (json_valid(...))`) | the value itself |
 * | `BINARY`, `VARBINARY`, `BLOB`, `VECTOR` | base64 string |
 *
 * Zero dates keep their zeros: `"0000-00-00"`, `"0000-00-00T00:00:00.000"`. In `JSON`, a field named
 * `__proto__` is left out (no path can name it), an integer that a number would round is a decimal string,
 * another number that JavaScript can't hold is `null`, and a text that is not valid JSON is a string.
 */
export function toValue(type: Type, cell: Cell): Json {
  // Restores the empty text of an ENUM's invalid value, which the log's reader leaves out.
  if (cell === undefined && type.kind === 'enum') return ''
  if (cell === null || cell === undefined) return null
  switch (type.kind) {
    case 'integer':
      return Number(cell)
    case 'bigint':
      return typeof cell === 'number' ? cell : integer(BigInt(String(cell)))
    case 'bit':
      return Buffer.isBuffer(cell) ? integer(BigInt(`0x${cell.toString('hex') || '0'}`)) : Number(cell)
    case 'year':
      return year(Number(cell), type.size ?? 4)
    case 'float':
      return shortest(Number(cell))
    case 'double':
      // Adds zero, because JSON turns -0 into 0.
      return Number(cell) + 0
    case 'decimal':
      // Strips the zeros of ZEROFILL, because the log lacks them.
      return String(cell).replace(/^(-?)0+(?=\d)/, '$1')
    case 'set':
      return cell === '' ? [] : String(cell).split(',')
    case 'datetime':
      return time(String(cell), '')
    case 'timestamp':
      return time(past2038(String(cell)), 'Z')
    case 'time':
      return duration(String(cell))
    case 'json':
      return json(String(cell))
    case 'bytes':
      return Buffer.isBuffer(cell) ? cell.toString('base64') : String(cell)
    case 'uuid':
      return Buffer.isBuffer(cell) ? formatUuid(cell) : String(cell)
    case 'inet4':
      return Buffer.isBuffer(cell) ? formatInet4(cell) : String(cell)
    case 'inet6':
      return Buffer.isBuffer(cell) ? formatInet6(cell) : String(cell)
    default:
      return String(cell)
  }
}

/** Matches half of a surrogate pair. */
const HALF = /[\ud800-\udfff]/

/**
 * Checks for a text that the log's reader lost: bytes, a replacement character in place of a character of the
 * text's own character set, or halves of surrogate pairs in UCS-2.
 *
 * @param isKey marks a column of the key, in which no replacement character may stand for two different texts
 */
export function isLost({ kind, charset }: Type, cell: Cell, isKey: boolean): boolean {
  if (charset === undefined) return false
  if (kind !== 'text' && kind !== 'json' && kind !== 'enum' && kind !== 'set') return false
  if (typeof cell !== 'string') return Buffer.isBuffer(cell)
  if (charset === 'ucs2' && HALF.test(cell)) return true
  return (isKey || !isUnicode(charset)) && cell.includes('\ufffd')
}

/**
 * Decodes the bytes of a text from a read. Keeps halves of surrogate pairs in a key, because MariaDB stores
 * them, and rows may differ only in them.
 */
export function decodeText(bytes: Buffer, isKey: boolean): string {
  const text = bytes.toString()
  if (!isKey || !text.includes('\ufffd') || isUtf8(bytes)) return text
  const halves = /\xed([\xa0-\xbf])([\x80-\xbf])/
  return bytes
    .toString('latin1')
    .split(new RegExp(`(${halves.source.replaceAll(/[()]/g, '')})`))
    .map((part) => {
      const [, high, low] = halves.exec(part) ?? []
      if (high === undefined || low === undefined) return Buffer.from(part, 'latin1').toString()
      return String.fromCharCode(0xd000 | ((high.charCodeAt(0) & 0x3f) << 6) | (low.charCodeAt(0) & 0x3f))
    })
    .join('')
}

function integer(value: bigint): Json {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/**
 * Returns the year as MariaDB shows it. The log's reader returns 1900 for the year 0000 (no YEAR can be
 * 1900), and four digits for a YEAR(2).
 */
function year(number: number, digits: number): Json {
  if (digits === 2) return number % 100
  return number === 1900 ? 0 : number
}

/**
 * Returns the number with the fewest digits that a FLOAT rounds to the same value: 0.1, not 0.10000000149.
 */
export function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short + 0
  }
  return Number(value.toPrecision(9)) + 0
}

const TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?$/

function time(text: string, zone: '' | 'Z'): string {
  const [, date = '', clock = '', digits = ''] = TIME.exec(text) ?? []
  return toIso(date, clock, digits, zone)
}

/**
 * Corrects a TIMESTAMP past 2038, which MariaDB has since 11.5: the log's reader returns negative seconds. No
 * TIMESTAMP is before 1970.
 */
function past2038(text: string): string {
  if (text >= '1970' || text.startsWith('0000')) return text
  const seconds = Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`) / 1000 + 2 ** 32
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}${text.slice(19)}`
}

const FULL_MINUTE = /^-(\d+):(\d\d):64/

/**
 * Corrects a negative TIME of full minutes. The log's reader writes `-00:01:00` as `-00:00:64`.
 */
function duration(text: string): string {
  return text.replace(FULL_MINUTE, (_, hours: string, minutes: string) => {
    const minute = Number(minutes) + 1
    const [hour, rest] = minute === 64 ? [Number(hours) + 1, 0] : [Number(hours), minute]
    return `-${String(hour).padStart(2, '0')}:${String(rest).padStart(2, '0')}:00`
  })
}

/** Parses JSON. Returns a text that is not valid JSON as it is (after `SET check_constraint_checks = 0`). */
function json(text: string): Json {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}
