import type { Pool, PoolClient } from 'pg'
import { invalidOption, refuseUnknown } from '../../model/unknown.ts'
import { formatTableName, parseTableName, quote, quoteTable, type TableName } from './name.ts'
import { connect, queryTexts, release, settingClauses, stateOf } from './session.ts'
import type { Table } from './table.ts'

/** Options of {@link installTriggers}. */
export interface TriggerOptions {
  /** The outbox's schema, of lower-case letters, digits and `_`. Default: `particle_outbox`. */
  schema?: string
  /**
   * The number of row changes that the outbox keeps. Default: 100,000, or the value of an earlier
   * installation.
   */
  rows?: number
  /**
   * The time that the outbox keeps changes, in milliseconds. Default: 600,000 (ten minutes), or the value of
   * an earlier installation.
   */
  history?: number
  /** The roles that Particle connects as, if they differ from the installing role. */
  grantTo?: readonly string[]
}

/** dependent_objects_still_exist, duplicate_object: the trigger of the other table has a copy there. */
const COLLIDING = new Set(['2BP01', '42710'])

/** The trigger's name on each table. */
const TRIGGER = 'particle_record'

/** Checks a name that becomes part of others. Throws `INVALID_OPTION`. */
export function checkName(name: unknown, option: string): string {
  if (typeof name === 'string' && /^[a-z_][a-z0-9_]{0,39}$/.test(name)) return name
  throw invalidOption(`The option '${option}' must be a name of up to 40 lower-case letters, digits and _`)
}

/**
 * Installs an outbox in a schema of its own, and triggers on the tables that write to the outbox, so that
 * Particle can follow the tables without logical replication. Call this function as a role that owns the
 * tables, and again for further tables.
 *
 * The outbox keeps each change of a row as PostgreSQL's text of the row before and after. A transaction gets
 * its number at its commit, under a lock that is held until the commit is done: the order of numbers is the
 * order of commits. (So transactions that write to these tables commit one after the other, as all
 * transactions with NOTIFY do.) Two-phase commits of such transactions are not possible.
 */
export async function installTriggers(
  pool: Pool,
  tables: readonly string[],
  options: TriggerOptions = {},
): Promise<void> {
  refuseUnknown('installTriggers: option', options, ['schema', 'rows', 'history', 'grantTo'])
  const schema = checkName(options.schema ?? 'particle_outbox', 'schema')
  const { rows, history, grantTo = [] } = options
  for (const [name, value] of Object.entries({ rows, history })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue
    throw invalidOption(`The option '${name}' must be a whole number above 0`)
  }
  const statements = [
    outboxSql(schema),
    ...(rows === undefined ? [] : [`UPDATE ${schema}.meta SET keep_rows = ${rows}`]),
    ...(history === undefined ? [] : [`UPDATE ${schema}.meta SET keep = '${history} milliseconds'`]),
    ...tables.map((table) => triggerSql(schema, parseTableName(table))),
    ...grantTo.map((role) => grantSql(schema, role)),
  ]
  await checkSchema(pool, schema)
  const client = await connect(pool)
  try {
    await client.query('BEGIN')
    for (const statement of statements) await client.query(statement)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    if (!COLLIDING.has(stateOf(error))) throw error
    throw invalidOption(
      `A table and a partition of it can't both have triggers: show the whole table, with a criteria, or ` +
        `only partitions (${error instanceof Error ? error.message : error})`,
      { cause: error },
    )
  } finally {
    release(client)
  }
}

/** Removes the outbox and all triggers that write to it. */
export async function removeTriggers(
  pool: Pool,
  options: Pick<TriggerOptions, 'schema'> = {},
): Promise<void> {
  refuseUnknown('removeTriggers: option', options, ['schema'])
  const schema = checkName(options.schema ?? 'particle_outbox', 'schema')
  await checkSchema(pool, schema)
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
}

/** Lists the tables with changes in an outbox, by name; `undefined` without an outbox. */
export async function installedTables(pool: Pool, schema: string): Promise<string[] | undefined> {
  const { rows } = await pool.query<{ schema: string; name: string | null }>(
    `SELECT n.nspname AS schema, c.relname AS name
      FROM pg_catalog.pg_namespace s
      LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = s.oid AND p.proname = 'record'
      LEFT JOIN pg_catalog.pg_trigger t ON t.tgfoid = p.oid AND t.tgname = $2 AND t.tgparentid = 0
      LEFT JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE s.nspname = $1 ORDER BY 1, 2`,
    [schema, TRIGGER],
  )
  if (rows.length === 0) return undefined
  return rows.flatMap(({ schema: of, name }) =>
    name === null ? [] : [formatTableName({ schema: of, name })],
  )
}

