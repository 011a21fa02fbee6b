import type { Pool } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { pause } from '../backoff.ts'
import { loadTable, lockTable } from './catalog.ts'
import { onConnection, promised } from './pool.ts'
import { ask, numberOf } from './session.ts'
import type { Table, TableReference } from './table.ts'

/** Describes the place in the binary log that a read is of: the file's name, and the offset in it. */
export interface LogPlace {
  file: string
  at: number
}

/** Ends a transaction alone: a server's completion_type may let a plain COMMIT do more. */
const COMMIT = 'COMMIT AND NO CHAIN NO RELEASE'

/** ER_TABLE_DEF_CHANGED: the table was emptied or altered after the snapshot. */
const ALTERED = 1412

/** The events at the start of a file, before its first transaction. */
const START_EVENTS: ReadonlySet<string> = new Set([
  'Format_desc',
  'Gtid_list',
  'Binlog_checkpoint',
  'Start_encryption',
])
const MOST_START_EVENTS = 8
/** The longest start of a file: its list of transactions has 16 bytes for each server. */
const LONGEST_START = 64 * 1024
const SETTLING_MS = 5
/** The longest wait for the checkpoint. A quiet server writes it once InnoDB has flushed, within a second. */
const MAX_SETTLING_MS = 10_000

/** Keeps a place in the newest file from which on all snapshots are whole. */
const firstWhole = new WeakMap<Pool, LogPlace>()

/** Runs within a snapshot. Returns `false` if it left rows of a query unread. */
export type InSnapshot = (connection: PoolConnection, table: Table) => Promise<boolean>

/** Holds a table, and the statement of its definition. */
interface Known {
  statement: string
  table: Table
}

/** Keeps the definitions of earlier reads, which need no further look at the catalog. */
const known = new WeakMap<Pool, Map<string, Known>>()

/** Matches statements in the log that alter no table. */
const HARMLESS = /^(?:use `(?:[^`]|``)+`; )?(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|XA)\b/i

/**
 * Runs in one snapshot of the database, on a connection of the pool, and returns the snapshot's place in the
 * log. Skips a missing table. Takes another snapshot if a table was altered between the last one and the
 * lock of the definition: the rows would be those of another table.
 *
 * @param isRepeatable tells whether `run` may run again
 */
export async function inSnapshot(
  pool: Pool,
  reference: TableReference,
  run: InSnapshot,
  isRepeatable: () => boolean,
): Promise<LogPlace> {
  const end = Date.now() + MAX_SETTLING_MS
  for (;;) {
    const connection = await promised(pool).getConnection()
    let isClean = false
    try {
      await connection.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
      const place = await placeOf(connection)
      const table = await lockedTable(pool, connection, reference)
      const isWhole = Date.now() > end || (await hasAllBefore(pool, connection, place))
      const isExact = isWhole && !(await isAltered(connection, place))
      isClean = !isExact || !table || (await run(connection, table))
      if (isClean) await connection.query(COMMIT)
      if (isExact) return place
      if (!isWhole) await pause(SETTLING_MS)
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

/**
 * Locks a table's definition until the transaction ends, and loads it, if it is not that of an earlier read.
 */
async function lockedTable(
  pool: Pool,
  connection: PoolConnection,
  reference: TableReference,
): Promise<Table | undefined> {
  const statement = await lockTable(connection, reference)
  if (statement === undefined) return undefined
  const definitions = known.get(pool) ?? new Map<string, Known>()
  known.set(pool, definitions)
  const key = JSON.stringify([reference.database, reference.name, reference.options.document])
  const last = definitions.get(key)
  if (last?.statement === statement) return last.table
  const table = await loadTable(connection, reference)
  if (table) definitions.set(key, { statement, table })
  return table
}

/**
 * Checks whether any table was altered after a place in the log. Compares no definitions, because a table
 * may be swapped with one of the same definition (RENAME, EXCHANGE PARTITION).
 */
async function isAltered(connection: PoolConnection, { file, at }: LogPlace): Promise<boolean> {
  const present = await presentPlace(connection)
  if (present.file !== file) return true
  if (present.at === at) return false
  const events = await ask(connection, `SHOW BINLOG EVENTS IN ${quoteText(file)} FROM ${at}`)
  return events.some(([, , type, , , info]) => /^Query/.test(type ?? '') && !HARMLESS.test(info ?? ''))
}

/**
 * Checks that a snapshot has all transactions before its place. At the start of a file, it may lack the last
 * ones of the file before: MariaDB moves the place to the new file before the engine has them, and writes a
 * checkpoint with the new file's own name once it has.
 */
async function hasAllBefore(
  pool: Pool,
  connection: PoolConnection,
  { file, at }: LogPlace,
): Promise<boolean> {
  const whole = firstWhole.get(pool)
  if (at > LONGEST_START || (whole?.file === file && at >= whole.at)) return true
  const events = await ask(connection, `SHOW BINLOG EVENTS IN ${quoteText(file)} LIMIT ${MOST_START_EVENTS}`)
  const first = events.findIndex(([, , type]) => !START_EVENTS.has(type ?? ''))
  const start = first < 0 ? events : events.slice(0, first)
  const startEnd = Number(start.at(-1)?.[4] ?? 0)
  const own = start.find(([, , type, , , name]) => type === 'Binlog_checkpoint' && name === file)
  // Takes the place after the first transaction of the file too: the engine has the last ones before it.
  const isWhole = at > startEnd || (own !== undefined && at >= Number(own[4]))
  if (isWhole) firstWhole.set(pool, { file, at })
  return isWhole
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
    const place = await presentPlace(connection)
    await connection.query('START TRANSACTION READ ONLY')
    const table = await loadTable(connection, reference)
    await connection.query(COMMIT)
    return { table, place }
  })
}

/** Returns the place at the log's end. */
async function presentPlace(connection: PoolConnection): Promise<LogPlace> {
  const [[file, at] = []] = await ask(connection, 'SHOW MASTER STATUS')
  return { file: file ?? '', at: Number(at ?? 0) }
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

/** Writes the name of a file of the log as SQL. */
function quoteText(name: string): string {
  return `'${name.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
