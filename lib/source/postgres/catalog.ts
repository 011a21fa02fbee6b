import type { PoolClient } from 'pg'
import type { ParticleError } from '../../errors.ts'
import { invalidOption } from '../../model/unknown.ts'
import { describeIdColumn } from '../sql/id-column.ts'
import { formatTableName, quote, quoteTable, type TableName } from './name.ts'
import { queryTexts } from './session.ts'
import { type Table, type TableReference, typeOf } from './table.ts'
import type { TypeCatalog } from './type.ts'

const QUERY = `SELECT c.oid::bigint::text, c.relreplident::text, c.relkind::text, c.relpersistence::text,
  pg_catalog.row_security_active(c.oid)::text, CURRENT_USER::text,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE')::text,
  (SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint,
      COALESCE(NOT l.collisdeterministic, false), a.attnotnull,
      pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'),
      pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '') ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT json_agg(a.attname ORDER BY array_position(i.indkey::int2[], a.attnum))
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary),
  pg_catalog.getdatabaseencoding()::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`

/**
 * Finds the relations that hold the rows, and the parts of the columns' types. Reads the versions (`xmin`) of
 * the catalog's rows, because a statement may be taken back between two checks: DETACH and ATTACH PARTITION,
 * RENAME there and back. ANALYZE and VACUUM make no new versions.
 */
const STORAGE = `WITH RECURSIVE relations AS (
    SELECT $1::pg_catalog.oid AS oid
    UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass)),
  types AS (
    SELECT atttypid AS oid FROM pg_catalog.pg_attribute
      WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
    UNION SELECT part.oid FROM types JOIN pg_catalog.pg_type t ON t.oid = types.oid
      LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
      LEFT JOIN pg_catalog.pg_attribute a ON t.typtype = 'c' AND a.attrelid = t.typrelid
        AND a.attnum > 0 AND NOT a.attisdropped
      CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype), (r.rngsubtype), (a.atttypid)) part (oid)
      WHERE part.oid <> 0)
  SELECT
    (SELECT string_agg(concat_ws(' ', c.oid, c.xmin, i.xmin, c.relfilenode), ',' ORDER BY c.oid)
      FROM relations r JOIN pg_catalog.pg_class c ON c.oid = r.oid
      LEFT JOIN pg_catalog.pg_inherits i ON c.relispartition AND i.inhrelid = r.oid)::text,
    (SELECT string_agg(concat_ws(' ', e.oid, e.xmin), ',' ORDER BY e.oid)
      FROM pg_catalog.pg_enum e JOIN types ON types.oid = e.enumtypid)::text,
    (SELECT string_agg(concat_ws(' ', a.attrelid, a.attnum, a.xmin), ',' ORDER BY a.attrelid, a.attnum)
      FROM pg_catalog.pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND (a.attrelid = $1
        OR a.attrelid IN (SELECT t.typrelid FROM types JOIN pg_catalog.pg_type t ON t.oid = types.oid
          WHERE t.typtype = 'c')))::text,
    (SELECT json_build_array(n.nspname, c.relname, c.relkind, c.relpersistence)
      FROM relations r JOIN pg_catalog.pg_class c ON c.oid = r.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind NOT IN ('r', 'p') OR c.relpersistence <> 'p' LIMIT 1)::text`

/** Describes a column as the query has it. */
type Listed = [
  name: string,
  type: number,
  isLoose: boolean,
  isRequired: boolean,
  isReadable: boolean,
  typeName: string,
  isGenerated: boolean,
]

const VIEW_MEND = 'use its tables, with a criteria and a manifest for the visible part'

/** Explains why a kind of relation has no changes to report, and names the remedy. */
const KINDS: Readonly<Record<string, string>> = {
  v: `is a view, whose changes PostgreSQL does not report: ${VIEW_MEND}`,
  m: `is a materialized view, whose changes PostgreSQL does not report: ${VIEW_MEND}`,
  f: 'is a foreign table, whose changes this server does not report: connect Particle to the foreign server',
}

/**
 * Loads a table from the catalog; `undefined` for a missing table.
 *
 * @throws ParticleError `INVALID_OPTION` if rows can't be documents, or changes would be missed: a view, no
 *   primary key, row-level security, and so on
 */
