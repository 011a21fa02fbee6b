import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Operation } from '../../model/operation.ts'
import { isPathName } from '../../model/path.ts'
import type { Change, DocumentChange } from '../source.ts'
import { type Cells, type Column, type TableReference, toDocument, toId } from './table.ts'
import type { TypeCatalog } from './type.ts'

/** A table whose changes are told: its key is known. */
export interface KeyedTable extends TableReference {
  readonly key: readonly string[]
}

/** One change of a row, as the database told it. */
export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly columns: readonly Column[]
  /**
   * The row before: all of it, or what identifies it (the rest is `undefined`). Left out where it is not
   * told.
   */
  readonly old?: Cells | undefined
  /** Whether `old` is all of it. */
  readonly full: boolean
  /** The row after; what the database left untold is `undefined`. Left out by a delete. */
  readonly cells?: Cells | undefined
}

/** Where and when changes were made. */
export interface ChangeContext {
  readonly timestamp: string
  readonly transaction: string
  readonly types: TypeCatalog
  /** The position of the change number `index` (0, 1) that comes of a row's change. */
  position(index: number): string
}

/**
 * How many positions a row's change takes at most: a new key makes it a delete and an insert; a new shape
 * comes before it.
 */
export const POSITIONS = 3

/** What the change of a row means, as changes of the source contract. */
export interface RowTranslation {
  changes: Change[]
  /**
   * The last of the changes lacks what TOAST left untold and no operation can do without: it must be looked
   * up.
   */
  incomplete: boolean
}

/**
 * What the change of a row means. Pure.
 *
 * An insert is a `set` of `.`, a delete an `unset` of `.`. An update is, where the row before is known, what
 * differs (nothing where nothing does; a `set` of `.` where all does); else a `set` of every column but those
 * that TOAST left unchanged. A new key is a delete and an insert.
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
  // The table has got a key that is not known yet: a notice of it follows.
  const isKnown =
    table.key.length > 0 && table.key.every((name) => row.columns.some((one) => one.name === name))
  if (!isKnown) return reload()
  if (!row.cells) {
    // What identifies a row may be another index than the key: then which row is gone can't be told.
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

/**
 * A change of a row whose document was looked up, which may be later than it: what came between follows and
 * leads there again.
 */
export function completed(change: DocumentChange, document: Document): DocumentChange {
  return { ...change, kind: change.kind === 'insert' ? 'insert' : 'replace', operations: [setAll(document)] }
}

type Start = Pick<DocumentChange, 'position' | 'timestamp' | 'collection' | 'transaction' | 'id'>

function differences(start: Start, before: Document, document: Document): Change[] {
  const operations = diff(before, document)
  if (operations.length === 0) return []
  const fields = Object.keys(before).filter((name) => name !== '_id')
  const changed = new Set(operations.map(({ path }) => path))
  // Where no field was kept, to say it whole is the shorter way.
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
    // Left unchanged by TOAST, the document is what it was.
    return complete(told ? [{ ...start, kind: 'replace', operations: [setAll(told)], document: told }] : [])
  }
  const known = Object.entries(toDocument(table, columns, cells, types)).filter(([name]) => name !== '_id')
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

/** The document, where all that it takes was told. */
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
