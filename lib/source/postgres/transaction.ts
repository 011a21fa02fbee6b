import { isoTime } from '../../model/iso-time.ts'
import type { Change, DocumentChange, ReportedChange } from '../source.ts'
import { type ChangeContext, POSITIONS, type RowChange, translateRow } from './change.ts'
import { type FollowedTable, parseNotice, shapeOf, withFacts } from './followed-table.ts'
import { formatTableName } from './name.ts'
import type { Message, Relation } from './pgoutput.ts'
import { formatPosition } from './position.ts'
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
  /** The prefix of the messages that hold a {@link TableNotice}. */
  prefix: string
  /** Checks whether somebody is shown a collection. Left out by a listener that takes no encoded changes. */
  isShown?: ((collection: string) => boolean) | undefined
}

/** Caches the names of relations: the stream describes a relation once for many rows. */
const names = new WeakMap<Relation, string>()
/** Caches the table with whose facts a relation agrees: a comparison takes 2 µs. */
const agreeing = new WeakMap<Relation, FollowedTable>()

function nameOf(relation: Relation): string {
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
  const whole = (kind: 'clear' | 'reload', collection: string): Change => ({
    kind,
    position: position(0),
    timestamp,
    collection,
    transaction: name,
  })
  const row = (relation: Relation, change: RowChange): void => {
    const table = tableOf(nameOf(relation))
    if (!table || table.isRefused) return
    const shaped = shapedBy(relation, table)
    if (shaped !== table) {
      changes.push(whole('reload', table.collection))
      reshaped.set(table.collection, shaped)
    }
    if (change.kind === 'update' && !identifies(relation, shaped.key)) {
      // Reloads if another index than the key identifies rows: then the row's earlier key is unknown.
      if (shaped === table) changes.push(whole('reload', table.collection))
      return
    }
    const first = ordinal + 1
    const context: ChangeContext = {
      timestamp,
      transaction: name,
      types,
      position: (index) => formatPosition(epoch, transaction.lsn, first + index),
    }
    if (options.isShown?.(table.collection) === false && isAlone(change)) {
      changes.push({
        kind: 'encoded',
        position: context.position(change.kind === 'insert' ? 1 : 0),
        timestamp,
        collection: table.collection,
        transaction: name,
        bytes: bytesOf(change),
        decode: () => translateRow(shaped, change, context).changes,
      })
      return
    }
    const translation = translateRow(shaped, change, context)
    changes.push(...translation.changes)
    const last = translation.changes.at(-1)
    if (translation.incomplete && last && 'id' in last) incomplete.add(last)
  }

  for (const message of transaction.messages) {
    switch (message.tag) {
      case 'insert':
      case 'update':
      case 'delete': {
        const { tag, relation } = message
        const old = tag === 'insert' ? undefined : message.old
        row(relation, {
          kind: tag,
          columns: relation.columns,
          old: old && (old.full ? old.cells : identifiers(relation, old.cells)),
          full: old?.full ?? false,
          cells: tag === 'delete' ? undefined : message.cells,
        })
        break
      }
      case 'truncate':
        for (const relation of message.relations) {
          const table = tableOf(nameOf(relation))
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

/** Checks for a row that makes one change: its key stays, and no value of it must be looked up. */
function isAlone({ kind, old, full, cells }: RowChange): boolean {
  if (kind === 'delete') return full || old !== undefined
  return old === undefined && cells?.includes(undefined) === false
}

function bytesOf({ old, cells }: RowChange): number {
  let bytes = 0
  for (const cell of old ?? []) bytes += cell?.length ?? 0
  for (const cell of cells ?? []) bytes += cell?.length ?? 0
  return bytes
}

/** Checks that an update reports an earlier key. */
function identifies({ columns, identifying }: Relation, key: readonly string[]): boolean {
  return key.every((name) => identifying[columns.findIndex((column) => column.name === name)])
}

/** Drops the other cells of a key, which are NULLs without a meaning. */
function identifiers(relation: Relation, cells: RowChange['old'] & object): RowChange['old'] {
  return cells.map((cell, index) => (relation.identifying[index] ? cell : undefined))
}

/** Yields the types of the columns of a transaction's changes. */
export function* oidsOf(transaction: Transaction): Generator<number> {
  const known = new Set<unknown>()
  for (const message of transaction.messages) {
    if (!('relation' in message) || known.has(message.relation)) continue
    known.add(message.relation)
    for (const { oid } of message.relation.columns) yield oid
  }
}
