import type { Pool, PoolClient } from 'pg'
import { invalidOption } from '../../model/unknown.ts'
import { formatTableName, quote, quoteTable, type TableName } from './name.ts'
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
    throw invalidOption(
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
        throw invalidOption(await explainMissing(client, publication, table))
    }
    await othersWritersEnd(client, table)
  } finally {
    release(client)
  }
}

/** Explains why a table that was added to a publication is not published under its own name. */
async function explainMissing(client: PoolClient, publication: string, table: Table): Promise<string> {
  const { rows } = await queryTexts(
    client,
    `SELECT pg_catalog.pg_partition_root($2::pg_catalog.oid::pg_catalog.regclass)::text
      FROM pg_catalog.pg_publication WHERE pubname = $1 AND pubviaroot`,
    [publication, table.oid],
  )
  const root = rows[0]?.[0]
  return root
    ? `The changes of the partition ${table.collection} are published as those of ${root}: show ${root} ` +
        'instead, with a criteria'
    : `The publication ${publication} publishes each partition of ${table.collection} by itself: run ` +
        `ALTER PUBLICATION ${quote(publication)} SET (publish_via_partition_root = true)`
}

/** Runs a statement that another process may have run just now, or that takes another role. */
async function define(client: Pool | PoolClient, statement: string): Promise<void> {
  await client.query(statement).catch((cause: unknown) => {
    if (DUPLICATE.has(stateOf(cause))) return
    if (stateOf(cause) !== FORBIDDEN) throw cause
    throw invalidOption(
      `This role may not set up logical replication: run ${statement} once, as the tables' owner`,
      { cause },
    )
  })
}

/** The catalog of the published schemas, which PostgreSQL 13 and 14 do not have. */
const PUBLISHED_SCHEMAS = 6237

/**
 * Describes the publication of a table. The text differs after the table, or a schema, was removed and added
 * again, and after the publication's options were changed; `undefined` for an unpublished table.
 *
 * @throws ParticleError `INVALID_OPTION` if some writes are not published
 */
export async function describePublishing(
  client: PoolClient,
  publication: string,
  table: Table,
): Promise<string | undefined> {
  const mend = (name: TableName) => `run ALTER TABLE ${quoteTable(name)} REPLICA IDENTITY DEFAULT`
  if (table.identity === 'n') {
    throw invalidOption(
      `The table ${table.collection} has REPLICA IDENTITY NOTHING, so that changes do not identify their ` +
        `rows: ${mend(table)}`,
    )
  }
  // Reads the view's rows as JSON, because only PostgreSQL 15 and later have the two columns.
  const { rows } = await queryTexts(
    client,
    `SELECT pg_catalog.to_jsonb(p) ->> 'rowfilter', pg_catalog.to_jsonb(p) ->> 'attnames',
        concat_ws(' ', o.oid, o.xmin,
          (SELECT r.oid FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = o.oid AND r.prrelid = $4),
          (SELECT string_agg(d.objid::text, ',' ORDER BY d.objid) FROM pg_catalog.pg_depend d
            WHERE d.classid = ${PUBLISHED_SCHEMAS} AND d.refobjid = o.oid
            AND d.refclassid = 'pg_catalog.pg_publication'::pg_catalog.regclass)),
        (SELECT json_build_object('schema', n.nspname, 'name', c.relname)
          FROM pg_catalog.pg_partition_tree($4::pg_catalog.oid::pg_catalog.regclass) t
          JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.oid <> $4 AND c.relreplident = 'i'
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisreplident AND NOT i.indisprimary
          LIMIT 1)::text
      FROM pg_catalog.pg_publication_tables p JOIN pg_catalog.pg_publication o ON o.pubname = p.pubname
      WHERE p.pubname = $1 AND p.schemaname = $2 AND p.tablename = $3`,
    [publication, table.schema, table.name, table.oid],
  )
  const [found] = rows
  if (!found) return undefined
  const [filter, names, membership, odd] = found
  const told = new Set(JSON.parse(names ?? 'null') ?? table.columns.map(({ name }) => name))
  if (filter !== null || table.columns.some(({ name }) => !told.has(name)))
    throw invalidOption(
      `The publication ${publication} leaves out rows or columns of ${table.collection}: remove the table ` +
        'from it, and add the table without WHERE and without a list of columns',
    )
  if (odd) {
    const partition = JSON.parse(odd) as TableName
    throw invalidOption(
      `The partition ${formatTableName(partition)} has REPLICA IDENTITY USING INDEX, without the primary ` +
        `key, so that changes do not identify their rows: ${mend(partition)}`,
    )
  }
  return membership ?? ''
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
