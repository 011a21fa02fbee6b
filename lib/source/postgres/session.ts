import type { Pool, PoolClient, QueryResult } from 'pg'
import { quoteTable, type TableName } from './name.ts'

/** As much of a client of the `pg` package as is needed to ask something. */
export interface Queryable {
  query<Row>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>
}

/**
 * What makes the texts of values the same everywhere, whatever the server's, the database's, the role's and
 * the pool's own settings are.
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

/** The statements that set them, for the session or for the transaction alone. */
export function settings(scope: 'SESSION' | 'LOCAL'): string {
  return Object.entries(SETTINGS)
    .map(([name, value]) => `SET ${scope} ${name} = '${value}'`)
    .join('; ')
}

/** The settings as clauses of CREATE FUNCTION, but for the search path. */
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
 * What a table that can't be locked answers: there is no such table, no such schema, it is another kind of
 * relation, or the role may not.
 */
const NOT_LOCKED = new Set(['42P01', '3F000', '42809', '42501'])

/**
 * Runs a reading transaction of one snapshot, with the settings, on a client of the pool. Where there is a
 * table, it can't be emptied or altered from before the snapshot on.
 */
export async function readingTransaction<T>(
  pool: Pool,
  run: (client: PoolClient) => Promise<T>,
  table?: TableName,
): Promise<T> {
  const client = await pool.connect()
  const ignore = () => {}
  // The failed query tells what there is to tell; without a listener the process would end.
  client.on('error', ignore)
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
    client.off('error', ignore)
    client.release(broken)
  }
}

/** Ends a session of the server, and waits until it is gone. */
export async function endSession(pool: Pool, pid: number): Promise<void> {
  await pool.query('SELECT pg_catalog.pg_terminate_backend($1)', [pid])
  for (let tries = 0; tries < 100; tries++) {
    const { rowCount } = await pool.query('SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = $1', [pid])
    if (!rowCount) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The SQLSTATE of an error of the server. */
export function stateOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : ''
  return typeof code === 'string' ? code : ''
}
