import type { ReadOptions } from '../source.ts'
import type { ColumnPath } from '../sql/field.ts'
import { type Ordering, type RowOrder, toRowOrder as rowOrder } from '../sql/order.ts'
import { join, parameter, type Sql, sql } from '../sql/sql.ts'
import { asWritten, text as storable } from './input.ts'
import { quote } from './name.ts'
import { type Table, typeOf } from './table.ts'
import type { Kind, TypeCatalog } from './type.ts'

/** The kinds whose JSON forms are ASCII texts, which every encoding sorts in the order of Unicode. */
const ASCII: ReadonlySet<Kind> = new Set(['numeric', 'bytes', 'date', 'timestamp', 'timestamptz', 'uuid'])
/** The kinds whose JSON forms are no texts. */
const PLAIN: ReadonlySet<Kind> = new Set(['boolean', 'integer', 'bigint', 'real', 'float'])
const C = 'COLLATE pg_catalog."C"'
const SAFE = 'BETWEEN -9007199254740991 AND 9007199254740991'
/** The names of kinds that are none of types. */
const CASTS: Partial<Record<Kind, string>> = {
  boolean: 'bool',
  integer: 'int8',
  bigint: 'int8',
  real: 'float4',
  float: 'float8',
}

/**
 * Converts MongoDB's `sort` of documents to an order of rows. Returns `undefined` if PostgreSQL can't express
 * the order: by arrays, by `json`, and by texts that are not in UTF-8.
 */
export function toRowOrder(
  table: Table,
  sort: ReadOptions['sort'],
  types: TypeCatalog,
): RowOrder | undefined {
  return rowOrder(table, sort, {
    orderingOf: (place, direction) => orderingOf(table, place, direction, types),
    write: (expression, direction, isPlain) => {
      // Omits NULLS FIRST and LAST for a column without NULLs, because an index has them at its other end.
      const nulls = isPlain ? '' : direction === 1 ? ' NULLS FIRST' : ' NULLS LAST'
      return sql`${expression} ${direction === 1 ? 'ASC' : 'DESC'}${nulls}`
    },
  })
}

function orderingOf(
  table: Table,
  { name, within }: ColumnPath,
  direction: 1 | -1,
  types: TypeCatalog,
): Ordering | undefined {
  const kind = typeOf(table, name, types)?.kind
  if (kind === undefined || kind === 'array' || kind === 'json') return undefined
  if (!table.unicode && !ASCII.has(kind) && !PLAIN.has(kind)) return undefined
  if (kind === 'jsonb') return jsonOrdering(quote(name), within, table.options.document !== undefined)
  // Gives fields of other values no order: no other type has fields.
  return within.length > 0 ? { exact: [] } : columnOrdering(quote(name), kind, direction)
}

function columnOrdering(column: string, kind: Kind, direction: 1 | -1): Ordering {
  const exact = (...texts: string[]) => texts.map((text): Sql => ({ text, values: [] }))
  const range = (inside: string | undefined, as = column, last = as) => ({
    column: as,
    inside,
    last,
    bound: (text: string) => sql`${parameter(text)}::pg_catalog.${CASTS[kind] ?? kind}`,
  })
  switch (kind) {
    case 'boolean':
    case 'integer':
    case 'uuid':
      return { exact: exact(column), range: range(undefined) }
    case 'text': {
      const as = `${column} ${C}`
      return { exact: exact(as), range: range(undefined, as) }
    }
    case 'bigint': {
      // Sorts integers past the safe range as texts, after all numbers.
      const text = `CASE WHEN ${column} NOT ${SAFE} THEN ${column}::pg_catalog.text END ${C}`
      return {
        exact: exact(`${column} NOT ${SAFE}`, text, `CASE WHEN ${column} ${SAFE} THEN ${column} END`),
        range: range(`${column} ${SAFE}`),
      }
    }
    case 'real':
    case 'float': {
      const finite = `(${column} > '-Infinity' AND ${column} < 'Infinity')`
      return { exact: exact(`CASE WHEN ${finite} THEN ${column} END`), range: range(finite) }
    }
    case 'date': {
      const plain = `(${column} >= '0001-01-01' AND ${column} < '10000-01-01')`
      return { exact: exact(`${asWritten(column)} ${C}`), range: range(plain) }
    }
    case 'timestamp':
    case 'timestamptz': {
      const plain = `(${column} >= '0001-01-01' AND ${column} < '10000-01-01')`
      return {
        exact: exact(isoText(column, kind, plain)),
        range: range(plain, column, lastOf(column, kind, direction)),
      }
    }
    case 'bytes': {
      const text = `pg_catalog.replace(pg_catalog.encode(${column}, 'base64'), pg_catalog.chr(10), '')`
      return { exact: exact(`${text} ${C}`) }
    }
    default:
      return { exact: exact(`${asWritten(column)} ${C}`) }
  }
}

