import type { Pool, PoolConfig } from 'pg'
import { formatTableName, parseTableName } from '../source/postgres/name.ts'
import { checkName, installedTables, installTriggers, removeTriggers } from '../source/postgres/triggers.ts'

/** Names the database and the schema of the outbox. */
export interface Connection {
  url: string | undefined
  schema: string | undefined
}

/** Configures `install`. */
export interface InstallOptions {
  grantTo: readonly string[]
  rows: number | undefined
  history: number | undefined
}

const CONNECT_MS = 10_000

/** Installs triggers and an outbox. Returns a report for people. */
export async function install(
  { url, schema = 'particle_outbox' }: Connection,
  tables: readonly string[],
  { grantTo, rows, history }: InstallOptions,
): Promise<string> {
  const names = [...new Set(tables.map((table) => formatTableName(parseTableName(table))))]
  checkName(schema, 'schema')
  return await withPool(url, async (pool, database) => {
    const before = await installedTables(pool, schema)
    await installTriggers(pool, names, {
      schema,
      grantTo,
      ...(rows === undefined ? {} : { rows }),
      ...(history === undefined ? {} : { history }),
    })
    const others = (before ?? []).filter((table) => !names.includes(table))
    return lines(`Installed in the database ${database}:`, [
      ['outbox', `schema ${schema}${before ? ', which was there' : ''}`],
      [
        'triggers',
        `on ${names.join(', ')}${others.length > 0 ? `; there were some on ${others.join(', ')}` : ''}`,
      ],
      ...(grantTo.length > 0 ? [['rights', `to read the outbox: ${grantTo.join(', ')}`] as const] : []),
    ])
  })
}

/** Removes the triggers and the outbox. Returns a report for people. */
export async function remove({ url, schema = 'particle_outbox' }: Connection): Promise<string> {
  checkName(schema, 'schema')
  return await withPool(url, async (pool, database) => {
    const tables = await installedTables(pool, schema)
    if (!tables) return `There is no outbox ${schema} in the database ${database}: nothing to remove.\n`
    await removeTriggers(pool, { schema })
    return lines(`Removed from the database ${database}:`, [
      ['outbox', `schema ${schema}`],
      ...(tables.length > 0 ? [['triggers', `on ${tables.join(', ')}`] as const] : []),
    ])
  })
}

function lines(title: string, parts: readonly (readonly [name: string, what: string])[]): string {
  return [title, ...parts.map(([name, what]) => `  ${name.padEnd(10)}${what}`), ''].join('\n')
}

async function withPool(
  given: string | undefined,
  run: (pool: Pool, database: string) => Promise<string>,
): Promise<string> {
  const pg = await import('pg')
  const url = given ?? (process.env.POSTGRES_URL || process.env.DATABASE_URL)
  const config: PoolConfig = { max: 1, connectionTimeoutMillis: CONNECT_MS, application_name: 'particle' }
  const pool = new pg.default.Pool(url ? { ...config, connectionString: url } : config)
  // Ignores this event, because the failed query reports the error.
  pool.on('error', () => {})
  try {
    const { rows } = await pool.query<{ name: string }>('SELECT pg_catalog.current_database() AS name')
    return await run(pool, rows[0]?.name ?? '')
  } finally {
    await pool.end()
  }
}