/**
 * Describes the triggers of a table and of its partitions. The text differs after the triggers were created
 * again, or switched off and on.
 *
 * @throws ParticleError `INVALID_OPTION` if triggers are missing, or don't fire for every write
 */
export async function describeTriggers(client: PoolClient, table: Table): Promise<string> {
  const { rows } = await queryTexts(
    client,
    `SELECT t.tgname, n.nspname, c.relname, t.tgenabled = 'A', concat_ws(' ', t.oid, t.xmin)
      FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE t.tgname::text IN ($2::text, $2::text || '_truncate') AND (t.tgrelid = $1 OR t.tgrelid IN (
        SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass)))
      ORDER BY t.oid`,
    [table.oid, TRIGGER],
  )
  if (rows.length < 2)
    throw invalidOption(
      `The changes of the table ${table.collection} are not recorded: run npx particle postgres install ` +
        `${table.collection}, or installTriggers, once, as the table's owner`,
    )
  const [silent] = rows.filter(([, , , always]) => always !== 't')
  if (silent) {
    const [trigger, schema = '', name = ''] = silent.map((text) => text ?? '')
    const statement = `ALTER TABLE ${quoteTable({ schema, name })} ENABLE ALWAYS TRIGGER ${trigger}`
    throw invalidOption(
      `Some changes of the table ${table.collection} are not recorded, because a trigger does not fire for ` +
        `every write: run ${statement}, or installTriggers again`,
    )
  }
  return rows.map(([, , , , version]) => version).join()
}

