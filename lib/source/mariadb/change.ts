import type { Change } from '../source.ts'
import { changesOf, reload } from '../sql/change.ts'
import { type Cells, type Parent, type Table, toDocument } from './table.ts'
import type { Cell } from './type.ts'
import { isLost } from './value.ts'

/** Holds a row of the log: its cells by the names of its columns. */
export type LoggedRow = Readonly<Record<string, Cell>>

/** Describes one change of a row, as the log reports it. */
export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete'
  /** The row before the change. Left out for an insert. */
  readonly before?: LoggedRow | undefined
  /** The row after the change. Left out for a delete. */
  readonly after?: LoggedRow | undefined
}

/** Describes the place and time of changes. */
export interface ChangeContext {
  readonly timestamp: string
  readonly transaction: string
  /** Returns the position of the change number `index` (0, 1) of a row's change. */
  position(index: number): string
}

/** The most positions of one row's change. A change of the key is a delete and an insert. */
export const POSITIONS = 2

/** Describes the columns of a row in the log. */
export interface Layout {
  /** The names of all columns; left out by a server without `binlog_row_metadata=FULL`. */
  readonly names: readonly string[] | undefined
  /** The codes of their types. */
  readonly typeCodes: readonly number[]
  /** The names of the primary key's columns, in the key's order, if the log has them. */
  readonly key?: readonly string[] | undefined
}

/**
 * Checks that rows of the log have the columns of a table's definition. If the columns differ, an ALTER TABLE
 * lies between the rows and the definition.
 */
export function fits(table: Pick<Table, 'logged' | 'key'>, { names, typeCodes, key }: Layout): boolean {
  const { logged } = table
  if (names?.length !== logged.length || typeCodes.length !== logged.length) return false
  const isSameKey = key === undefined || JSON.stringify(key) === JSON.stringify(table.key)
  return (
    isSameKey &&
    logged.every(({ name, codes }, index) => names[index] === name && codes.includes(typeCodes[index] ?? -1))
  )
}

/**
 * Translates the change of a row, in a layout that {@link fits}, to changes of the source contract. Pure.
 *
 * An insert becomes a `set` of `.`, a delete an `unset` of `.`, an update the difference: no change without a
 * difference, a `set` of `.` if all fields differ. A new key becomes a delete and an insert. If the log's
 * reader lost a value, the change becomes a `reload`.
 */
export function translateRow(
  table: Table,
  { kind, before, after }: RowChange,
  context: ChangeContext,
): Change[] {
  const [old, fresh] = [before && cellsOf(table, before), after && cellsOf(table, after)]
  const place = {
    collection: table.collection,
    timestamp: context.timestamp,
    transaction: context.transaction,
    position: (index: number) => context.position(index),
  }
  if ([old, fresh].some((cells) => cells && hasLost(table, cells))) return [reload(place)]
  const known = old && { cells: old, document: toDocument(table, old) }
  return changesOf(place, { kind, before: known?.document, after: fresh && toDocument(table, fresh, known) })
}

/** Checks whether a changed row of a parent may change rows of the child table by a foreign key. */
export function cascades({ onDelete, onUpdate }: Parent, { kind, before, after }: RowChange): boolean {
  if (kind === 'insert') return false
  if (kind === 'delete' || !before || !after) return onDelete
  return onUpdate.some((name) => {
    // Ignores the case of letters: a foreign key that was made before its parent has the statement's case.
    const column = Object.keys(before).find((one) => one.toLowerCase() === name.toLowerCase())
    return column === undefined || !isSame(before[column], after[column])
  })
}

function isSame(a: Cell, b: Cell): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === b
}

function cellsOf({ columns }: Table, row: LoggedRow): Cells {
  return columns.map(({ name }) => row[name])
}

function hasLost({ columns, key }: Table, cells: Cells): boolean {
  return columns.some(({ name, type }, index) => isLost(type, cells[index], key.includes(name)))
}
