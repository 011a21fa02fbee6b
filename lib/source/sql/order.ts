import type { ReadOptions } from '../source.ts'
import { type ColumnPath, columnPathsOf, type Fields } from './field.ts'
import { join, type Sql, sql } from './sql.ts'

/** Describes an order of rows that equals the order of the documents' JSON forms. */
export interface RowOrder {
  /** The expressions of ORDER BY. */
  by: Sql
  /** A condition for the rows that break the order; `undefined` if no row can break it. */
  odd: Sql | undefined
  /** The range in which an index finds the first rows; `undefined` if `by` is enough, or no index helps. */
  range: Range | undefined
}

/** Describes a column whose own order equals that of the JSON forms, except for some values. */
export interface Range {
  direction: 1 | -1
  /** The column's name in SQL, without a cast, so that an index can serve. */
  column: string
  /** A condition for the values that are in order. Other values, and NULL, may have any place. */
  inside: string | undefined
  /** The last value, in the direction, whose JSON form may come before that of the column's value. */
  last: string
  /** Writes a value of `last` as SQL. */
  bound(text: string): Sql
}

/**
 * Describes the order of a column's JSON forms by expressions, the first one first. NULL stands for null.
 */
export interface Ordering {
  exact: readonly Sql[]
  odd?: Sql | undefined
  range?: Omit<Range, 'direction'> | undefined
}

/** Describes the order of columns in a database's own SQL. */
export interface ColumnOrders {
  /** Returns the order of a column's values; `undefined` if the database can't express it. */
  orderingOf(path: ColumnPath, direction: 1 | -1): Ordering | undefined
  /**
   * Writes a part of ORDER BY, with NULL first in ascending order.
   *
   * @param isPlain marks a column without NULL, which an index has in this order
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
    for (const column of columnPathsOf(table, path)) {
      const found = orders.orderingOf(column, direction)
      if (!found) return undefined
      const isRequired = table.required?.has(column.name) === true
      const isPlain = isRequired && found.exact[0]?.text === found.range?.column
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
 * Returns the order if no row breaks it; `undefined` otherwise.
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
 * Builds a condition for an index search. The condition excludes the rows after `limit` ordered values. It
 * holds for all rows that may be among the first, and for a few other rows.
 */
async function nearest(ask: Ask<readonly unknown[]>, all: Sql, range: Range, limit: number): Promise<Sql> {
  const { direction, column, inside, last, bound } = range
  const known = inside ?? `${column} IS NOT NULL`
  const order = `ORDER BY ${column} ${direction === 1 ? 'ASC' : 'DESC'} LIMIT 1 OFFSET ${limit - 1}`
  // Orders by the column without a cast, because ORDER BY would refer to a result column of the same name.
  const [row] = await ask(sql`SELECT ${last} ${all} AND ${known} ${order}`)
  const end = row?.[0]
  // Adds no bound if there are fewer rows.
  if (typeof end !== 'string') return sql``
  const others = inside ? ` OR NOT ${inside}` : ''
  return sql` AND (${column} ${direction === 1 ? '<=' : '>='} ${bound(end)} OR ${column} IS NULL${others})`
}