/** Formats a time as `toValue` does. */
function isoText(column: string, kind: Kind, plain: string): string {
  const zone = kind === 'timestamptz' ? '"Z"' : ''
  const text = (digits: string) => `pg_catalog.to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.${digits}${zone}')`
  const iso = `WHEN ${column} = ${millisecondOf(column)} THEN ${text('MS')} ELSE ${text('US')}`
  return `CASE WHEN NOT ${plain} THEN ${asWritten(column)} ${iso} END ${C}`
}

function millisecondOf(column: string): string {
  return `pg_catalog.date_trunc('milliseconds', ${column})`
}

/**
 * Handles texts with a Z, in which a full millisecond comes after all its microseconds: `.010001Z`, `.010Z`.
 */
function lastOf(column: string, kind: Kind, direction: 1 | -1): string {
  if (kind === 'timestamp') return column
  return direction === 1 ? `${millisecondOf(column)} + interval '999 microseconds'` : millisecondOf(column)
}

/**
 * Orders values within `jsonb`. Treats objects, arrays (along the path and at its end), and numbers that
 * JavaScript can't represent as odd.
 *
 * @param isDocument marks the column of whole documents: a value that is no object is an empty document
 */
function jsonOrdering(column: string, within: readonly string[], isDocument: boolean): Ordering | undefined {
  if (within.some((name) => storable(name) === undefined)) return undefined
  const steps: Sql[] = []
  let value = sql`${column}`
  for (const name of within) {
    steps.push(value)
    value = sql`(${value} -> ${parameter(name)}::pg_catalog.text)`
  }
  const typeOfStep = (step: Sql) => sql`pg_catalog.jsonb_typeof(${step})`
  const kind = typeOfStep(value)
  const number = sql`CASE WHEN ${kind} = 'number' THEN ${value}::pg_catalog.numeric END`
  const size = sql`pg_catalog.abs(${number})`
  const odd: Sql[] = [
    ...steps.slice(isDocument ? 1 : 0).map((step) => sql`${typeOfStep(step)} = 'array'`),
    sql`${kind} IN ('array', 'object')`,
    // Treats numbers as odd that overflow, that rounding would turn into texts, or that are almost zero.
    sql`CASE WHEN ${size} > 1e300 THEN true WHEN ${size} > 9007199254740991
      THEN (${size})::pg_catalog.float8::pg_catalog.text::pg_catalog.numeric <> ${size}
      ELSE ${size} > 0 AND ${size} < 1e-300 END`,
  ]
  return {
    exact: [
      sql`CASE ${kind} WHEN 'number' THEN 1 WHEN 'string' THEN 2 WHEN 'boolean' THEN 3 ELSE 0 END`,
      sql`(${number})::pg_catalog.float8`,
      sql`CASE WHEN ${kind} = 'string' THEN ${value} #>> '{}' END ${C}`,
      sql`CASE WHEN ${kind} = 'boolean' THEN ${value}::pg_catalog.bool END`,
    ],
    odd: join(odd, ' OR '),
  }
}
