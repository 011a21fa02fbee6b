import { isoTime } from '../../model/iso-time.ts'
import type { Change } from '../source.ts'
import { cascades, fits, POSITIONS, translateRow } from './change.ts'
import type { RowsEvent } from './log-event.ts'
import type { TableName } from './name.ts'
import { formatPosition, type Place } from './position.ts'
import { concerns, kindOf, truncates } from './statement.ts'
import type { Parent, Table, TableReference } from './table.ts'
import type { Part, Transaction } from './transaction.ts'

/** Represents the start of a transaction in the log: the number of the file, and the offset. */
export type Point = Pick<Place, 'file' | 'at'>

/** Describes the followed tables for a translation. */
export interface FollowedTables {
  readonly references: Iterable<TableReference>
  /** Returns the collection of a table; `undefined` for a table that is not followed. */
  collection(table: TableName): string | undefined
  /** Returns a table's definition; `undefined` if the definition is not known at present. */
  definition(collection: string): Table | undefined
  /** Returns the known parents of a followed table. */
  parents(collection: string): readonly Parent[]
  /** Checks whether the collection's table was refused, so that nobody needs its changes. */
  isRefused(collection: string): boolean
  /** Reports that a table may have another definition after the transaction that starts at a place. */
  altered(collection: string, at: Point): void
}

/** Bounds the rows of one event, to leave room for their positions. An event has no more than 1 GiB. */
const MAX_ROWS = 2 ** 24

/** Translates the parts of one transaction to changes. */
export class Translation {
  readonly changes: Change[] = []
  readonly #place: Omit<Place, 'ordinal'>
  readonly #followed: FollowedTables
  readonly #timestamp: string
  readonly #transaction: string
  /** The collections that are read again. Their other changes in the transaction are skipped. */
  readonly #reloaded = new Set<string>()
  /** The collections with changed rows. */
  readonly #touched = new Set<string>()
  #ordinal = 0

  constructor({ at, time }: Transaction, place: Omit<Place, 'at' | 'ordinal'>, followed: FollowedTables) {
    this.#place = { ...place, at }
    this.#followed = followed
    this.#timestamp = isoTime(time)
    this.#transaction = `${place.file}.${at}`
  }

  /** Adds the changes of a part. Their positions depend only on the log, and not on the followed tables. */
  add(part: Part): void {
    this.#ordinal = Math.max(this.#ordinal, part.index * MAX_ROWS * POSITIONS)
    switch (part.kind) {
      case 'rows':
        this.#rows(part)
        break
      case 'statement':
        this.#statement(part)
        break
      case 'rollback to':
        for (const collection of this.#touched) this.#whole('reload', collection)
        break
      default:
        this.#reloadAll()
    }
  }

  #rows(event: RowsEvent): void {
    const collection = this.#followed.collection(event.table)
    if (collection !== undefined) this.#ownRows(event, collection)
    this.#children(event)
  }

  #ownRows(event: RowsEvent, collection: string): void {
    this.#touched.add(collection)
    const table = this.#followed.definition(collection)
    if (!table || !event.isWhole || !describes(table, event)) {
      this.#whole('reload', collection)
      return
    }
    if (this.#reloaded.has(collection)) return
    const first = this.#ordinal
    for (const [row, change] of event.changes.entries()) {
      const context = {
        timestamp: this.#timestamp,
        transaction: this.#transaction,
        position: (index: number) => this.#position(first + row * POSITIONS + index + 1),
      }
      for (const translated of translateRow(table, change, context)) this.changes.push(translated)
    }
    this.#ordinal = first + event.changes.length * POSITIONS
  }

  /** Reloads the child tables whose rows the server changed by a foreign key, without an event in the log. */
  #children({ table, changes, isWhole }: RowsEvent): void {
    for (const { collection } of this.#followed.references) {
      // Lists a parent once for each foreign key that leads to it.
      const parents = this.#followed
        .parents(collection)
        .filter(({ database, name }) => database === table.database && name === table.name)
      const mayCascade = (change: (typeof changes)[number]) =>
        parents.some((parent) => (isWhole ? cascades(parent, change) : change.kind !== 'insert'))
      if (changes.some(mayCascade)) this.#whole('reload', collection)
    }
  }

  #statement({ home, text }: Part & { kind: 'statement' }): void {
    const kind = kindOf(text)
    if (kind === 'upkeep') return
    for (const reference of this.#followed.references) {
      const { collection } = reference
      if (truncates(text, home, reference)) {
        this.#whole('clear', collection)
        continue
      }
      const isConcerned = [reference, ...this.#followed.parents(collection)].some((table) =>
        concerns(text, home, table),
      )
      if (isConcerned) this.#followed.altered(collection, this.#place)
      if (isConcerned || kind === 'data') this.#whole('reload', collection)
    }
  }

  #reloadAll(): void {
    for (const { collection } of this.#followed.references) this.#whole('reload', collection)
  }

  #whole(kind: 'clear' | 'reload', collection: string): void {
    if (this.#reloaded.has(collection) || this.#followed.isRefused(collection)) return
    if (kind === 'reload') this.#reloaded.add(collection)
    this.#ordinal += 1
    this.changes.push({
      kind,
      position: this.#position(this.#ordinal),
      timestamp: this.#timestamp,
      collection,
      transaction: this.#transaction,
    })
  }

  #position(ordinal: number): string {
    return formatPosition({ ...this.#place, ordinal })
  }
}

/** Checks that an event's rows have the key and the columns of a table's definition. */
function describes(table: Table, { names, typeCodes, key }: RowsEvent): boolean {
  const isSameKey = key?.length === table.key.length && table.key.every((name, index) => key[index] === name)
  return isSameKey && fits(table, { names, typeCodes })
}
