import type { PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { formatTableName, type TableName } from './name.ts'
import { queryTexts } from './session.ts'
import type { Type, TypeCatalog } from './type.ts'
import { toValue } from './value.ts'

/** How a table's rows become documents. */
export interface TableOptions {
  /**
   * A column of type `jsonb` or `json` whose object is the document. The other columns are left out, but for
   * the primary key, which is the document's `_id`.
   */
  document?: string
}

/** A column of a table, or of a row that was told of. */
export interface Column {
  readonly name: string
  readonly oid: number
}

/** What there is to know of a table before its rows can be read. */
export interface Table extends TableName {
  /** The name that collections and changes carry. */
  readonly collection: string
  readonly oid: number
  /**
   * Those that PostgreSQL computes (`GENERATED ... STORED`) are left out: logical replication does not carry
   * them.
   */
  readonly columns: readonly Column[]
  /** The names of the primary key's columns, in the key's order. */
  readonly key: readonly string[]
  /** `d` by the primary key, `f` full, `i` another index, `n` nothing. */
  readonly identity: string
  /** Columns whose collation calls different texts equal. */
  readonly loose: ReadonlySet<string>
  /** Columns that are never NULL. */
  readonly required: ReadonlySet<string>
  /** Whether the database's texts are in UTF-8, whose bytes have the order of the characters. */
  readonly unicode: boolean
  readonly options: TableOptions
}

/** A table's name and how its rows are read, before the database was asked. */
export interface TableReference extends TableName {
  readonly collection: string
  readonly options: TableOptions
}

const QUERY = `SELECT c.oid::bigint::text, c.relreplident::text, c.relkind::text,
  (SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint, COALESCE(NOT l.collisdeterministic, false), a.attnotnull) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
  (SELECT json_agg(a.attname ORDER BY array_position(i.indkey::int2[], a.attnum))
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary),
  pg_catalog.getdatabaseencoding()::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`

/**
 * Asks the database for a table; `undefined` where there is none.
 *
 * @throws ParticleError `INVALID_OPTION` where its rows can't be documents: of a view, without a primary key,
 *   or without the `document` column.
 */
export async function loadTable(
  client: PoolClient,
  reference: TableReference,
  types: TypeCatalog,
): Promise<Table | undefined> {
  const { rows } = await queryTexts(client, QUERY, [reference.schema, reference.name])
  const [oid, identity, kind, columnsText, keyText, encoding] = rows[0] ?? []
  if (!oid) return undefined
  if (kind !== 'r' && kind !== 'p') throw unusable(reference, 'is no table, but a view or the like')
  const listed = JSON.parse(columnsText ?? '[]') as [string, number, boolean, boolean][]
  const columns = listed.map(([name, type]) => ({ name, oid: type }))
  const key = JSON.parse(keyText ?? '[]') as string[]
  const table = {
    ...reference,
    oid: Number(oid),
    columns,
    key,
    identity: identity ?? 'd',
    loose: new Set(listed.filter(([, , isLoose]) => isLoose).map(([name]) => name)),
    required: new Set(listed.filter(([, , , isRequired]) => isRequired).map(([name]) => name)),
    unicode: encoding === 'UTF8',
  }
  await types.load(
    client,
    columns.map((column) => column.oid),
  )
  if (key.length === 0) throw unusable(table, 'has no primary key')
  if (!key.every((name) => columns.some((column) => column.name === name)))
    throw unusable(table, 'has a generated column in its primary key')
  const document = reference.options.document
  if (document !== undefined && !/^jsonb?$/.test(typeOf(table, document, types)?.kind ?? ''))
    throw unusable(table, `has no column ${JSON.stringify(document)} of the type jsonb or json`)
  return table
}

/** The type of a column; `undefined` where there is no such column. */
export function typeOf(table: Pick<Table, 'columns'>, name: string, types: TypeCatalog): Type | undefined {
  const column = table.columns.find((one) => one.name === name)
  return column && types.get(column.oid)
}

/** A row as the database's texts: `null` for NULL, `undefined` for what was not told. */
export type Cells = readonly (string | null | undefined)[]

/** The document of a row; what was not told is left out. */
export function toDocument(
  table: Pick<Table, 'key' | 'options'>,
  columns: readonly Column[],
  cells: Cells,
  types: TypeCatalog,
): Document {
  const id = toId(table, columns, cells, types) ?? null
  const { document } = table.options
  if (document !== undefined) {
    const index = columns.findIndex(({ name }) => name === document)
    const value = toValue({ kind: 'jsonb' }, cells[index] ?? null)
    // The key comes first, as in a document of MongoDB.
    return Object.assign({ _id: id }, isObject(value) ? value : {}, { _id: id })
  }
  const result: Document = { _id: id }
  for (const [index, { name, oid }] of columns.entries()) {
    const cell = cells[index]
    if (cell !== undefined && name !== '_id' && name !== '__proto__')
      result[name] = toValue(types.get(oid), cell)
  }
  return result
}

/**
 * The `_id` of a row: its primary key's value, or an object of them where the key has several columns;
 * `undefined` where it was not told.
 */
export function toId(
  table: Pick<Table, 'key'>,
  columns: readonly Column[],
  cells: Cells,
  types: TypeCatalog,
): Id | undefined {
  const values: [string, Json][] = []
  for (const name of table.key) {
    const index = columns.findIndex((column) => column.name === name)
    const cell = cells[index]
    const column = columns[index]
    if (cell === undefined || cell === null || !column) return undefined
    values.push([name, toValue(types.get(column.oid), cell)])
  }
  return values.length === 1 ? values[0]?.[1] : Object.fromEntries(values)
}

function unusable(table: TableName, what: string): ParticleError {
  return new ParticleError('INVALID_OPTION', `The table ${formatTableName(table)} ${what}`)
}
