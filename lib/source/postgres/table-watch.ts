import type { PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
import type { ReportedChange } from '../source.ts'
import { describeStorage, loadTable } from './catalog.ts'
import {
  type FollowedTable,
  NO_TABLE,
  shapeOf,
  type TableFacts,
  type TableNotice,
  textOf,
} from './followed-table.ts'
import type { Context } from './follower.ts'
import { readingTransaction } from './session.ts'
import type { Table, TableReference } from './table.ts'

/** Describes the way to follow changes, as far as a {@link TableWatch} needs it. */
export interface TableWatchOptions extends Pick<Context, 'pool' | 'types' | 'references'> {
  /**
   * Describes the recording of a table's changes. The text differs when some changes may be missing. Throws
   * for a table without a recording; `undefined` if {@link TableWatchOptions.record} will start it.
   */
  recording(client: PoolClient, table: Table): Promise<string | undefined>
  /** Starts the recording of a table's changes. */
  record?(table: Table): Promise<void>
  /** Announces a notice to all followers. */
  announce(notice: TableNotice): Promise<void>
}

/**
 * Watches the catalog for events that change a table's rows, or their visibility, without a change of a row,
 * and makes all followers read the table again.
 */
export class TableWatch {
  /** The tables by their collections, in the state of their first check. */
  readonly tables = new Map<string, FollowedTable>()
  readonly #options: TableWatchOptions
  readonly #prepared = new Map<string, Promise<void>>()
  /** The facts of each collection that the followers know, or are about to get. */
  readonly #announced = new Map<string, string>()

  constructor(options: TableWatchOptions) {
    this.#options = options
  }

  /** Checks a table once. Rejects if the table can't be shown. */
  async prepare(collection: string): Promise<void> {
    const known = this.#prepared.get(collection) ?? this.#look(collection)
    this.#prepared.set(collection, known)
    await known.catch((error: unknown) => {
      if (this.#prepared.get(collection) === known) this.#prepared.delete(collection)
      throw error
    })
  }

  /**
   * Checks all tables. Follows the others if some can't be shown, whose reads report the reason. Rejects if
   * none can be shown.
   */
  async prepareAll(): Promise<void> {
    const refusals: unknown[] = []
    const collections = [...this.#options.references.keys()]
    for (const collection of collections) {
      await this.prepare(collection).catch((error: unknown) => {
        if (!(error instanceof ParticleError)) throw error
        refusals.push(error)
      })
    }
    if (refusals.length > 0 && refusals.length === collections.length) throw refusals[0]
  }

  /** Checks the tables of these changes again at the next read, if other rows may be there now. */
  recheck(changes: readonly ReportedChange[]): void {
    for (const { kind, collection } of changes)
      if (kind === 'reload' || kind === 'clear') this.#prepared.delete(collection)
  }

  /** Checks all tables again, and announces the changed ones. */
  async check(): Promise<void> {
    for (const collection of [...this.#announced.keys()]) {
      await this.#look(collection).catch((error: unknown) => {
        // Leaves the report to the next read.
        if (!(error instanceof ParticleError)) throw error
      })
    }
  }

  clear(): void {
    for (const known of [this.#prepared, this.tables, this.#announced]) known.clear()
  }

  async #look(collection: string): Promise<void> {
    const reference = this.#options.references.get(collection)
    if (!reference) return
    let refusal: unknown
    const announced = this.#announced.get(collection)
    const facts = await this.#facts(reference, announced === undefined).catch(
      (error: unknown): TableFacts => {
        if (!(error instanceof ParticleError)) throw error
        refusal = error
        return { ...NO_TABLE, oid: -1, isRefused: true }
      },
    )
    const first = this.tables.get(collection)
    if (!first || (first.isRefused && !facts.isRefused))
      this.tables.set(collection, { ...reference, ...facts })
    // Makes all reads from here on check again: a follower reads the table as soon as the notice comes.
    if (refusal !== undefined) this.#prepared.delete(collection)
    const text = textOf(facts)
    this.#announced.set(collection, text)
    if (announced !== undefined && announced !== text)
      await this.#options.announce({ collection, ...facts }).catch((error: unknown) => {
        this.#announced.set(collection, announced)
        throw error
      })
    if (refusal !== undefined) throw refusal
  }

  async #facts(reference: TableReference, isFirst: boolean): Promise<TableFacts> {
    const { pool, types, recording, record } = this.#options
    for (let isRecorded = !isFirst || !record; ; isRecorded = true) {
      const found = await readingTransaction(pool, async (client) => {
        const table = await loadTable(client, reference, types)
        if (!table) return undefined
        const storage = await describeStorage(client, table)
        return { table, storage, recorded: await recording(client, table) }
      })
      if (!found) return NO_TABLE
      const { table, recorded, storage } = found
      if (recorded !== undefined && isRecorded) {
        const { oid, key, columns } = table
        return { oid, key, shape: shapeOf(columns), storage: `${recorded} ${storage}`, isRefused: false }
      }
      // Starts the recording before the table is examined again.
      await record?.(table)
    }
  }
}
