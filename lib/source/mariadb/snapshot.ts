import type { Pool } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { pause } from '../backoff.ts'
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
  const end = Date.now() + MAX_SETTLING_MS
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
      const isWhole = Date.now() > end || (await hasAllBefore(pool, connection, place))
      isClean = !isSame || !isWhole || !table || (await run(connection, table))
      if (isClean) await connection.query('COMMIT')
      if (isSame && isWhole) return place
      if (!isWhole) await pause(SETTLING_MS)
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

/** Writes a text as a literal of SQL, for statements that take no other form. */
function quoteText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
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
