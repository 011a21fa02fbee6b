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
  /** The names of the primary key's columns, in the key's order; left out with the others. */
  readonly key: readonly string[] | undefined
  /** Marks rows with all of their columns: a session may set another `binlog_row_image` than FULL. */
  readonly isWhole: boolean
  readonly changes: readonly RowChange[]
}

/** Describes where an event is in the log. */
interface Location {
  /** The offset after the event. */
  readonly end: number
  /** Counts the events since the begin of the transaction, with those that no reader wants. */
  readonly index: number
  /** The time of the event, in milliseconds since 1970. */
  readonly time: number
}

/** Describes an event of the log, as far as the changes of tables depend on it. */
export type LogEvent = Location &
  (
    | {
        /** Begins a transaction, or announces a statement without one. */
        readonly kind: 'begin'
        /** Marks the announcement of one statement, which no commit follows. */
        readonly isAlone: boolean
        /** The name of a transaction of XA that is prepared, or completed, here. */
        readonly xid: string | undefined
      }
    | RowsEvent
    | { readonly kind: 'statement'; readonly home: string; readonly text: string }
    | { readonly kind: 'commit' }
    /** Ends a prepared transaction of XA. */
    | { readonly kind: 'prepared' }
    /** Stands for an event that may change any row: a part of a session's statement, or a gap in the log. */
    | { readonly kind: 'unknown' }
    /** Stands for an event that changes nothing. */
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

  /** Takes note of the event that comes next. */
  next({ type, next }: Header): void {
    this.#type = type
    this.#index = type === BEGIN_EVENT ? 0 : this.#index + 1
    if (next === 0) return
    // Adds what the offset's 32 bits can't hold: a file has more than 4 GiB after a huge transaction.
    const high = Math.floor(this.#at / OFFSETS) * OFFSETS
    this.#at = high + next < this.#at ? high + OFFSETS + next : high + next
  }

  /** Reads an event; `undefined` for an event that is a part of another. */
  read(event: AnyBinlogEvent): LogEvent | undefined {
    const content = this.#contentOf(event)
    return content && { ...content, end: this.#at, index: this.#index, time: event.timestamp }
  }

  #contentOf(event: AnyBinlogEvent): Content | undefined {
    switch (event.getEventName()) {
      case 'mariadbgtid': {
        const { standalone, preparedXa, completedXa } = event as Named<'mariadbgtid'>
        const xid = preparedXa || completedXa ? xidOf(event as Named<'mariadbgtid'>) : undefined
        return { kind: 'begin', isAlone: standalone, xid }
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

/** Describes the marks of the columns that rows have, which the package does not declare. */
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
