import { ParticleError } from '../../errors.ts'
import { persist } from '../backoff.ts'
import type { TableName } from './name.ts'
import { splitFileName } from './packet.ts'
import type { LoadedTable } from './snapshot.ts'
import type { Parent, Table, TableReference } from './table.ts'
import type { FollowedTables, Point } from './translation.ts'

/** Options of {@link Definitions}. */
export interface DefinitionsOptions {
  /** Returns the collections' tables by the collections' names. The map grows. */
  references(): ReadonlyMap<string, TableReference>
  /** Loads a table's present definition. */
  load(reference: TableReference): Promise<LoadedTable>
  /** Reports that a table's definition was loaded. */
  loaded(): void
  /** Reports a failure to load. */
  failed(error: unknown): void
  /** Ends all attempts to load. */
  signal: AbortSignal
}

/**
 * Keeps the present definitions of the followed tables. The dump may lag behind them. Rows of an earlier
 * definition then don't fit, or a later statement in the log makes Particle read the table again.
 */
export class Definitions implements FollowedTables {
  readonly #options: DefinitionsOptions
  readonly #known = new Map<string, Table | 'missing' | 'refused'>()
  /** The places in the log that the definitions were loaded at. */
  readonly #places = new Map<string, Point>()
  /** The parents of each table by its last definition. They count until the next definition is loaded. */
  readonly #parents = new Map<string, readonly Parent[]>()
  /** Counts the changes of each definition. A load that began before the last change has no effect. */
  readonly #generations = new Map<string, number>()
  readonly #loading = new Set<string>()
  /** The tables whose rows the dump decodes. */
  readonly #selected = new Set<string>()
  /** The collections by the names of their tables. */
  #collections = new Map<string, string>()
  #size = 0

  constructor(options: DefinitionsOptions) {
    this.#options = options
  }

  get references(): Iterable<TableReference> {
    return this.#options.references().values()
  }

  collection(table: TableName): string | undefined {
    const references = this.#options.references()
    if (references.size !== this.#size) {
      this.#size = references.size
      this.#collections = new Map([...references.values()].map((one) => [textOf(one), one.collection]))
    }
    return this.#collections.get(textOf(table))
  }

  definition(collection: string): Table | undefined {
    const known = this.#known.get(collection)
    return typeof known === 'object' ? known : undefined
  }

  parents(collection: string): readonly Parent[] {
    return this.#parents.get(collection) ?? []
  }

  isRefused(collection: string): boolean {
    return this.#known.get(collection) === 'refused'
  }

  altered(collection: string, at: Point): void {
    // Keeps a definition that was loaded after the statement: the dump lags behind. The rows that follow have
    // this definition, or another statement follows, and Particle then reads the table again.
    if (this.#isLater(collection, at)) return
    this.#forget(collection)
    if (this.#loading.has(collection)) return
    this.#loading.add(collection)
    void this.#reload(collection).finally(() => this.#loading.delete(collection))
  }

  /** Selects the tables whose rows are wanted at present. Returns the tables by their databases. */
  select(): Record<string, string[]> {
    // Has no prototype, because a database may have the name of a property of `Object.prototype`.
    const tables: Record<string, string[]> = Object.create(null)
    this.#selected.clear()
    for (const reference of this.references) {
      for (const table of this.#tablesOf(reference)) {
        tables[table.database] = [...(tables[table.database] ?? []), table.name]
        this.#selected.add(textOf(table))
      }
    }
    return tables
  }

  /** Returns the collections that depend on the rows of a table that is not selected. */
  unselected(): string[] {
    return [...this.references]
      .filter((reference) => this.#tablesOf(reference).some((table) => !this.#selected.has(textOf(table))))
      .map(({ collection }) => collection)
  }

  /** Returns the tables whose rows a collection depends on: its own, and the parents of foreign keys. */
  #tablesOf({ collection, database, name }: TableReference): TableName[] {
    return [{ database, name }, ...this.parents(collection)]
  }

  /**
   * Loads a collection's definition, unless it is known.
   *
   * @throws ParticleError `INVALID_OPTION` for a table that can't be shown
   */
  async prepare(collection: string): Promise<void> {
    if (!this.definition(collection)) await this.#load(collection)
  }

  /**
   * Loads all definitions again. Skips tables that can't be shown, because their reads report the reason.
   * Rejects if no table can be shown.
   */
  async loadAll(): Promise<void> {
    const refusals: unknown[] = []
    const collections = [...this.#options.references().keys()]
    for (const collection of collections) {
      this.#forget(collection)
      await this.#load(collection).catch((error: unknown) => {
        if (!(error instanceof ParticleError)) throw error
        refusals.push(error)
      })
    }
    if (refusals.length > 0 && refusals.length === collections.length) throw refusals[0]
  }

  #isLater(collection: string, { file, at }: Point): boolean {
    const loaded = this.#places.get(collection)
    return loaded !== undefined && (loaded.file > file || (loaded.file === file && loaded.at > at))
  }

  #forget(collection: string): void {
    this.#known.delete(collection)
    this.#places.delete(collection)
    this.#generations.set(collection, this.#generation(collection) + 1)
  }

  #generation(collection: string): number {
    return this.#generations.get(collection) ?? 0
  }

  async #reload(collection: string): Promise<void> {
    const { failed, signal } = this.#options
    const isHopeless = (error: unknown) => error instanceof ParticleError
    for (let generation = -1; generation !== this.#generation(collection); ) {
      generation = this.#generation(collection)
      // Ignores a table that can't be shown, because the table's reads report the reason. A report to the
      // listener would concern all tables.
      await persist(() => this.#load(collection), isHopeless, failed, signal).catch(() => {})
      if (signal.aborted) return
    }
  }

  async #load(collection: string): Promise<void> {
    const reference = this.#options.references().get(collection)
    if (!reference) return
    const generation = this.#generation(collection)
    const isCurrent = () => generation === this.#generation(collection)
    try {
      const { table, place } = await this.#options.load(reference)
      if (!isCurrent()) return
      this.#known.set(collection, table ?? 'missing')
      this.#places.set(collection, { file: splitFileName(place.file).file, at: place.at })
      this.#parents.set(collection, table?.parents ?? [])
    } catch (error) {
      if (error instanceof ParticleError && isCurrent()) this.#known.set(collection, 'refused')
      throw error
    }
    this.#options.loaded()
  }
}

function textOf({ database, name }: TableName): string {
  return `${database}\0${name}`
}
