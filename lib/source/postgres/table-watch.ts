import type { PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
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

/** What a {@link TableWatch} needs of a way to learn of changes. */
export interface TableWatchOptions extends Pick<Context, 'pool' | 'types' | 'references'> {
  /**
   * Describes by what the changes of a table are recorded, as a text that is another one when some may be
   * missing. Throws where they aren't recorded; undefined where {@link TableWatchOptions.record} sees to it.
   */
  recording(client: PoolClient, table: Table): Promise<string | undefined>
  /** Sees to it that the changes of a table are recorded from here on. */
  record?(table: Table): Promise<void>
  /** Tells all who follow. */
  announce(notice: TableNotice): Promise<void>
}

/**
 * Watches the catalog for what changes a table's rows, or who may see them, without a change of a row: all
 * who follow are told to read the table again.
 */
export class TableWatch {
  /** The tables by their collections, as they were when they were first looked at. */
  readonly tables = new Map<string, FollowedTable>()
  readonly #options: TableWatchOptions
  readonly #prepared = new Map<string, Promise<void>>()
  /** The facts of each collection that those who follow know, or are about to be told. */
  readonly #announced = new Map<string, string>()

  constructor(options: TableWatchOptions) {
    this.#options = options
  }

  /** Looks at a table, once. Rejects where it can't be shown. */
  async prepare(collection: string): Promise<void> {
    const known = this.#prepared.get(collection) ?? this.#look(collection)
    this.#prepared.set(collection, known)
    await known.catch((error: unknown) => {
      if (this.#prepared.get(collection) === known) this.#prepared.delete(collection)
      throw error
    })
  }

  /**
   * Looks at all tables. One that can't be shown is no reason not to follow the others: its readings tell
   * why. Rejects where none can be shown.
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

  /** Looks at all tables again, and announces those that are others by now. */
  async check(): Promise<void> {
    for (const collection of [...this.#announced.keys()]) {
      await this.#look(collection).catch((error: unknown) => {
        if (!(error instanceof ParticleError)) throw error
        // The next reading looks again, and tells why the table can't be shown.
        this.#prepared.delete(collection)
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
    if (announced !== undefined && announced !== textOf(facts))
      await this.#options.announce({ collection, ...facts })
    this.#announced.set(collection, textOf(facts))
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
      // What it is like is looked at again afterwards.
      await record?.(table)
    }
  }
}
