import type { Document, Id, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import type { TableName } from './name.ts'
import type { Type, TypeCatalog } from './type.ts'
import { toValue } from './value.ts'

/** Describes the way from a table's rows to documents. */
export interface TableOptions {
  /**
   * The column of type `jsonb` or `json` whose object is the document. All other columns are left out, except
   * the primary key, which is the document's `_id`.
   */
  document?: string
}

/** Describes a column of a table, or of a reported row. */
export interface Column {
  readonly name: string
  readonly oid: number
}

/** Describes a table, as far as a read of its rows needs it. */
export interface Table extends TableName {
  /** The name that collections and changes carry. */
  readonly collection: string
  readonly oid: number
  readonly isPartitioned: boolean
  /** The columns, without computed ones (`GENERATED ... STORED`), which logical replication does not send. */
  readonly columns: readonly Column[]
  /** The names of the primary key's columns, in the key's order. */
  readonly key: readonly string[]
  /** `d` by the primary key, `f` full, `i` another index, `n` nothing. */
  readonly identity: string
  /** Columns whose collation calls different texts equal. */
  readonly loose: ReadonlySet<string>
  /** Columns that are never NULL. */
  readonly required: ReadonlySet<string>
  /** Marks a database in UTF-8, where the order of bytes is the order of characters. */
  readonly unicode: boolean
  /** The names of the columns' types, for messages. */
  readonly typeNames: ReadonlyMap<string, string>
  /** The names of the computed columns. */
  readonly generated: ReadonlySet<string>
  readonly options: TableOptions
}

/** Describes a table's name and the way to read its rows, before the first query. */
export interface TableReference extends TableName {
  readonly collection: string
  readonly options: TableOptions
}

/** Returns the type of a column; `undefined` for a missing column. */
export function typeOf(table: Pick<Table, 'columns'>, name: string, types: TypeCatalog): Type | undefined {
  const column = table.columns.find((one) => one.name === name)
  return column && types.get(column.oid)
}

/** Holds a row as the database's texts: `null` for NULL, `undefined` for an unreported cell. */
export type Cells = readonly (string | null | undefined)[]

/** Represents a row with its document. */
export interface Row {
  readonly cells: Cells
  readonly document: Document
}

/**
 * Builds the document of a row, without unreported cells.
 *
 * @param like a row of the same columns: the document shares the values of its equal cells
 */
export function toDocument(
  table: Pick<Table, 'key' | 'options'>,
  columns: readonly Column[],
  cells: Cells,
  types: TypeCatalog,
  like?: Row,
): Document {
  const id = toId(table, columns, cells, types) ?? null
  const { document } = table.options
  if (document !== undefined) {
    const index = columns.findIndex(({ name }) => name === document)
    const value = toValue({ kind: 'jsonb' }, cells[index] ?? null)
    // Puts the key first, as in a document of MongoDB.
    return Object.assign({ _id: id }, isObject(value) ? value : {}, { _id: id })
  }
  const result: Document = { _id: id }
  for (const [index, { name, oid }] of columns.entries()) {
    const cell = cells[index]
    if (cell === undefined || name === '_id' || name === '__proto__') continue
    result[name] = like?.cells[index] === cell ? like.document[name] : toValue(types.get(oid), cell)
  }
  return result
}

/**
 * Returns the `_id` of a row: its primary key's value, or an object of several columns' values; `undefined`
 * if unreported.
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
