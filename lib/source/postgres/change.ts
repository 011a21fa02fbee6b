import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Operation } from '../../model/operation.ts'
import { isPathName } from '../../model/path.ts'
import type { Change } from '../source.ts'
import { changeOf, difference, reload, removal, whole } from '../sql/change.ts'
import { type Cells, type Column, type Row, type TableReference, toDocument, toId } from './table.ts'
import type { TypeCatalog } from './type.ts'

/** Describes a followed table, with its key. */
export interface KeyedTable extends TableReference {
  readonly key: readonly string[]
}

/** Describes one change of a row, as the database reports it. */
export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly columns: readonly Column[]
  /**
   * The row before the change: all of it, or its identifying cells (the others are `undefined`). Left out if
   * unreported.
   */
  readonly old?: Cells | undefined
  /** Marks an `old` with all cells. */
  readonly full: boolean
  /** The row after the change, with `undefined` for unreported cells. Left out for a delete. */
  readonly cells?: Cells | undefined
  /** The row before the change, as an earlier change reported it. */
  known?: Row | undefined
}

/** Describes the place and time of changes. */
export interface ChangeContext {
  readonly timestamp: string
  readonly transaction: string
  readonly types: TypeCatalog
  /** Returns the position of the change number `index` (0, 1) of a row's change. */
  position(index: number): string
}

/**
 * The most positions of a row's change: a new key needs a delete and an insert, and a new shape precedes
 * them.
 */
export const POSITIONS = 3

/** Describes a row's change as changes of the source contract. */
export interface RowTranslation {
  changes: Change[]
  /** The row after the change, if all of it is known. */
  row?: Row | undefined
  /** Marks a last change that lacks a value left out by TOAST: its document must be looked up. */
  incomplete: boolean
}

/**
 * Translates the change of a row to changes of the source contract. Pure.
 *
 * An insert becomes a `set` of `.`, a delete an `unset` of `.`. An update with a known earlier row becomes
 * the difference (nothing without a difference; a `set` of `.` if all fields differ). Another update becomes
 * a `set` of every column except those left unchanged by TOAST. A new key becomes a delete and an insert.
 */
export function translateRow(table: KeyedTable, row: RowChange, context: ChangeContext): RowTranslation {
  const { types } = context
  const { timestamp, transaction } = context
  const position = (index: number) => context.position(index)
  const place = { collection: table.collection, timestamp, transaction, position }
  const oldId = row.old && toId(table, row.columns, row.old, types)
  const before =
    row.old && row.full
      ? { cells: row.old, document: toDocument(table, row.columns, row.old, types) }
      : row.known
  const again = (): RowTranslation => complete([reload(place)])
  // Skips a table with a new key that is not known yet: a notice of it follows.
  const isKnown =
    table.key.length > 0 && table.key.every((name) => row.columns.some((one) => one.name === name))
  if (!isKnown) return again()
  if (!row.cells) {
    // Reloads if another index than the key identifies rows: then the removed row is unknown.
    return oldId === undefined ? again() : complete([removal(place, oldId, before?.document)])
  }
  const cells = before ? filled(row.cells, before.cells) : row.cells
  const id = toId(table, row.columns, cells, types) ?? oldId ?? null
  const told = wholeDocument(table, row.columns, cells, types, before)
  const after = told && { cells, document: told }
  const moved = row.kind === 'update' && oldId !== undefined && idKey(oldId) !== idKey(id)
  if (row.kind === 'insert' || moved) {
    const insert = whole(place, 'insert', 1, id, told)
    const changes = moved ? [removal(place, oldId, before?.document), insert] : [insert]
    return { changes, incomplete: !told, row: after }
  }
  if (before && told) return complete(difference(place, before.document, told), after)
  const replacement = () => whole(place, 'replace', 0, id, told)
  if (table.options.document !== undefined) {
    // Keeps the old document for columns left unchanged by TOAST.
    return complete(told ? [replacement()] : [], after)
  }
  const document = told ?? toDocument(table, row.columns, cells, types)
  const operations: Operation[] = []
  for (const [path, value] of Object.entries(document)) {
    if (path === '_id') continue
    if (!isPathName(path)) return { changes: [replacement()], incomplete: !told, row: after }
    operations.push({ operation: 'set', path, data: value ?? null })
  }
  if (operations.length === 0) return complete([], after)
  const change = changeOf(place, 'update', 0, id, operations)
  if (told) change.document = told
  return complete([change], after)
}

/** Builds the document, if all of its cells were reported. */
function wholeDocument(
  table: KeyedTable,
  columns: readonly Column[],
  cells: Cells,
  types: TypeCatalog,
  like: Row | undefined,
): Document | undefined {
  const { document } = table.options
  const untold = columns.some(
    ({ name }, index) => cells[index] === undefined && (document === undefined || name === document),
  )
  return untold ? undefined : toDocument(table, columns, cells, types, like)
}

function filled(cells: Cells, old: Cells): Cells {
  if (!cells.includes(undefined)) return cells
  return cells.map((cell, index) => (cell === undefined ? old[index] : cell))
}

function complete(changes: Change[], row?: Row): RowTranslation {
  return { changes, incomplete: false, row }
}
