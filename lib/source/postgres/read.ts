import type { Pool, PoolClient } from 'pg'
import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { matcher } from '../../policy/criteria.ts'
import type { Columns, EachBatch, Query, ReadOptions } from '../source.ts'
import { toIdCondition } from '../sql/filter.ts'
import { findOrder, firstRows } from '../sql/order.ts'
import { type Sql, sql } from '../sql/sql.ts'
import { loadTable } from './catalog.ts'
import { describeColumns } from './columns.ts'
import { toCondition } from './filter.ts'
import { among } from './input.ts'
import { quote, quoteTable } from './name.ts'
import { toRowOrder } from './order.ts'
import { render } from './render.ts'
import { queryTexts, readingTransaction } from './session.ts'
import { type Cells, type Table, type TableReference, toDocument, typeOf } from './table.ts'
import type { TypeCatalog } from './type.ts'

/** Describes the database and the table of a read. */
export interface ReadRequest {
  pool: Pool
  table: TableReference
  types: TypeCatalog
}

/**
 * Examines a transaction's snapshot before the read. Returns `undefined` if another snapshot must be taken.
 */
export type Examine<T> = (client: PoolClient) => Promise<T | undefined>

const BATCH = 1000
const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 200

/** Describes the wanted documents. */
export interface Wanted {
  query: Query
  /** Which of them are enough. */
  first?: ReadOptions | undefined
}

/**
 * Reads the documents that match a query in batches of 1,000, all from one snapshot that `examine` accepts.
 * Delivers each batch before the next request. Returns the answer of `examine`, and the table's
 * columns, which are undefined for a missing table: then it has no documents.
 */
export async function readDocuments<T>(
  { pool, table: reference, types }: ReadRequest,
  { query, first }: Wanted,
  examine: Examine<T>,
  each: EachBatch,
): Promise<{ reading: T; columns: Columns | undefined }> {
  let columns: Columns | undefined
  const reading = await inSnapshot({ pool, reference }, examine, async (client) => {
    const table = await loadTable(client, reference, types)
    columns = table && describeColumns(table, types)
    if (!table) return
    const where = toCondition(table, query, types)
    const matches = matcher(query)
    const toDocuments = (rows: Cells[]) => rows.map((row) => toDocument(table, table.columns, row, types))
    const all = sql`FROM ${rowsOf(table)} WHERE ${where}`
    const ask = (part: Sql) => askRows(client, part)
    const order = first && (await findOrder(ask, all, toRowOrder(table, first.sort, types)))
    if (order) {
      const select = await firstRows(ask, columnsOf(table), all, order, first.limit)
      const documents = toDocuments(await ask(select))
      if (documents.every(matches)) {
        if (documents.length > 0) await each(documents)
        return
      }
    }
    // Reads in order until the last wanted document, because the condition found too much.
    const by = order ? sql` ORDER BY ${order.by}` : sql``
    let wanted = order ? first.limit : Number.POSITIVE_INFINITY
    const cursor = render(sql`DECLARE rows NO SCROLL CURSOR FOR SELECT ${columnsOf(table)} ${all}${by}`)
    await queryTexts(client, cursor.sql, cursor.values)
    while (wanted > 0) {
      const { rows } = await queryTexts(client, `FETCH ${BATCH} FROM rows`)
      const documents = toDocuments(rows).filter(matches)
      if (documents.length > 0) await each(documents)
      wanted -= documents.length
      if (rows.length < BATCH) return
    }
  })
  return { reading, columns }
}

/**
 * Returns the documents with these ids (in JSON form) from one snapshot that `examine` accepts, and its
 * answer.
 */
export async function lookupDocuments<T>(
  { pool, table: reference, types }: ReadRequest,
  ids: readonly Id[],
  examine: Examine<T>,
): Promise<{ documents: Document[]; reading: T }> {
  const documents: Document[] = []
  const reading = await inSnapshot({ pool, reference }, examine, async (client) => {
    const table = await loadTable(client, reference, types)
    if (!table) return
    const where = toIdCondition(table, ids, (name, values) => {
      const type = typeOf(table, name, types)
      return type && among(quote(name), type, values)
    })
    const rows = await askRows(client, sql`SELECT ${columnsOf(table)} FROM ${rowsOf(table)} WHERE ${where}`)
    documents.push(...rows.map((row) => toDocument(table, table.columns, row, types)))
  })
  const wanted = new Set(ids.map(idKey))
  return { documents: documents.filter(({ _id }) => wanted.has(idKey(_id ?? null))), reading }
}

/**
 * Runs in a snapshot that `examine` accepts. Locks the table before the snapshot, because a table that is
 * emptied by TRUNCATE looks empty to older snapshots, too.
 */
async function inSnapshot<T>(
  { pool, reference }: { pool: Pool; reference: TableReference },
  examine: Examine<T>,
  run: (client: PoolClient) => Promise<void>,
): Promise<T> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const attempt = async (client: PoolClient) => {
      const answer = await examine(client)
      if (answer !== undefined) await run(client)
      return answer
    }
    const result = await readingTransaction(pool, attempt, reference)
    if (result !== undefined) return result
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

/** Selects the table's own rows. A table that inherits from it is another table with changes of its own. */
function rowsOf(table: Table): string {
  return `${table.isPartitioned ? '' : 'ONLY '}${quoteTable(table)}`
}

function columnsOf(table: Table): string {
  return table.columns.map(({ name }) => quote(name)).join(', ')
}

async function askRows(client: PoolClient, query: Sql): Promise<Cells[]> {
  const { sql: text, values } = render(query)
  return (await queryTexts(client, text, values)).rows
}
