import type { Pool, PoolClient, QueryResult } from 'pg'
import { pause } from '../backoff.ts'
import { quoteTable, type TableName } from './name.ts'

/** Describes a client of the `pg` package, as far as a query needs it. */
export interface Queryable {
  query<Row>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>
}

/**
 * Fixes the texts of values, whatever the settings of the server, the database, the role and the pool are.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'iso_8601',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmloption: 'content',
  lc_monetary: 'C',
  search_path: '',
}

/** Returns the statements for the settings of the session, or of the transaction alone. */
export function settings(scope: 'SESSION' | 'LOCAL'): string {
  return Object.entries(SETTINGS)
    .map(([name, value]) => `SET ${scope} ${name} = '${value}'`)
    .join('; ')
}

/** Returns the settings as clauses of CREATE FUNCTION, without the search path. */
export function settingClauses(): string {
  return Object.entries(SETTINGS)
    .filter(([name]) => name !== 'search_path')
    .map(([name, value]) => `SET ${name} = '${value}'`)
    .join(' ')
}

/** Any value as the text that PostgreSQL wrote. */
const RAW = { getTypeParser: () => (text: string) => text }

/** Asks for rows of bare texts. */
export async function queryTexts(
  client: PoolClient,
  text: string,
  values: unknown[] = [],
): Promise<QueryResult<(string | null)[]>> {
  return await client.query<(string | null)[]>({ text, values, rowMode: 'array', types: RAW as never })
}

/**
 * The errors of a table that can't be locked: no such table, no such schema, another kind of relation, or a
 * missing privilege.
 */
const NOT_LOCKED = new Set(['42P01', '3F000', '42809', '42501'])

const ignore = () => {}

/**
 * Takes a client from the pool, until {@link release}. Ignores the client's error: the failed query reports
 * it, and without a listener the process would end. Takes the client by a callback, because the pool listens
 * to errors only up to that call. A promise would go on a step later, after a possible error.
 */
export function connect(pool: Pool): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      client?.on('error', ignore)
      if (client) resolve(client)
      else reject(error)
    })
  })
}

/** Returns a client of {@link connect} to its pool, or ends the client after an error. */
export function release(client: PoolClient, error?: Error): void {
  client.off('error', ignore)
  client.release(error)
}

/**
 * Runs a reading transaction of one snapshot, with the settings, on a client of the pool. A given table can't
 * be emptied or altered from before the snapshot on.
 */
export async function readingTransaction<T>(
  pool: Pool,
  run: (client: PoolClient) => Promise<T>,
  table?: TableName,
): Promise<T> {
  const client = await connect(pool)
  let broken: Error | undefined
  try {
    const begin = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${settings('LOCAL')}`
    await client.query(begin)
    if (table) {
      await client.query(`LOCK TABLE ${quoteTable(table)} IN ACCESS SHARE MODE`).catch(async (error) => {
        if (!NOT_LOCKED.has(stateOf(error))) throw error
        await client.query(`ROLLBACK; ${begin}`)
      })
    }
    const result = await run(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((reason: unknown) => {
      broken = reason instanceof Error ? reason : new Error(String(reason))
    })
    throw error
  } finally {
    release(client, broken)
  }
}

const PATIENCE_MS = 1500

/** Waits for a promise, but only for a moment: a silent server must not delay a close. */
export async function withinPatience(promise: Promise<unknown> | undefined): Promise<void> {
  await Promise.race([promise, pause(PATIENCE_MS)])
}

/** Ends a session of the server, and waits for its end. */
export async function endSession(pool: Pool, pid: number): Promise<void> {
  await pool.query('SELECT pg_catalog.pg_terminate_backend($1)', [pid])
  for (let tries = 0; tries < 100; tries++) {
    const { rowCount } = await pool.query('SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = $1', [pid])
    if (!rowCount) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Returns the SQLSTATE of a server error. */
export function stateOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : ''
  return typeof code === 'string' ? code : ''
}
