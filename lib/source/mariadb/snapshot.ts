import type { Pool } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { describeTable, loadTable } from './catalog.ts'
import { onConnection, promised } from './pool.ts'
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

/** Holds a table, and the text that describes its definition: `undefined` for a missing one. */
interface Known {
  description: string | undefined
  table: Table | undefined
}

/** Keeps the definitions of earlier reads. */
const known = new WeakMap<Pool, Map<string, Known>>()

/**
 * Runs in one snapshot of the database, on a connection of the pool, and returns the snapshot's place in the
 * log. Skips a missing table. Takes another snapshot if the table was altered between the last one and the
 * lock of its definition: the rows would be those of another table.
 *
 * @param isRepeatable tells whether `run` may run again
 */
export async function inSnapshot(
  pool: Pool,
  reference: TableReference,
  run: InSnapshot,
  isRepeatable: () => boolean,
): Promise<LogPlace> {
  const definitions = known.get(pool) ?? new Map<string, Known>()
  known.set(pool, definitions)
  const key = JSON.stringify([reference.database, reference.name, reference.options.document])
  for (;;) {
    const connection = await promised(pool).getConnection()
    let isClean = false
    try {
      const { description, table } = definitions.get(key) ?? (await load(connection, reference))
      await connection.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
      const place = await placeOf(connection)
      const isSame = (await describeTable(connection, reference)) === description
      if (isSame) definitions.set(key, { description, table })
      else definitions.delete(key)
      isClean = !isSame || !table || (await run(connection, table))
      if (isClean) await connection.query('COMMIT')
      if (isSame) return place
    } catch (error) {
      isClean = false
      definitions.delete(key)
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
  /** A place in the log: the definition has come from all statements before it, and maybe from later ones. */
  place: LogPlace
}

/**
 * Loads a table's present definition. Takes all of it from one moment: several queries would mix the
 * definitions before and after an ALTER TABLE.
 *
 * @throws ParticleError `INVALID_OPTION` for a table that can't be shown
 */
export async function loadDefinition(pool: Pool, reference: TableReference): Promise<LoadedTable> {
  return await onConnection(pool, async (connection) => {
    const [[file, at] = []] = await ask(connection, 'SHOW MASTER STATUS')
    const { table } = await load(connection, reference)
    return { table, place: { file: file ?? '', at: Number(at) } }
  })
}

/** Loads a table while nobody can alter it. */
async function load(connection: PoolConnection, reference: TableReference): Promise<Known> {
  await connection.query('START TRANSACTION READ ONLY')
  const description = await describeTable(connection, reference)
  const table = description === undefined ? undefined : await loadTable(connection, reference)
  await connection.query('COMMIT')
  return { description, table }
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