/** Checks that the schema contains nothing but the outbox, because it is dropped as a whole. */
async function checkSchema(pool: Pool, schema: string): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT relname AS name
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f')
      AND relname NOT IN ('meta', 'commits', 'changes') LIMIT 1`,
    [schema],
  )
  const [other] = rows
  if (other === undefined) return
  throw invalidOption(
    `The schema ${schema} contains ${other.name}, which is no part of an outbox: name a schema of its own`,
  )
}

function triggerSql(schema: string, table: TableName): string {
  return `
    DROP TRIGGER IF EXISTS ${TRIGGER} ON ${quoteTable(table)};
    CREATE TRIGGER ${TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON ${quoteTable(table)}
      FOR EACH ROW EXECUTE FUNCTION ${schema}.record();
    ALTER TABLE ${quoteTable(table)} ENABLE ALWAYS TRIGGER ${TRIGGER};
    DROP TRIGGER IF EXISTS ${TRIGGER}_truncate ON ${quoteTable(table)};
    CREATE TRIGGER ${TRIGGER}_truncate AFTER TRUNCATE ON ${quoteTable(table)}
      FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.record();
    ALTER TABLE ${quoteTable(table)} ENABLE ALWAYS TRIGGER ${TRIGGER}_truncate`
}

/** Writes a part of a table's name in SQL as `formatTableName` does. */
function nameSql(part: string): string {
  return `CASE WHEN ${part} ~ '["\\.]' THEN '"' || replace(${part}, '"', '""') || '"' ELSE ${part} END`
}

function grantSql(schema: string, role: string): string {
  return `
    GRANT USAGE ON SCHEMA ${schema} TO ${quote(role)};
    GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${quote(role)};
    GRANT EXECUTE ON FUNCTION ${schema}.trim(), ${schema}.reshape(text, text, text) TO ${quote(role)}`
}

/**
 * Writes the SQL of the outbox: `changes` has a row for each change of a row, `commits` one for each
 * transaction, in the order of the commits. `floor` is the lowest number of a commit with all of its changes.
 */
function outboxSql(schema: string): string {
  const secure = 'LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp'
  const setting = `'particle.${schema}_xid'`
  const declarations = `me xid8 := pg_current_xact_id();
      is_first boolean := current_setting(${setting}, true) IS DISTINCT FROM me::text;`
  // Sets the setting with the row: the rollback of a savepoint takes back both.
  const insertion = (values: string) => `
      IF is_first THEN PERFORM set_config(${setting}, me::text, true); END IF;
      INSERT INTO ${schema}.changes (xid, first, collection, kind, columns, old, new)
        VALUES (me, is_first, ${values})`
  const collection = `CASE of_schema WHEN 'public' THEN '' ELSE ${nameSql('of_schema')} || '.' END
          || ${nameSql('of_table')}`
  return `
    CREATE SCHEMA IF NOT EXISTS ${schema};
    CREATE TABLE IF NOT EXISTS ${schema}.meta (
      epoch uuid NOT NULL DEFAULT gen_random_uuid(), floor bigint NOT NULL DEFAULT 1,
      keep_rows bigint NOT NULL DEFAULT 100000, keep interval NOT NULL DEFAULT '10 minutes',
      one boolean PRIMARY KEY DEFAULT true CHECK (one));
    INSERT INTO ${schema}.meta DEFAULT VALUES ON CONFLICT DO NOTHING;
    CREATE TABLE IF NOT EXISTS ${schema}.commits (
      number bigserial PRIMARY KEY, xid xid8 NOT NULL UNIQUE, at timestamptz NOT NULL, total bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS ${schema}.changes (
      id bigserial PRIMARY KEY, xid xid8 NOT NULL, first boolean NOT NULL, collection text NOT NULL,
      kind text NOT NULL, columns text, old text, new text);
    CREATE INDEX IF NOT EXISTS changes_xid ON ${schema}.changes (xid, id);
    CREATE SEQUENCE IF NOT EXISTS ${schema}.total;

    CREATE OR REPLACE FUNCTION ${schema}.record() RETURNS trigger AS $$
    DECLARE
      ${declarations}
      shape text;
      old_row text;
      new_row text;
      of_schema text := TG_TABLE_SCHEMA;
      of_table text := TG_TABLE_NAME;
    BEGIN
      IF TG_OP <> 'TRUNCATE' THEN
        IF TG_OP <> 'INSERT' THEN old_row := OLD::text; END IF;
        IF TG_OP <> 'DELETE' THEN new_row := NEW::text; END IF;
        IF old_row = new_row THEN RETURN NULL; END IF;
        SELECT json_agg(json_build_array(attname, atttypid::bigint, attgenerated <> '') ORDER BY attnum)
          INTO shape FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped;
        -- Finds the table with the original trigger of a partition.
        IF (SELECT relispartition FROM pg_class WHERE oid = TG_RELID) THEN
          WITH RECURSIVE up AS (
            SELECT tgrelid, tgparentid FROM pg_trigger WHERE tgrelid = TG_RELID AND tgname = TG_NAME
            UNION ALL SELECT t.tgrelid, t.tgparentid FROM pg_trigger t JOIN up ON t.oid = up.tgparentid)
          SELECT n.nspname, c.relname INTO of_schema, of_table
            FROM up JOIN pg_class c ON c.oid = up.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE up.tgparentid = 0;
        END IF;
      END IF;
      ${insertion(`${collection}, lower(TG_OP), shape, old_row, new_row`)};
      RETURN NULL;
    END $$ ${secure} ${settingClauses()};

    CREATE OR REPLACE FUNCTION ${schema}.commit() RETURNS trigger AS $$
    DECLARE
      mine bigint;
      place bigint;
    BEGIN
      PERFORM pg_advisory_xact_lock(1885434739, hashtext('${schema}'));
      SELECT count(*) INTO mine FROM ${schema}.changes WHERE xid = NEW.xid;
      INSERT INTO ${schema}.commits (xid, at, total)
        SELECT NEW.xid, clock_timestamp(), setval('${schema}.total', last_value + mine) FROM ${schema}.total
        RETURNING number INTO place;
      PERFORM pg_notify('${schema}_changes', '');
      -- Trims only in READ COMMITTED: elsewhere the deletion could fail, and the transaction with it.
      IF place % 256 = 0 AND current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM ${schema}.trim();
      END IF;
      RETURN NULL;
    END $$ ${secure};
    DROP TRIGGER IF EXISTS commit ON ${schema}.changes;
    CREATE CONSTRAINT TRIGGER commit AFTER INSERT ON ${schema}.changes DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (NEW.first) EXECUTE FUNCTION ${schema}.commit();
    ALTER TABLE ${schema}.changes ENABLE ALWAYS TRIGGER commit;

    CREATE OR REPLACE FUNCTION ${schema}.trim() RETURNS void AS $$
    BEGIN
      IF NOT pg_try_advisory_xact_lock(1885434740, hashtext('${schema}')) THEN RETURN; END IF;
      WITH kept AS (SELECT max(number) AS last, max(total) AS total FROM ${schema}.commits),
      gone AS (
        DELETE FROM ${schema}.commits c USING kept, ${schema}.meta m
        WHERE c.number < kept.last
          AND (c.total <= kept.total - m.keep_rows OR c.at < clock_timestamp() - m.keep)
        RETURNING c.number, c.xid),
      rows AS (DELETE FROM ${schema}.changes USING gone WHERE changes.xid = gone.xid)
      UPDATE ${schema}.meta SET floor = past.number + 1
        FROM (SELECT max(number) AS number FROM gone) past WHERE past.number >= floor;
    END $$ ${secure};

    CREATE OR REPLACE FUNCTION ${schema}.reshape(_collection text, _columns text, _notice text)
    RETURNS void AS $$
    DECLARE
      ${declarations}
    BEGIN
      ${insertion("_collection, 'reshape', _columns, NULL, _notice")};
    END $$ ${secure};

    REVOKE ALL ON FUNCTION ${schema}.record(), ${schema}.commit(), ${schema}.trim(),
      ${schema}.reshape(text, text, text) FROM PUBLIC`
}