export async function loadTable(
  client: PoolClient,
  reference: TableReference,
  types: TypeCatalog,
): Promise<Table | undefined> {
  const { rows } = await queryTexts(client, QUERY, [reference.schema, reference.name])
  const [oid, identity, kind, persistence, secured, role, usable, columnsText, keyText, encoding] =
    rows[0] ?? []
  if (!oid) return undefined
  refuseKind(reference, kind ?? '', persistence ?? '')
  const all = JSON.parse(columnsText ?? '[]') as Listed[]
  const listed = all.filter(([, , , , , , isGenerated]) => !isGenerated)
  const unreadable = listed.filter(([, , , , isReadable]) => !isReadable).map(([name]) => quote(name))
  if (usable !== 'true')
    throw unusable(reference, notGranted(`USAGE ON SCHEMA ${quote(reference.schema)}`, role))
  if (unreadable.length > 0)
    throw unusable(
      reference,
      notGranted(`SELECT (${unreadable.join(', ')}) ON ${quoteTable(reference)}`, role),
    )
  if (secured === 'true') {
    throw unusable(
      reference,
      `is under row-level security for the role ${role}: its policies apply to reads, but not to changes. ` +
        `Run ALTER ROLE ${quote(role ?? '')} BYPASSRLS, and select the visible rows by a criteria`,
    )
  }
  const columns = listed.map(([name, type]) => ({ name, oid: type }))
  const key = JSON.parse(keyText ?? '[]') as string[]
  const table = {
    ...reference,
    oid: Number(oid),
    isPartitioned: kind === 'p',
    columns,
    key,
    identity: identity ?? 'd',
    loose: new Set(listed.filter(([, , isLoose]) => isLoose).map(([name]) => name)),
    required: new Set(listed.filter(([, , , isRequired]) => isRequired).map(([name]) => name)),
    unicode: encoding === 'UTF8',
    typeNames: new Map(listed.map(([name, , , , , typeName]) => [name, typeName])),
    generated: new Set(all.filter((column) => !listed.includes(column)).map(([name]) => name)),
  }
  await types.load(
    client,
    columns.map((column) => column.oid),
  )
  refuseColumns(table, types)
  return table
}

/**
 * Describes the storage of a table's rows and the composition of their values. The text differs after rows or
 * values may have changed without a change of a row: after TRUNCATE, ATTACH and DETACH of a partition, after
 * a rewrite, a RENAME or an alteration of the table, and after an alteration of a type.
 *
 * @throws ParticleError `INVALID_OPTION` if a partition has no changes to report
 */
export async function describeStorage(client: PoolClient, table: Table): Promise<string> {
  const { rows } = await queryTexts(client, STORAGE, [table.oid])
  const [relations, labels, attributes, odd] = rows[0] ?? []
  if (odd) {
    const [schema, name, kind, persistence] = JSON.parse(odd) as [string, string, string, string]
    refuseKind({ schema, name }, kind, persistence)
  }
  return JSON.stringify([relations, labels, attributes])
}

/** Refuses a relation that is no table, and a table without a log. */
function refuseKind(table: TableName, kind: string, persistence: string): void {
  if (kind !== 'r' && kind !== 'p') throw unusable(table, KINDS[kind] ?? 'is no table: name a table')
  if (persistence === 'u')
    throw unusable(
      table,
      `is UNLOGGED, so that a crash empties it silently: run ALTER TABLE ${quoteTable(table)} SET LOGGED`,
    )
  if (persistence === 't')
    throw unusable(table, 'is temporary, so that only one session sees its rows: create a permanent table')
}

/** Refuses a table whose rows are no single document, or have no `_id`. */
function refuseColumns(table: Table, types: TypeCatalog): void {
  const { key, columns } = table
  const { document } = table.options
  if (key.length === 0) throw unusable(table, 'has no primary key: add one, which becomes the _id')
  if (!key.every((name) => columns.some((column) => column.name === name)))
    throw unusable(table, 'has a generated column in its primary key: use other columns for the key')
  if (document !== undefined && !/^jsonb?$/.test(typeOf(table, document, types)?.kind ?? ''))
    throw unusable(table, `has no column ${JSON.stringify(document)} of the type jsonb or json`)
  const wrongId = document === undefined ? describeIdColumn(quoteTable(table), key, columns) : undefined
  if (wrongId !== undefined) throw unusable(table, wrongId)
}

function notGranted(right: string, role: string | null | undefined): string {
  return `is not fully readable for the role ${role}: run GRANT ${right} TO ${quote(role ?? '')}`
}

function unusable(table: TableName, what: string): ParticleError {
  return invalidOption(`The table ${formatTableName(table)} ${what}`)
}
