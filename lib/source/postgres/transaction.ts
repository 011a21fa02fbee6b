import { isoTime } from '../../model/iso-time.ts'
import type { Change, DocumentChange, EncodedChange, ReportedChange } from '../source.ts'
import { type ChangeContext, POSITIONS, type RowChange, translateRow } from './change.ts'
import { type FollowedTable, parseNotice, shapeOf, withFacts } from './followed-table.ts'
import type { KnownRows } from './known-rows.ts'
import { formatTableName } from './name.ts'
import { isWhole, type Message, type Relation, type RowMessage, rowCells } from './pgoutput.ts'
import { formatPosition } from './position.ts'
import type { Cells } from './table.ts'
import type { TypeCatalog } from './type.ts'

/** Represents a transaction from the stream. */
export interface Transaction {
  /** The start of the commit. */
  readonly lsn: bigint
  readonly time: number
  readonly xid: number
  readonly messages: Message[]
  bytes: number
}

/** Describes a transaction's changes. */
export interface Translation {
  changes: ReportedChange[]
  /** The changes that lack their documents. */
  incomplete: Set<DocumentChange>
  /** The tables of another shape. */
  reshaped: FollowedTable[]
}

/** Options of {@link translateTransaction}. */
export interface TranslateOptions {
  epoch: string
  types: TypeCatalog
  /** Returns the table of a followed collection. */
  table(collection: string): FollowedTable | undefined
  /** The prefix of the messages that hold a `TableNotice`. */
  prefix: string
  /** The rows that changed last. A repeated translation needs them as they were before it. */
  rows: KnownRows
  /** Checks whether somebody is shown a collection. Left out by a listener that takes no encoded changes. */
  isShown?: ((collection: string) => boolean) | undefined
}

/** Caches the names of relations: the stream describes a relation once for many rows. */
const names = new WeakMap<Relation, string>()
/** Caches the table with whose facts a relation agrees: a comparison takes 2 µs. */
const agreeing = new WeakMap<Relation, FollowedTable>()

/** Returns the name that collections and changes of a relation carry. */
export function collectionOf(relation: Relation): string {
  const name = names.get(relation) ?? formatTableName(relation)
  names.set(relation, name)
  return name
}

/** Returns a table as a relation describes it; the table itself without a new fact. */
function shapedBy(relation: Relation, table: FollowedTable): FollowedTable {
  if (agreeing.get(relation) === table) return table
  const { oid, columns } = relation
  const shaped = withFacts(table, { oid, key: keyOf(relation, table.key), shape: shapeOf(columns) })
  agreeing.set(relation, shaped)
  return shaped
}

/**
 * Returns the table's present key, if the stream reports it. The order of several columns may be wrong, until
 * a notice corrects it.
 */
function keyOf({ byKey, columns, identifying }: Relation, key: readonly string[]): readonly string[] {
  const told = columns.filter((_, index) => identifying[index]).map(({ name }) => name)
  if (!byKey || told.length === 0) return key
  return told.length === key.length && told.every((name) => key.includes(name)) ? key : told
}

/**
 * Translates a transaction to changes of the source contract, all with one `transaction`. Each message takes
 * a fixed number of ordinals, with or without a change, so that every process gives a change the same
 * position.
 */
