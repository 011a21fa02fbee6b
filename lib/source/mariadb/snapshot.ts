import type { Pool } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { loadTable } from './catalog.ts'
import { quoteTable } from './name.ts'
import { promised } from './pool.ts'
import { ask, numberOf } from './session.ts'
import type { Table, TableReference } from './table.ts'

/** Describes the place in the binary log that a read is of: the file's name, and the offset in it. */
export interface LogPlace {
  file: string
  at: number
}

/** ER_TABLE_DEF_CHANGED: the table was emptied or altered after the snapshot. */
const ALTERED = 1412

/** Runs within a snapshot. Returns `false` if it left rows of a query unread. */
export type InSnapshot = (connection: PoolConnection, table: Table) => Promise<boolean>

/**
 * Runs in one snapshot of the database, on a connection of the pool, and returns the snapshot's place in the
 * log. Skips a missing table. Takes another snapshot if the table was emptied or altered after the first one,
 * as long as `run` has not succeeded in reading.
 *
 * @param isRepeatable tells whether `run` may run again
 */
export async function inSnapshot(
  pool: Pool,
  reference: TableReference,
  run: InSnapshot,
  isRepeatable: () => boolean,
): Promise<LogPlace> {
  for (;;) {
    const connection = await promised(pool).getConnection()
    let isClean = false
    try {
      const form = await formOf(connection, reference)
      await connection.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
      const place = await placeOf(connection)
      // Locks the table's definition before its rows are read.
      const table = await loadTable(connection, reference)
      if ((await formOf(connection, reference)) !== form) {
        // Takes another snapshot: the server reads its rows with columns that were added later, or finds no
        // table that was renamed later.
        await connection.query('ROLLBACK')
        isClean = true
        continue
      }
      isClean = !table || (await run(connection, table))
      if (isClean) await connection.query('COMMIT')
      return place
    } catch (error) {
      isClean = false
      if (numberOf(error) !== ALTERED || !isRepeatable()) throw error
    } finally {
      // Ends a connection with unread rows, because they would be sent before the next answer.
      if (isClean) connection.release()
      else connection.destroy()
    }
  }
}

/** Represents a table's definition. */
export interface LoadedTable {
  /** `undefined` for a missing table. */
  table: Table | undefined
  /** A place in the log before which all statements are that this definition comes from. */
  place: LogPlace
}

/**
 * Loads a table's present definition. Takes all of it from one moment: several queries would mix the definitions
 * before and after an ALTER TABLE.
 *
 * @throws ParticleError `INVALID_OPTION` for a table that can't be shown
 */
export async function loadDefinition(pool: Pool, reference: TableReference): Promise<LoadedTable> {
  let loaded: Table | undefined
  const keep = async (_: PoolConnection, table: Table) => {
    loaded = table
    return true
  }
  const place = await inSnapshot(pool, reference, keep, () => true)
  return { table: loaded, place }
}

/** Returns the text of a table's definition, without the number of its next row; `undefined` without a table. */
async function formOf(connection: PoolConnection, table: TableReference): Promise<string | undefined> {
  try {
    const [row] = await ask(connection, `SHOW CREATE TABLE ${quoteTable(table)}`)
    return row?.[1]?.replace(/ AUTO_INCREMENT=\d+/, '')
  } catch {
    // Leaves the report of an error to the reading of the definition.
    return undefined
  }
}

/** Returns the place of the transaction's own snapshot, which MariaDB takes together with it. */
async function placeOf(connection: PoolConnection): Promise<LogPlace> {
  const rows = await ask(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")
  const status = new Map(rows.map(([name, value]) => [name?.toLowerCase(), value]))
  return {
    file: status.get('binlog_snapshot_file') ?? '',
    at: Number(status.get('binlog_snapshot_position') ?? 0),
  }
}
