import type { Pool, PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
import { quote, quoteTable } from './name.ts'
import { connect, queryTexts, release, stateOf } from './session.ts'
import type { Table } from './table.ts'

const DUPLICATE = new Set(['42710', '23505'])
const FORBIDDEN = '42501'
const PAUSE_MS = 50

/**
 * Creates a missing publication of this name, and keeps an existing one.
 *
 * @throws ParticleError `INVALID_OPTION` if the existing publication does not publish all writes
 */
export async function ensurePublication(pool: Pool, publication: string): Promise<void> {
  const { rows } = await pool.query<{ whole: boolean }>(
    `SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AS whole
      FROM pg_catalog.pg_publication WHERE pubname = $1`,
    [publication],
  )
  const [known] = rows
  if (known?.whole) return
  if (known)
    throw new ParticleError(
      'INVALID_OPTION',
      `The publication ${publication} leaves out some operations: run ALTER PUBLICATION ` +
        `${quote(publication)} SET (publish = 'insert, update, delete, truncate')`,
    )
  await define(pool, `CREATE PUBLICATION ${quote(publication)} WITH (publish_via_partition_root = true)`)
}

/**
 * Adds a table to the publication. Waits for the end of all transactions that were writing to the table
 * before, because their writes are not published.
 *
 * @throws ParticleError `INVALID_OPTION` if the role lacks the privilege, or the publication leaves something
 *   out
 */
export async function publishTable(pool: Pool, publication: string, table: Table): Promise<void> {
  const client = await connect(pool)
  try {
    if ((await describePublishing(client, publication, table)) === undefined) {
      await define(client, `ALTER PUBLICATION ${quote(publication)} ADD TABLE ${quoteTable(table)}`)
      if ((await describePublishing(client, publication, table)) === undefined)
        throw new ParticleError(
          'INVALID_OPTION',
          `The publication ${publication} publishes each partition of ${table.collection} by itself: run ` +
            `ALTER PUBLICATION ${quote(publication)} SET (publish_via_partition_root = true)`,
        )
    }
    await othersWritersEnd(client, table)
  } finally {
    release(client)
  }
}

/** Runs a statement that another process may have run just now, or that takes another role. */
async function define(client: Pool | PoolClient, statement: string): Promise<void> {
  await client.query(statement).catch((cause: unknown) => {
    if (DUPLICATE.has(stateOf(cause))) return
    if (stateOf(cause) !== FORBIDDEN) throw cause
    throw new ParticleError(
      'INVALID_OPTION',
      `This role may not set up logical replication: run ${statement} once, as the tables' owner`,
      { cause },
    )
  })
}

/**
 * Describes the publication of a table. The text differs after the table was removed and added again;
 * `undefined` for an unpublished table.
 *
 * @throws ParticleError `INVALID_OPTION` if some writes are not published
 */
export async function describePublishing(
  client: PoolClient,
  publication: string,
  table: Table,
): Promise<string | undefined> {
  if (table.identity === 'n') {
    throw new ParticleError(
      'INVALID_OPTION',
      `The table ${table.collection} has REPLICA IDENTITY NOTHING, so that changes do not identify their ` +
        `rows: run ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY DEFAULT`,
    )
  }
  // Reads the view's rows as JSON, because only PostgreSQL 15 and later have the two columns.
  const { rows } = await queryTexts(
    client,
    `SELECT pg_catalog.to_jsonb(p) ->> 'rowfilter', pg_catalog.to_jsonb(p) ->> 'attnames',
        (SELECT json_agg(r.oid) FROM pg_catalog.pg_publication_rel r
          JOIN pg_catalog.pg_publication o ON o.oid = r.prpubid
          WHERE o.pubname = $1 AND r.prrelid = $4)::text
      FROM pg_catalog.pg_publication_tables p WHERE pubname = $1 AND schemaname = $2 AND tablename = $3`,
    [publication, table.schema, table.name, table.oid],
  )
  const [found] = rows
  if (!found) return undefined
  const [filter, names, membership] = found
  const told = new Set(JSON.parse(names ?? 'null') ?? table.columns.map(({ name }) => name))
  if (filter !== null || table.columns.some(({ name }) => !told.has(name)))
    throw new ParticleError(
      'INVALID_OPTION',
      `The publication ${publication} leaves out rows or columns of ${table.collection}: remove the table ` +
        'from it, and add the table without WHERE and without a list of columns',
    )
  return membership ?? 'all'
}

/** Waits for the end of all transactions with a write lock on the table, or on a partition of it. */
async function othersWritersEnd(client: PoolClient, table: Table): Promise<void> {
  const writers = async (): Promise<Set<string>> => {
    const { rows } = await queryTexts(
      client,
      `SELECT DISTINCT virtualtransaction FROM pg_catalog.pg_locks
        WHERE locktype = 'relation' AND granted AND mode IN
          ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND (relation = $1 OR relation IN (
          SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass)))`,
      [table.oid],
    )
    return new Set(rows.map(([transaction]) => transaction ?? ''))
  }
  const before = await writers()
  while (before.size > 0) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    const now = await writers()
    for (const transaction of before) if (!now.has(transaction)) before.delete(transaction)
  }
}
