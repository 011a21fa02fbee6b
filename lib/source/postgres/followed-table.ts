import type { KeyedTable } from './change.ts'
import type { Column } from './table.ts'

/** What changes must know of a table, and what tells that its rows must be read again. */
export interface TableFacts {
  /** 0 where there is no such table. */
  readonly oid: number
  readonly key: readonly string[]
  /** The form of its rows: see {@link shapeOf}. */
  readonly shape: string
  /** Where its rows are, and what their values and its recording are made of: only the catalog tells. */
  readonly storage: string
  /** Its rows can't be shown, or not all of its changes are told: nothing is told of it. */
  readonly isRefused: boolean
}

/** A table that is followed, as it was when its last change was told. */
export interface FollowedTable extends KeyedTable, TableFacts {
  readonly key: readonly string[]
}

/** Tells all who follow that a table is another one from here on: in the WAL, or in the outbox. */
export interface TableNotice extends TableFacts {
  readonly collection: string
}

/** The facts of a table that is not there. */
export const NO_TABLE: TableFacts = { oid: 0, key: [], shape: '', storage: '', isRefused: false }

/**
 * A text that is the same for rows of the same form, whatever the order of columns, which partitions have of
 * their own.
 */
export function shapeOf(columns: readonly Column[]): string {
  const texts = columns.map(({ name, oid }) => `${JSON.stringify(name)}:${oid}`)
  return texts.sort().join()
}

/** The table with what was told of it: itself where nothing is new. */
export function withFacts(table: FollowedTable, told: Partial<TableFacts>): FollowedTable {
  const changed = { ...table, ...told }
  return textOf(changed) === textOf(table) ? table : changed
}

/** The facts as a text. */
export function textOf({ oid, key, shape, storage, isRefused }: TableFacts): string {
  return JSON.stringify({ oid, key, shape, storage, isRefused })
}

/** The notice in a text; undefined where it is none. */
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
