import type { Document, Id, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import type { TableName } from './name.ts'
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
  readonly isPartitioned: boolean
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
