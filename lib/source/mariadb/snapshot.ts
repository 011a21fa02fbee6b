import type { Pool } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { pause } from '../backoff.ts'
import { loadTable, lockTable } from './catalog.ts'
import { onConnection, promised } from './pool.ts'
import { ask, numberOf } from './session.ts'
import type { Table, TableReference } from './table.ts'

/** Describes a place in the binary log: the file's name, and the offset in the file. */
export interface LogPlace {
  file: string
  at: number
}

/** Ends a transaction, and nothing else. A server's completion_type may make a plain COMMIT do more. */
const COMMIT = 'COMMIT AND NO CHAIN NO RELEASE'

/** ER_TABLE_DEF_CHANGED: the table was emptied or altered after the snapshot. */
const ALTERED = 1412
/** ER_ERROR_WHEN_EXECUTING_COMMAND: the log lacks the file. */
const NO_FILE = 1220

/** The events at the start of a file, before its first transaction. */
const START_EVENTS: ReadonlySet<string> = new Set([
  'Format_desc',
  'Gtid_list',
  'Binlog_checkpoint',
  'Start_encryption',
])
const MAX_START_EVENTS = 8
/** The longest start of a file, in bytes. The start's list of GTIDs has 16 bytes for each server. */
const MAX_START_BYTES = 64 * 1024
const CHECKPOINT_INTERVAL_MS = 5
/** The longest time of one read's attempts. A quiet server writes a checkpoint within a second. */
const MAX_ATTEMPTS_MS = 10_000
const UNFINISHED = 'The server has written no checkpoint to its new log file for 10 s'
const CHANGING = 'Tables are altered, or log files begun, faster than a snapshot can be checked'

/** Keeps a place in the newest file of the log. Snapshots at and after the place are whole. */
const wholeFrom = new WeakMap<Pool, LogPlace>()

/** Reads within a snapshot. Returns `false` if rows of a query are left unread on the connection. */
export type InSnapshot = (connection: PoolConnection, table: Table) => Promise<boolean>

/** Holds a table with the statement that creates it. */
interface Known {
  statement: string
  table: Table
}

/** Keeps the tables of earlier reads, so that the next read need not query the catalog. */
const known = new WeakMap<Pool, Map<string, Known>>()

/** Matches statements in the log that alter no table. */
const HARMLESS = /^(?:use `(?:[^`]|``)+`; )?(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|XA)\b/i

/**
 * Runs a task in one snapshot of the database, on a connection of the pool. Returns the snapshot's place in
 * the log. Skips the task for a missing table. Takes another snapshot if a table was altered, or the log
 * began another file, between the snapshot and the lock of the definition: the rows could be those of another
 * table. Reads therefore wait while log files rotate faster than that.
 *
 * @param isRepeatable checks whether `run` may run again
 */
export async function inSnapshot(
  pool: Pool,
  reference: TableReference,
  run: InSnapshot,
  isRepeatable: () => boolean,
): Promise<LogPlace> {
  const end = Date.now() + MAX_ATTEMPTS_MS
  for (;;) {
    const connection = await promised(pool).getConnection()
    let isClean = false
    try {
      await connection.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
      const place = await placeOf(connection)
      const table = await lockedTable(pool, connection, reference)
      const isWhole = await hasAllBefore(pool, connection, place)
      const isExact = isWhole && !(await isAltered(connection, place))
      isClean = !isExact || !table || (await run(connection, table))
      if (isClean) await connection.query(COMMIT)
      if (isExact) return place
      if (Date.now() > end) throw new Error(isWhole ? CHANGING : UNFINISHED)
      if (!isWhole) await pause(CHECKPOINT_INTERVAL_MS)
    } catch (error) {
      isClean = false
      if (numberOf(error) !== ALTERED || !isRepeatable()) throw error
    } finally {
      // Ends a connection with unread rows, because the server would send them before the next answer.
      if (isClean) connection.release()
      else connection.destroy()
    }
  }
}

/**
 * Locks a table's definition until the transaction ends. Loads the definition if it differs from that of the
 * last read.
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
 * Checks whether any table may have been altered after a place in the log. Compares no definitions, because a
 * table may be swapped with another table of the same definition (RENAME, EXCHANGE PARTITION).
 */
async function isAltered(connection: PoolConnection, { file, at }: LogPlace): Promise<boolean> {
  const present = await presentPlace(connection)
  if (present.file !== file) return true
  if (present.at === at) return false
  const events = await eventsOf(connection, file, `FROM ${at}`)
  return (
    !events || events.some(([, , type, , , info]) => /^Query/.test(type ?? '') && !HARMLESS.test(info ?? ''))
  )
}

/**
 * Checks that a snapshot has all transactions before its place. At the start of a file, a snapshot may lack
 * the last transactions of the file before: MariaDB moves the place to the new file before InnoDB has these
 * transactions. Once InnoDB has them, MariaDB writes a checkpoint with the new file's own name.
 */
async function hasAllBefore(
  pool: Pool,
  connection: PoolConnection,
  { file, at }: LogPlace,
): Promise<boolean> {
  const whole = wholeFrom.get(pool)
  if (at > MAX_START_BYTES || (whole?.file === file && at >= whole.at)) return true
  const events = await eventsOf(connection, file, `LIMIT ${MAX_START_EVENTS}`)
  if (!events) return false
  const first = events.findIndex(([, , type]) => !START_EVENTS.has(type ?? ''))
  const start = first < 0 ? events : events.slice(0, first)
  const startEnd = Number(start.at(-1)?.[4] ?? 0)
  const own = start.find(([, , type, , , name]) => type === 'Binlog_checkpoint' && name === file)
  // Accepts a place after the file's first transaction too: InnoDB has the transactions of the file before.
  const isWhole = at > startEnd || (own !== undefined && at >= Number(own[4]))
  if (isWhole) wholeFrom.set(pool, { file, at })
  return isWhole
}

/** Returns events of a file of the log; `undefined` if the file was deleted after a newer one was begun. */
async function eventsOf(
  connection: PoolConnection,
  file: string,
  range: string,
): Promise<(string | null)[][] | undefined> {
  try {
    return await ask(connection, `SHOW BINLOG EVENTS IN ${quoteText(file)} ${range}`)
  } catch (error) {
    if (numberOf(error) !== NO_FILE || (await presentPlace(connection)).file === file) throw error
    return undefined
  }
}

/** Represents a table's definition, and the moment of its loading. */
export interface LoadedTable {
  /** `undefined` for a missing table. */
  table: Table | undefined
  /** A place in the log. The definition has the effect of all earlier statements, and maybe of later ones. */
  place: LogPlace
}

/**
 * Loads a table's present definition. Loads all parts in one transaction, because separate queries would mix
 * the definitions before and after an ALTER TABLE.
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

/** Returns the place of the transaction's snapshot. MariaDB records the place when it takes the snapshot. */
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
