import type { Connection, Pool } from 'mysql2'
import type { PoolConnection, RowDataPacket } from 'mysql2/promise'
import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { matcher } from '../../policy/criteria.ts'
import type { Columns, EachBatch, Query, ReadOptions } from '../source.ts'
import { toIdCondition } from '../sql/filter.ts'
import { findOrder, firstRows } from '../sql/order.ts'
import { type Sql, sql } from '../sql/sql.ts'
import { describeColumns } from './columns.ts'
import { toCondition } from './filter.ts'
import { among } from './input.ts'
import { quote, quoteTable } from './name.ts'
import { toRowOrder } from './order.ts'
import { ask, rawQuery } from './session.ts'
import { inSnapshot, type LogPlace } from './snapshot.ts'
import { type Cells, type Column, type Table, type TableReference, toDocument, typeOf } from './table.ts'
import type { Kind } from './type.ts'
import { decodeText } from './value.ts'

/** Describes the database and the table of a read. */
export interface ReadRequest {
  pool: Pool
  table: TableReference
}

/** Describes the wanted documents. */
export interface Wanted {
  query: Query
  /** The sort and the limit, if the first documents are enough. */
  first?: ReadOptions | undefined
}

/** Holds the bytes of a row's cells, as the server sent them. */
type RawRow = readonly (Buffer | null)[]

const BATCH = 1000
/** The kinds whose cells stay bytes. */
const BYTES: ReadonlySet<Kind> = new Set(['bytes', 'bit'])

/**
 * Reads the documents that match a query, in batches of 1,000, from one snapshot. Delivers each batch before
 * it takes more rows from the server. Returns the snapshot's place in the log, and the table's columns, which
 * are undefined for a missing table: then it has no documents.
 */
export async function readDocuments(
  { pool, table: reference }: ReadRequest,
  { query, first }: Wanted,
  each: EachBatch,
): Promise<LogPlace & { columns: Columns | undefined }> {
  const matches = matcher(query)
  let isRepeatable = true
  let described: Columns | undefined
  const deliver = async (documents: Document[]) => {
    if (documents.length === 0) return
    isRepeatable = false
    await each(documents)
  }
  const run = async (connection: PoolConnection, table: Table) => {
    described = describeColumns(table)
    const all = sql`FROM ${quoteTable(table)} WHERE ${toCondition(table, query)}`
    const columns = table.columns.map(selected).join(', ')
    const answer = (part: Sql) => ask(connection, part.text)
    const order = first && (await findOrder(answer, all, toRowOrder(table, first.sort)))
    if (order) {
      const select = await firstRows(answer, columns, all, order, first.limit)
      const documents = (await rowsOf(connection, select)).map((row) =>
        toDocument(table, cellsOf(table, row)),
      )
      if (documents.every(matches)) {
        await deliver(documents)
        return true
      }
    }
    // Reads rows in order until the limit, because the condition also holds for rows that do not match.
    const by = order ? sql` ORDER BY ${order.by}` : sql``
    let wanted = order ? first.limit : Number.POSITIVE_INFINITY
    return await eachBatch(connection, sql`SELECT ${columns} ${all}${by}`, async (rows) => {
      const documents = rows.map((row) => toDocument(table, cellsOf(table, row))).filter(matches)
      await deliver(documents)
      wanted -= documents.length
      return wanted > 0
    })
  }
  const place = await inSnapshot(pool, reference, run, () => isRepeatable)
  return { ...place, columns: described }
}

/** Returns the documents with these ids (in JSON form) from one snapshot, with the snapshot's place. */
export async function lookupDocuments(
  { pool, table: reference }: ReadRequest,
  ids: readonly Id[],
): Promise<{ documents: Document[] } & LogPlace> {
  let documents: Document[] = []
  const run = async (connection: PoolConnection, table: Table) => {
    const where = toIdCondition(table, ids, (name, values) => {
      const type = typeOf(table, name)
      return type && among(quote(name), type, values)
    })
    const columns = table.columns.map(selected).join(', ')
    const rows = await rowsOf(connection, sql`SELECT ${columns} FROM ${quoteTable(table)} WHERE ${where}`)
    documents = rows.map((row) => toDocument(table, cellsOf(table, row)))
    return true
  }
  const place = await inSnapshot(pool, reference, run, () => true)
  const wanted = new Set(ids.map(idKey))
  return { documents: documents.filter(({ _id }) => wanted.has(idKey(_id ?? null))), ...place }
}

/**
 * Selects a column. Casts floating-point numbers: the text of a FLOAT lacks digits, and so does the text of a
 * DOUBLE with a fixed number of digits.
 */
function selected({ name, type: { kind } }: Column): string {
  return kind === 'float' || kind === 'double' ? `CAST(${quote(name)} AS DOUBLE)` : quote(name)
}

function cellsOf({ columns, key }: Table, row: RawRow): Cells {
  return columns.map(({ name, type }, index) => {
    const cell = row[index] ?? null
    return cell === null || BYTES.has(type.kind) ? cell : decodeText(cell, key.includes(name))
  })
}

async function rowsOf(connection: PoolConnection, query: Sql): Promise<readonly RawRow[]> {
  const [rows] = await connection.query<RowDataPacket[]>(rawQuery(query.text))
  return rows as unknown as RawRow[]
}

/**
 * Takes a query's rows in batches. Waits for `each` before it takes more rows.
 *
 * @param each returns `false` if no more rows are wanted
 * @returns `false` if rows were left unread on the connection
 */
async function eachBatch(
  connection: PoolConnection,
  query: Sql,
  each: (rows: readonly RawRow[]) => Promise<boolean>,
): Promise<boolean> {
  const { connection: inner } = connection as unknown as { connection: Connection }
  const rows = inner.query(rawQuery(query.text)).stream({ highWaterMark: BATCH })
  // Ends the stream of rows if the connection is lost, because mysql2 reports that on the connection only.
  const lost = (error: Error) => void rows.destroy(error)
  inner.on('error', lost)
  let batch: RawRow[] = []
  try {
    for await (const row of rows) {
      batch.push(row as RawRow)
      if (batch.length < BATCH) continue
      if (!(await each(batch))) return false
      batch = []
    }
  } finally {
    inner.off('error', lost)
  }
  await each(batch)
  return true
}
