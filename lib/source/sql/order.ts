import type { ReadOptions } from '../source.ts'
import { type Fields, type Place, placesOf } from './field.ts'
import { join, type Sql, sql } from './sql.ts'

/** Describes an order of rows that is the order of the documents' JSON forms. */
export interface RowOrder {
  /** The expressions of ORDER BY. */
  by: Sql
  /** A condition for the rows that break the order; `undefined` if there can be none. */
  odd: Sql | undefined
  /** The range in which an index finds the first rows; `undefined` if `by` is enough, or no index could. */
  range: Range | undefined
}

/** Describes a column whose own order equals that of the JSON forms, except for some values. */
export interface Range {
  direction: 1 | -1
  /** The column, as an index has it. */
  column: string
  /** A condition for the values in order. All other values, and NULL, may be anywhere. */
  inside: string | undefined
  /** The last value, in the direction, that may come before the column's value in JSON. */
  last: string
  /** Writes a value of `last` as SQL. */
  bound(text: string): Sql
}

/**
 * Describes expressions that, one after the other, give the order of a column's JSON forms, with NULL for
 * null.
 */
export interface Ordering {
  exact: readonly Sql[]
  odd?: Sql | undefined
  range?: Omit<Range, 'direction'> | undefined
}

/** Tells the order of columns in a database's own SQL. */
export interface ColumnOrders {
  /** Returns the order of a column's values; `undefined` if the database can't express it. */
  orderingOf(place: Place, direction: 1 | -1): Ordering | undefined
  /**
   * Writes a part of ORDER BY, with NULL first in ascending order.
   *
   * @param isPlain marks a column without NULL, as an index has it
   */
  write(expression: Sql, direction: 1 | -1, isPlain: boolean): Sql
}

/**
 * Converts MongoDB's `sort` of documents to an order of rows; `undefined` if the database can't express it.
 *
 * @param table may name columns that are never NULL, by which an index alone finds the first rows
 */
export function toRowOrder(
  table: Fields & { readonly required?: ReadonlySet<string> },
  sort: ReadOptions['sort'],
  orders: ColumnOrders,
): RowOrder | undefined {
  const by: Sql[] = []
  const odd: Sql[] = []
  let range: Range | undefined
  for (const [path, direction] of sort) {
    for (const place of placesOf(table, path)) {
      const found = orders.orderingOf(place, direction)
      if (!found) return undefined
      const isPlain = table.required?.has(place.name) === true && found.exact[0]?.text === found.range?.column
      if (by.length === 0 && found.range && !isPlain) range = { ...found.range, direction }
      for (const one of found.exact) by.push(orders.write(one, direction, isPlain))
      if (found.odd) odd.push(found.odd)
    }
  }
  if (by.length === 0) return undefined
  const list = { text: by.map(({ text }) => text).join(', '), values: by.flatMap(({ values }) => values) }
  return { by: list, odd: odd.length > 0 ? join(odd, ' OR ') : undefined, range }
}

/** Runs a query, and returns its rows. */
export type Ask<Row> = (query: Sql) => Promise<readonly Row[]>

/**
 * Returns the order if it applies to all rows.
 *
 * @param all the rows: FROM and WHERE
 */
export async function findOrder(
  ask: Ask<unknown>,
  all: Sql,
  order: RowOrder | undefined,
): Promise<RowOrder | undefined> {
  if (!order?.odd) return order
  return (await ask(sql`SELECT 1 ${all} AND ${order.odd} LIMIT 1`)).length > 0 ? undefined : order
}

/** Builds the query of the first rows of an order. */
export async function firstRows(
  ask: Ask<readonly unknown[]>,
  columns: string,
  all: Sql,
  { by, range }: RowOrder,
  limit: number,
): Promise<Sql> {
  const near = range ? await nearest(ask, all, range, limit) : sql``
  return sql`SELECT ${columns} ${all}${near} ORDER BY ${by} LIMIT ${String(limit)}`
}

/**
 * Builds a condition for an index search: it holds for all rows that may be among the first, and for few
 * others. It excludes the rows after `limit` ordered values.
 */
async function nearest(ask: Ask<readonly unknown[]>, all: Sql, range: Range, limit: number): Promise<Sql> {
  const { direction, column, inside, last, bound } = range
  const known = inside ?? `${column} IS NOT NULL`
  const order = `ORDER BY ${column} ${direction === 1 ? 'ASC' : 'DESC'} LIMIT 1 OFFSET ${limit - 1}`
  // Leaves the column without a cast: ORDER BY would take a result column of the same name.
  const [row] = await ask(sql`SELECT ${last} ${all} AND ${known} ${order}`)
  const end = row?.[0]
  // Adds no bound if there are fewer rows.
  if (typeof end !== 'string') return sql``
  const others = inside ? ` OR NOT ${inside}` : ''
  return sql` AND (${column} ${direction === 1 ? '<=' : '>='} ${bound(end)} OR ${column} IS NULL${others})`
}
