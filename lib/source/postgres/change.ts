import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Operation } from '../../model/operation.ts'
import { isPathName } from '../../model/path.ts'
import type { Change, DocumentChange } from '../source.ts'
import { type Cells, type Column, type TableReference, toDocument, toId } from './table.ts'
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
  const start = (index: number, id: Id) => ({
    position: context.position(index),
    timestamp: context.timestamp,
    collection: table.collection,
    transaction: context.transaction,
    id,
  })
  const oldId = row.old && toId(table, row.columns, row.old, types)
  const before = row.old && row.full ? toDocument(table, row.columns, row.old, types) : undefined
  const removal = (id: Id): Change => ({
    ...start(0, id),
    kind: 'delete',
    operations: [{ operation: 'unset', path: '.' }],
    ...(before ? { before } : {}),
  })

  const reload = (): RowTranslation => {
    const { id: _, ...rest } = start(0, null)
    return complete([{ ...rest, kind: 'reload' }])
  }
  // Skips a table with a new key that is not known yet: a notice of it follows.
  const isKnown =
    table.key.length > 0 && table.key.every((name) => row.columns.some((one) => one.name === name))
  if (!isKnown) return reload()
  if (!row.cells) {
    // Reloads if another index than the key identifies rows: then the removed row is unknown.
    return oldId === undefined ? reload() : complete([removal(oldId)])
  }
  const cells = before && row.old ? filled(row.cells, row.old) : row.cells
  const id = toId(table, row.columns, cells, types) ?? oldId ?? null
  const told = wholeDocument(table, row.columns, cells, types)
  const moved = row.kind === 'update' && oldId !== undefined && idKey(oldId) !== idKey(id)
  if (row.kind === 'insert' || moved) {
    const insert: Change = {
      ...start(1, id),
      kind: 'insert',
      operations: told ? [setAll(told)] : [],
      ...(told ? { document: told } : {}),
    }
    return { changes: moved ? [removal(oldId), insert] : [insert], incomplete: !told }
  }
  if (before && told) return complete(differences(start(0, id), before, told))
  return withoutBefore(table, row.columns, cells, told, start(0, id), types)
}

type Start = Pick<DocumentChange, 'position' | 'timestamp' | 'collection' | 'transaction' | 'id'>

function differences(start: Start, before: Document, document: Document): Change[] {
  const operations = diff(before, document)
  if (operations.length === 0) return []
  const fields = Object.keys(before).filter((name) => name !== '_id')
  const changed = new Set(operations.map(({ path }) => path))
  // Sets the whole document if no field was kept, which is shorter.
  const replaced = changed.has('.') || (fields.length > 0 && fields.every((name) => changed.has(name)))
  return replaced
    ? [{ ...start, kind: 'replace', operations: [setAll(document)], before, document }]
    : [{ ...start, kind: 'update', operations, before, document }]
}

function withoutBefore(
  table: KeyedTable,
  columns: readonly Column[],
  cells: Cells,
  told: Document | undefined,
  start: Start,
  types: TypeCatalog,
): RowTranslation {
  if (table.options.document !== undefined) {
    // Keeps the old document for columns left unchanged by TOAST.
    return complete(told ? [{ ...start, kind: 'replace', operations: [setAll(told)], document: told }] : [])
  }
  const document = told ?? toDocument(table, columns, cells, types)
  const known = Object.entries(document).filter(([name]) => name !== '_id')
  if (!known.every(([name]) => isPathName(name))) {
    const operations = told ? [setAll(told)] : []
    const change: Change = { ...start, kind: 'replace', operations, ...(told ? { document: told } : {}) }
    return { changes: [change], incomplete: !told }
  }
  const operations = known.map(
    ([path, value]): Operation => ({ operation: 'set', path, data: value ?? null }),
  )
  if (operations.length === 0) return complete([])
  return complete([{ ...start, kind: 'update', operations, ...(told ? { document: told } : {}) }])
}

/** Builds the document, if all of its cells were reported. */
function wholeDocument(
  table: KeyedTable,
  columns: readonly Column[],
  cells: Cells,
  types: TypeCatalog,
): Document | undefined {
  const { document } = table.options
  const untold = columns.some(
    ({ name }, index) => cells[index] === undefined && (document === undefined || name === document),
  )
  return untold ? undefined : toDocument(table, columns, cells, types)
}

function filled(cells: Cells, old: Cells): Cells {
  return cells.map((cell, index) => (cell === undefined ? old[index] : cell))
}

function setAll(document: Document): Operation {
  return { operation: 'set', path: '.', data: document as Json }
}

function complete(changes: Change[]): RowTranslation {
  return { changes, incomplete: false }
}
