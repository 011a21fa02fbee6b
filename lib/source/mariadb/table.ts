import type { Document, Id, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import type { TableName } from './name.ts'
import type { Cell, Type } from './type.ts'
import { toValue } from './value.ts'

/** Options of the conversion from a table's rows to documents. */
export interface TableOptions {
  /**
   * The column of type `JSON` whose object is the document. All other columns are left out, except the
   * primary key, which is the document's `_id`.
   */
  document?: string
}

/** Describes a table by its name and options, before the first query. */
export interface TableReference extends TableName {
  /** The name of the collection, which its changes have too. */
  readonly collection: string
  readonly options: TableOptions
}

/** Describes a column of the documents. */
export interface Column {
  readonly name: string
  readonly type: Type
}

/** Describes a column in the binary log, with the codes that its type may have there. */
export interface LoggedColumn {
  readonly name: string
  readonly codes: readonly number[]
}

/**
 * Describes the parent of a child table. Changed rows of the parent change rows of the child by a foreign
 * key, directly or through other tables. The log lacks these changes of the child.
 */
export interface Parent extends TableName {
  /** Marks a parent whose deleted rows change the child. */
  readonly onDelete: boolean
  /** The parent's columns whose changes change the child. */
  readonly onUpdate: readonly string[]
}

/** Describes a table for reads of its rows and for the translation of their changes. */
export interface Table extends TableReference {
  /** The columns of the documents: without generated columns, and without geometry. */
  readonly columns: readonly Column[]
  /** All columns, in the order of the log. */
  readonly logged: readonly LoggedColumn[]
  /** The names of the primary key's columns, in the key's order. */
  readonly key: readonly string[]
  readonly parents: readonly Parent[]
}

/** Holds a row: one cell for each of the table's columns. */
export type Cells = readonly Cell[]

/** Returns the type of a column; `undefined` for a missing column. */
export function typeOf(table: Pick<Table, 'columns'>, name: string): Type | undefined {
  return table.columns.find((column) => column.name === name)?.type
}

/** Represents a row with its document. */
export interface Row {
  readonly cells: Cells
  readonly document: Document
}

/**
 * Builds the document of a row.
 *
 * @param like another row of the table. The document shares the values of equal cells with that row
 */
export function toDocument(
  table: Pick<Table, 'columns' | 'key' | 'options'>,
  cells: Cells,
  like?: Row,
): Document {
  const id = toId(table, cells)
  const { document } = table.options
  if (document !== undefined) {
    const index = table.columns.findIndex(({ name }) => name === document)
    const value = toValue({ kind: 'json' }, cells[index])
    // Puts the key first, as in a document of MongoDB.
    return Object.assign({ _id: id }, isObject(value) ? value : {}, { _id: id })
  }
  const result: Document = { _id: id }
  for (const [index, { name, type }] of table.columns.entries()) {
    if (name === '_id') continue
    const cell = cells[index]
    result[name] = like && like.cells[index] === cell ? like.document[name] : toValue(type, cell)
  }
  return result
}

/** Returns the `_id` of a row: its primary key's value, or an object of several columns' values. */
function toId({ key, columns }: Pick<Table, 'columns' | 'key'>, cells: Cells): Id {
  const values = key.map((name): [string, Json] => {
    const index = columns.findIndex((column) => column.name === name)
    const column = columns[index]
    return [name, column ? toValue(column.type, cells[index]) : null]
  })
  return values.length === 1 ? (values[0]?.[1] ?? null) : Object.fromEntries(values)
}
