import type { AnyBinlogEvent, BinlogEventByName as Named } from '@vlasky/zongji'
import type { LoggedRow, RowChange } from './change.ts'
import type { TableName } from './name.ts'
import type { Header } from './packet.ts'

/** Describes the rows that one event of the log changes in one table. */
export interface RowsEvent {
  readonly kind: 'rows'
  readonly table: TableName
  /** The names of the table's columns; left out by a server without `binlog_row_metadata=FULL`. */
  readonly names: readonly string[] | undefined
  readonly typeCodes: readonly number[]
  /** The names of the primary key's columns, in the key's order; left out if `names` is. */
  readonly key: readonly string[] | undefined
  /** Marks rows with all columns. A session may set another `binlog_row_image` than FULL. */
  readonly isWhole: boolean
  readonly changes: readonly RowChange[]
}

/** Describes where an event is in the log. */
interface Location {
  /** The offset after the event. */
  readonly end: number
  /** The number of events since the transaction began, including events that the reader skips. */
  readonly index: number
  /** The time of the event, in milliseconds since 1970. */
  readonly time: number
}

/** Describes an event of the log, reduced to the parts that changes of tables depend on. */
export type LogEvent = Location &
  (
    | {
        /** Begins a transaction, or announces a statement outside of transactions (a GTID event). */
        readonly kind: 'begin'
        /** Marks the announcement of one statement. No commit follows. */
        readonly isStandalone: boolean
        /** The name of an XA transaction that is prepared or completed by the following events. */
        readonly xid: string | undefined
      }
    | RowsEvent
    | { readonly kind: 'statement'; readonly home: string; readonly text: string }
    | { readonly kind: 'commit' }
    /** Ends the first phase of an XA transaction: the transaction is prepared. */
    | { readonly kind: 'prepared' }
    /** Represents an event that may change any row: a part of a logged statement, or a gap in the log. */
    | { readonly kind: 'unknown' }
    /** Represents an event without a change. */
    | { readonly kind: 'reached' }
  )

type Without<T> = T extends unknown ? Omit<T, keyof Location> : never
type Content = Without<LogEvent>
type TableMap = Extract<AnyBinlogEvent, { tableName: string }>

const STOP_EVENT = 3
const BEGIN_EVENT = 162
const OFFSETS = 2 ** 32
const REACHED: Content = { kind: 'reached' }
const UNKNOWN: Content = { kind: 'unknown' }

/** Reads the events of one file of the log. */
export class LogReader {
  #at: number
  #type = 0
  #index = 0
  readonly #tables = new Map<number, TableMap>()

  /** @param at the offset of the first event */
  constructor(at: number) {
    this.#at = at
  }

  /** The offset after the last event. */
  get at(): number {
    return this.#at
  }

  /** Reads the header of the next event. */
  next({ type, next }: Header): void {
    this.#type = type
    this.#index = type === BEGIN_EVENT ? 0 : this.#index + 1
    if (next === 0) return
    // Adds the part that the offset's 32 bits can't hold. A huge transaction makes a file of more than 4 GiB.
    const high = Math.floor(this.#at / OFFSETS) * OFFSETS
    this.#at = high + next < this.#at ? high + OFFSETS + next : high + next
  }

  /** Reads an event; `undefined` for an event that belongs to a later event. */
  read(event: AnyBinlogEvent): LogEvent | undefined {
    const content = this.#contentOf(event)
    return content && { ...content, end: this.#at, index: this.#index, time: event.timestamp }
  }

  #contentOf(event: AnyBinlogEvent): Content | undefined {
    switch (event.getEventName()) {
      case 'mariadbgtid': {
        const { standalone, preparedXa, completedXa } = event as Named<'mariadbgtid'>
        const xid = preparedXa || completedXa ? xidOf(event as Named<'mariadbgtid'>) : undefined
        return { kind: 'begin', isStandalone: standalone, xid }
      }
      case 'tablemap': {
        const map = event as TableMap
        this.#tables.set(map.tableId, map)
        return undefined
      }
      case 'writerows':
      case 'updaterows':
      case 'deleterows':
        return this.#rowsOf(event as Named<'writerows' | 'updaterows' | 'deleterows'>)
      case 'query': {
        const { query, schema } = event as Named<'query'>
        return { kind: 'statement', home: schema, text: query }
      }
      case 'xid':
        return { kind: 'commit' }
      case 'xaprepare':
        return { kind: (event as Named<'xaprepare'>).onePhase ? 'commit' : 'prepared' }
      case 'rotate':
      case 'format':
      case 'heartbeat':
      case 'mariadbgtidlist':
      case 'binlogcheckpoint':
      case 'startencryption':
        return REACHED
      case 'intvar':
      case 'annotaterows':
        return undefined
      default:
        return this.#type === STOP_EVENT ? REACHED : UNKNOWN
    }
  }

  #rowsOf(event: Named<'writerows' | 'updaterows' | 'deleterows'>): Content {
    const map = this.#tables.get(event.tableId)
    if (!map) return UNKNOWN
    const { schemaName, tableName, columnNames, columnTypes, primaryKey } = map
    const { columns_present_bitmap: first, columns_present_bitmap2: second } = event as unknown as Bitmaps
    return {
      kind: 'rows',
      table: { database: schemaName, name: tableName },
      names: columnNames,
      typeCodes: columnTypes,
      key: columnNames && primaryKey?.map((index) => columnNames[index] ?? ''),
      isWhole: [first, second].every((bits) => !bits || isFull(bits, columnTypes.length)),
      changes: changesOf(event),
    }
  }
}

/** Describes the bitmaps of the columns in the rows of an event. The package does not declare them. */
interface Bitmaps {
  columns_present_bitmap: Buffer
  columns_present_bitmap2?: Buffer
}

function isFull(bits: Buffer, columns: number): boolean {
  for (let index = 0; index < columns; index += 1)
    if (((bits[index >> 3] ?? 0) & (1 << (index & 7))) === 0) return false
  return true
}

function changesOf(event: Named<'writerows' | 'updaterows' | 'deleterows'>): RowChange[] {
  switch (event.getEventName()) {
    case 'updaterows':
      return (event as Named<'updaterows'>).rows.map(({ before, after }) => ({
        kind: 'update',
        before: before as LoggedRow,
        after: after as LoggedRow,
      }))
    case 'writerows':
      return (event as Named<'writerows'>).rows.map((after) => ({
        kind: 'insert',
        after: after as LoggedRow,
      }))
    default:
      return (event as Named<'deleterows'>).rows.map((before) => ({
        kind: 'delete',
        before: before as LoggedRow,
      }))
  }
}

function xidOf({ xidFormatId, xidGtrid, xidBqual }: Named<'mariadbgtid'>): string {
  return `${xidFormatId}:${xidGtrid?.toString('hex')}:${xidBqual?.toString('hex')}`
}
