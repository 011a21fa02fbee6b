import type { PoolClient } from 'pg'
import type { Range, RowOrder } from './order.ts'
import { queryTexts } from './session.ts'
import { parameter, render, type Sql, sql } from './sql.ts'
import type { Cells } from './table.ts'

/**
 * Returns the order if it applies to all rows.
 *
 * @param all the rows: FROM and WHERE
 */
export async function findOrder(
  client: PoolClient,
  all: Sql,
  order: RowOrder | undefined,
): Promise<RowOrder | undefined> {
  if (!order?.odd) return order
  return (await ask(client, sql`SELECT 1 ${all} AND ${order.odd} LIMIT 1`)).length > 0 ? undefined : order
}

/** Reads the first rows of an order. */
export async function firstRows(
  client: PoolClient,
  columns: string,
  all: Sql,
  { by, range }: RowOrder,
  limit: number,
): Promise<Cells[]> {
  const near = range ? await nearest(client, all, range, limit) : sql``
  return await ask(client, sql`SELECT ${columns} ${all}${near} ORDER BY ${by} LIMIT ${count(limit)}`)
}

/**
 * Builds a condition for an index search: it holds for all rows that may be among the first, and for few
 * others. It excludes the rows after `limit` ordered values.
 */
async function nearest(client: PoolClient, all: Sql, range: Range, limit: number): Promise<Sql> {
  const { direction, column, cast, inside, last } = range
  const known = inside ?? `${column} IS NOT NULL`
  const order = sql`ORDER BY ${column} ${direction === 1 ? 'ASC' : 'DESC'} OFFSET ${count(limit - 1)} LIMIT 1`
  // Leaves the column without a cast: ORDER BY would take a result column of the same name.
  const [row] = await ask(client, sql`SELECT ${last} ${all} AND ${known} ${order}`)
  const end = row?.[0]
  // Adds no bound if there are fewer rows.
  if (typeof end !== 'string') return sql``
  const others = inside ? ` OR NOT ${inside}` : ''
  const bound = sql`${parameter(end)}::pg_catalog.${cast}`
  return sql` AND (${column} ${direction === 1 ? '<=' : '>='} ${bound} OR ${column} IS NULL${others})`
}

function count(limit: number): Sql {
  return sql`${parameter(limit)}::pg_catalog.int8`
}

async function ask(client: PoolClient, query: Sql): Promise<Cells[]> {
  const { sql: text, values } = render(query)
  return (await queryTexts(client, text, values)).rows
}
