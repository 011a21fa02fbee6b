import type { KeyedTable } from './change.ts'
import type { Column } from './table.ts'

/** Describes the facts of a table that its changes depend on. A new fact requires a new read of the rows. */
export interface TableFacts {
  /** The table's oid; 0 for a missing table. */
  readonly oid: number
  readonly key: readonly string[]
  /** The form of the table's rows: see {@link shapeOf}. */
  readonly shape: string
  /** The storage of the rows, the composition of their values and the way of recording, from the catalog. */
  readonly storage: string
  /**
   * Marks a table whose rows can't be shown, or whose changes are incomplete: no change of it is reported.
   */
  readonly isRefused: boolean
}

/** Represents a followed table, in its state at its last reported change. */
export interface FollowedTable extends KeyedTable, TableFacts {
  readonly key: readonly string[]
}

/** Announces a changed table to all followers: in the WAL, or in the outbox. */
export interface TableNotice extends TableFacts {
  readonly collection: string
}

/** The facts of a table that is not there. */
export const NO_TABLE: TableFacts = { oid: 0, key: [], shape: '', storage: '', isRefused: false }

/**
 * Returns a text that is equal for rows of equal form, whatever the order of columns, which differs between
 * partitions.
 */
export function shapeOf(columns: readonly Column[]): string {
  const texts = columns.map(({ name, oid }) => `${JSON.stringify(name)}:${oid}`)
  return texts.sort().join()
}

/** Returns the table with new facts; the table itself without a new fact. */
export function withFacts(table: FollowedTable, told: Partial<TableFacts>): FollowedTable {
  const changed = { ...table, ...told }
  return textOf(changed) === textOf(table) ? table : changed
}

/** Writes the facts as a text. */
export function textOf({ oid, key, shape, storage, isRefused }: TableFacts): string {
  return JSON.stringify({ oid, key, shape, storage, isRefused })
}

/** Parses a notice; `undefined` for another text. */
export function parseNotice(text: string): TableNotice | undefined {
  try {
    const notice = (JSON.parse(text) ?? {}) as Partial<TableNotice>
    const { collection, key, shape } = notice
    if (typeof collection !== 'string' || typeof shape !== 'string' || !Array.isArray(key)) return undefined
    return { ...NO_TABLE, ...notice, collection, shape, key: key.map(String) }
  } catch {
    return undefined
  }
}
