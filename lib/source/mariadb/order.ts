import type { ReadOptions } from '../source.ts'
import type { ColumnPath } from '../sql/field.ts'
import { type Ordering, type RowOrder, toRowOrder as rowOrder } from '../sql/order.ts'
import { type Sql, sql } from '../sql/sql.ts'
import { asBytes, asNumber, plain } from './input.ts'
import { quote } from './name.ts'
import { literal } from './session.ts'
import { type Table, typeOf } from './table.ts'
import type { Type } from './type.ts'

const SAFE = 'BETWEEN -9007199254740991 AND 9007199254740991'
const SAFE_BITS = 53
/**
 * The number of bytes of a text, and of a BLOB before base64, that MariaDB sorts by. `session.ts` sets
 * `max_sort_length`.
 */
const SORTED_BYTES = 1024
const SORTED_BLOB = 765
const MILLISECONDS = 3

/** Converts MongoDB's `sort` of documents to an order of rows; `undefined` if MariaDB can't express it. */
export function toRowOrder(table: Table, sort: ReadOptions['sort']): RowOrder | undefined {
  const order = rowOrder(table, sort, {
    orderingOf: ({ name, within }: ColumnPath, direction) => {
      const type = typeOf(table, name)
      if (!type || type.kind === 'json' || type.kind === 'set') return undefined
      // Returns an empty order for a field within another type, because only JSON has fields.
      return within.length > 0 ? { exact: [] } : orderingOf(quote(name), type, direction)
    },
    // Adds no rule for NULL: MariaDB sorts NULL first in ascending order.
    write: (expression, direction) => sql`${expression} ${direction === 1 ? 'ASC' : 'DESC'}`,
  })
  // Leaves out the range for a single column, because MariaDB then reads in the order of the column's index.
  const isSingle = order?.range && /^`[^`]*` (?:ASC|DESC)$/.test(order.by.text)
  return order && isSingle ? { ...order, range: undefined } : order
}

function orderingOf(
  column: string,
  { kind, size = 0, isPadded }: Type,
  direction: 1 | -1,
): Ordering | undefined {
  switch (kind) {
    case 'integer':
      return plainOrdering(column, column, plain)
    case 'double':
    case 'float':
      return plainOrdering(column, `CAST(${column} AS DOUBLE)`, plain)
    case 'date':
    case 'datetime':
      return plainOrdering(column, column, (text) => plain(literal(text)))
    case 'year':
      return { exact: exact(asNumber(column)) }
    case 'bigint':
      return bigOrdering(column)
    case 'bit':
      return size > SAFE_BITS ? bigOrdering(asNumber(column)) : { exact: exact(column) }
    case 'decimal':
      return isPadded ? undefined : { exact: exact(asBytes(column)) }
    case 'timestamp':
      return size > MILLISECONDS
        ? microOrdering(column, direction)
        : plainOrdering(column, column, (text) => plain(literal(text)))
    case 'bytes': {
      const base64 = `REPLACE(TO_BASE64(${column}), CHAR(10), '')`
      return { exact: exact(asBytes(base64)), odd: longer(column, size, SORTED_BLOB) }
    }
    default: {
      const bytes = asBytes(column)
      return { exact: exact(bytes), odd: longer(bytes, size, SORTED_BYTES) }
    }
  }
}

/** Sorts by a column in the order of its index. */
function plainOrdering(column: string, last: string, bound: (text: string) => Sql): Ordering {
  return { exact: exact(column), range: { column, inside: undefined, last, bound } }
}

/** Sorts integers past the safe range as texts, after all numbers. */
function bigOrdering(column: string): Ordering {
  const inside = `${column} ${SAFE}`
  return {
    exact: exact(
      `(${column} NOT ${SAFE})`,
      `CASE WHEN ${column} NOT ${SAFE} THEN ${asBytes(asNumber(column))} END`,
      `CASE WHEN ${inside} THEN ${column} END`,
    ),
    range: { column, inside: `(${inside})`, last: column, bound: plain },
  }
}

/**
 * Sorts times as texts with a Z: a full millisecond comes after its microseconds (`.010001Z`, `.010Z`).
 */
function microOrdering(column: string, direction: 1 | -1): Ordering {
  const micros = `MICROSECOND(${column}) % 1000`
  const step = direction === 1 ? `999 - ${micros}` : `-(${micros})`
  return {
    exact: exact(`FLOOR(UNIX_TIMESTAMP(${column}) * 1000)`, `(${micros} = 0)`, micros),
    range: {
      column,
      inside: undefined,
      last: `TIMESTAMPADD(MICROSECOND, ${step}, ${column})`,
      bound: (text) => plain(literal(text)),
    },
  }
}

/** Tests for values with more bytes than MariaDB sorts by. */
function longer(column: string, size: number, most: number): Sql | undefined {
  return size > most ? plain(`OCTET_LENGTH(${column}) > ${most}`) : undefined
}

function exact(...texts: string[]): Sql[] {
  return texts.map(plain)
}