export function translateTransaction(transaction: Transaction, options: TranslateOptions): Translation {
  const { epoch, types } = options
  const changes: ReportedChange[] = []
  const incomplete = new Set<DocumentChange>()
  const reshaped = new Map<string, FollowedTable>()
  const timestamp = isoTime(transaction.time)
  const name = transactionName(transaction)
  let ordinal = 1
  const position = (index: number) => formatPosition(epoch, transaction.lsn, ordinal + index)
  const tableOf = (collection: string) => reshaped.get(collection) ?? options.table(collection)
  const whole = (kind: 'clear' | 'reload', collection: string): Change => {
    // Forgets the rows, since what makes a table be read again may also have changed rows unseen.
    options.rows.clear()
    return { kind, position: position(0), timestamp, collection, transaction: name }
  }
  const row = (message: RowMessage): void => {
    const { relation } = message
    const table = tableOf(collectionOf(relation))
    if (!table || table.isRefused) return
    const shaped = shapedBy(relation, table)
    if (shaped !== table) {
      changes.push(whole('reload', table.collection))
      reshaped.set(table.collection, shaped)
    }
    if (message.tag === 'update' && !identifies(relation, shaped.key)) {
      // Reloads if another index than the key identifies rows: then the row's earlier key is unknown.
      if (shaped === table) changes.push(whole('reload', table.collection))
      return
    }
    const first = ordinal + 1
    if (options.isShown?.(table.collection) === false && isAlone(message, shaped.key)) {
      options.rows.forget(relation)
      const at = formatPosition(epoch, transaction.lsn, message.tag === 'insert' ? first + 1 : first)
      changes.push(encodedRow(shaped, message, { timestamp, transaction: name, types, position: () => at }))
      return
    }
    const context: ChangeContext = {
      timestamp,
      transaction: name,
      types,
      position: (index) => formatPosition(epoch, transaction.lsn, first + index),
    }
    const change = rowChange(message)
    const key = keyTextOf(relation, change.cells ?? change.old ?? [])
    if (change.kind === 'update' && !change.old) change.known = options.rows.get(relation, key)
    const translation = translateRow(shaped, change, context)
    for (const one of translation.changes) changes.push(one)
    if (change.old) options.rows.set(relation, keyTextOf(relation, change.old), undefined)
    options.rows.set(relation, key, translation.row)
    const last = translation.changes.at(-1)
    if (translation.incomplete && last && 'id' in last) incomplete.add(last)
  }

  for (const message of transaction.messages) {
    switch (message.tag) {
      case 'insert':
      case 'update':
      case 'delete':
        row(message)
        break
      case 'truncate':
        for (const relation of message.relations) {
          const table = tableOf(collectionOf(relation))
          if (table && !table.isRefused) changes.push(whole('clear', table.collection))
          ordinal += POSITIONS
        }
        continue
      case 'message': {
        const notice = message.prefix === options.prefix ? parseNotice(message.content) : undefined
        const table = notice && tableOf(notice.collection)
        const noticed = table && withFacts(table, notice)
        if (noticed && noticed !== table) {
          changes.push(whole(noticed.oid === 0 ? 'clear' : 'reload', noticed.collection))
          reshaped.set(noticed.collection, noticed)
        }
      }
    }
    ordinal += POSITIONS
  }
  return { changes, incomplete, reshaped: [...reshaped.values()] }
}

/** Returns the text that joins the changes of a transaction: its place, and its number. */
function transactionName({ lsn, xid }: Transaction): string {
  return `${lsn.toString(16)}.${xid}`
}

/** Returns the number of a transaction from the text that joins its changes. */
export function xidOf(name: string): number {
  return Number(name.slice(name.indexOf('.') + 1))
}

/** Decodes the change of a row. */
function rowChange({ tag, relation, bytes }: RowMessage): RowChange {
  const { old, cells } = rowCells(bytes)
  return {
    kind: tag,
    columns: relation.columns,
    old: old && (old.full ? old.cells : identifiers(relation, old.cells)),
    full: old?.full ?? false,
    cells,
    known: undefined,
  }
}

/** Keeps a row as it came, in a text of one character a byte: one object, where its cells would be many. */
function encodedRow(
  table: FollowedTable,
  { tag, relation, bytes }: RowMessage,
  context: ChangeContext,
): EncodedChange {
  const text = bytes.toString('latin1')
  return {
    kind: 'encoded',
    position: context.position(0),
    timestamp: context.timestamp,
    collection: table.collection,
    transaction: context.transaction,
    bytes: text.length,
    decode: () =>
      translateRow(table, rowChange({ tag, relation, bytes: Buffer.from(text, 'latin1') }), context).changes,
  }
}

/** Checks for a row that makes one change: its key stays, and no value of it must be looked up. */
function isAlone({ tag, relation, bytes }: RowMessage, key: readonly string[]): boolean {
  if (tag === 'delete' || isWhole(bytes)) return true
  const { old, cells = [] } = rowCells(bytes)
  const isSame = (name: string) => {
    const index = relation.columns.findIndex((column) => column.name === name)
    return old?.cells[index] === cells[index]
  }
  return old?.full === true && key.every(isSame)
}

/** Joins the texts of a row's primary key. Returns `undefined` for a row that it does not tell. */
function keyTextOf({ byKey, identifying }: Relation, cells: Cells): string | undefined {
  if (!byKey) return undefined
  let text = ''
  for (const [index, cell] of cells.entries()) {
    if (!identifying[index]) continue
    if (cell === undefined) return undefined
    text += `${cell}\0`
  }
  return text
}

/** Checks that an update reports an earlier key. */
function identifies({ columns, identifying }: Relation, key: readonly string[]): boolean {
  return key.every((name) => identifying[columns.findIndex((column) => column.name === name)])
}

/** Drops the other cells of a key, which are NULLs without a meaning. */
function identifiers(relation: Relation, cells: RowChange['old'] & object): RowChange['old'] {
  return cells.map((cell, index) => (relation.identifying[index] ? cell : undefined))
}

/** Checks that the types of all rows of a transaction are loaded. */
export function isTyped({ messages }: Transaction, types: TypeCatalog): boolean {
  return messages.every((message) => !('relation' in message) || types.describes(message.relation.columns))
}

/** Yields the types of the columns of a transaction's changes. */
export function* oidsOf({ messages }: Transaction): Generator<number> {
  for (const relation of new Set(messages.map((message) => 'relation' in message && message.relation)))
    if (relation) for (const { oid } of relation.columns) yield oid
}
