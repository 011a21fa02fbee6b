import type { Client, ClientConfig, Pool } from 'pg'
import { ParticleError } from '../../errors.ts'
import type { Document, Id } from '../../model/document.ts'
import { refuseUnknown } from '../../model/unknown.ts'
import { persist } from '../backoff.ts'
import type {
  Adapter,
  ChangeListener,
  CollectionHandle,
  Query,
  Reading,
  ReadOptions,
  Subscription,
} from '../source.ts'
import { type Changes, type Context, isHopeless } from './follower.ts'
import { formatTableName, parseTableName } from './name.ts'
import { checkOptions, type PostgresOptions } from './options.ts'
import { Outbox } from './outbox.ts'
import { checkPool } from './pool.ts'
import { comparePositions } from './position.ts'
import { lookupDocuments, readDocuments } from './read.ts'
import { Replication } from './replication.ts'
import type { TableOptions, TableReference } from './table.ts'
import { TypeCatalog } from './type.ts'

/**
 * A PostgreSQL database as a source: tables are collections, rows are documents. Made by {@link postgres}.
 *
 * Positions are `<epoch>.<LSN>.<ordinal>`, where the epoch stands for the cluster, its timeline, the database
 * and the publication: they are the same on every node. By triggers, the number of a commit stands where the
 * LSN does.
 */
export class PostgresAdapter implements Adapter {
  readonly name = 'postgres'
  /** The database's name and the publication's; of which server they are, positions say themselves. */
  readonly store: string
  /** The pool of connections; it stays yours to end. */
  readonly pool: Pool
  readonly #options: Required<Omit<PostgresOptions, 'slot'>> & { slot: string | undefined }
  readonly #references = new Map<string, TableReference>()
  readonly #types = new TypeCatalog()
  #choosing: Promise<Changes> | undefined
  #open = 0

  constructor(pool: Pool, options: PostgresOptions = {}) {
    this.pool = pool
    this.#options = checkOptions(options)
    const { database } = clientOf(pool, pool.options) as { database?: string | null }
    this.store = `${database ?? ''} ${this.#options.publication}`
  }

  /**
   * A table as a collection, for a data source's `collection`: `users` (of the schema `public`), `app.users`,
   * or `"with.dot"."users"`. `T` is the type of its documents, in the form that docs/sources/postgres.md
   * gives values.
   *
   * @throws ParticleError `INVALID_OPTION` for a malformed name, for options that are not known, and for
   *   others than the same table was named with before.
   */
  collection<T extends object = Document>(table: string, options: TableOptions = {}): CollectionHandle<T> {
    refuseUnknown('collection(table, options): option', options, ['document'])
    if (options.document !== undefined && typeof options.document !== 'string')
      throw invalid('collection(table, options): document is the name of a column')
    const name = parseTableName(table)
    const collection = formatTableName(name)
    const known = this.#references.get(collection)
    if (known && known.options.document !== options.document)
      throw invalid(`The table ${collection} is a collection already, by other options`)
    if (!known) {
      this.#references.set(collection, { ...name, collection, options })
      // Whoever follows already must hear of this table too; a reading waits for it, and tells what fails.
      if (this.#open > 0) void this.#prepare(collection).catch(() => {})
    }
    return { adapter: this, collectionName: collection }
  }

  /**
   * Starts to follow the tables. Rejects where trying again can't help: where the role may not, the server is
   * not set up for it, or a table can't be followed; other failures are reported to `listener.error` and
   * tried again.
   */
  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    const subscription = await persist(
      async () => {
        const following = await (await this.#changes()).follow(listener, from)
        if (signal?.aborted) await following.close()
        return following
      },
      isHopeless,
      (error) => listener.error(error),
      signal,
    )
    this.#open++
    let isOpen = true
    // An idle connection that breaks is an error of the pool's, which ends a process that does not listen.
    const failed = (error: unknown) => listener.error(error)
    this.pool.on('error', failed)
    return {
      ...subscription,
      close: async () => {
        if (!isOpen) return
        isOpen = false
        this.#open--
        await subscription.close()
        this.pool.off('error', failed)
      },
    }
  }

  async past(milliseconds: number): Promise<string> {
    return await (await this.#changes()).past(milliseconds)
  }

  compare(a: string, b: string): number {
    return comparePositions(a, b)
  }

  /** Reads all in one repeatable-read transaction, on one connection of the pool. */
  async read(
    collection: string,
    query: Query,
    each: (documents: Document[]) => void | Promise<void>,
    options?: ReadOptions,
  ): Promise<Reading> {
    const changes = await this.#changes()
    const table = await this.#prepare(collection)
    const request = { pool: this.pool, table, types: this.#types }
    const wanted = { query, first: options }
    const reading = await readDocuments(request, wanted, (client) => changes.examine(client), each)
    changes.reach(reading)
    return reading
  }

  async lookup(collection: string, ids: readonly Id[]): Promise<{ documents: Document[]; position: string }> {
    const changes = await this.#changes()
    const request = { pool: this.pool, table: this.#reference(collection), types: this.#types }
    const { documents, reading } = await lookupDocuments(request, ids, (client) => changes.examine(client))
    changes.reach(reading)
    return { documents, position: reading.to }
  }

  /** The table of a collection, of which those who follow are told from here on. */
  async #prepare(collection: string): Promise<TableReference> {
    const table = this.#reference(collection)
    if (this.#open > 0) await (await this.#changes()).prepare(table.collection)
    return table
  }

  #reference(collection: string): TableReference {
    const known = this.#references.get(collection)
    if (known) return known
    const name = parseTableName(collection)
    const reference = { ...name, collection: formatTableName(name), options: {} }
    const same = this.#references.get(reference.collection)
    if (!same) this.#references.set(reference.collection, reference)
    return same ?? reference
  }

  /** By which of the two ways changes are learned of: as the option says, else as the server allows. */
  async #changes(): Promise<Changes> {
    this.#choosing ??= this.#choose()
    const choosing = this.#choosing
    return await choosing.catch((error: unknown) => {
      if (this.#choosing === choosing) this.#choosing = undefined
      throw error
    })
  }

  async #choose(): Promise<Changes> {
    const { changes, publication, slot, slotBytes, history, schema, checkInterval } = this.#options
    const config = () => connectionConfig(this.pool)
    const context: Context = {
      pool: this.pool,
      config,
      types: this.#types,
      references: this.#references,
      checkInterval,
    }
    const replication = () =>
      new Replication(context, { publication, slot, slotBytes, history }, async (collection, ids) => {
        const { documents } = await this.lookup(collection, ids)
        return documents
      })
    const outbox = () => new Outbox(context, schema, () => clientOf(this.pool, config()))
    if (changes === 'replication') return replication()
    const { rows } = await this.pool.query(
      `SELECT pg_catalog.current_setting('wal_level') AS level, pg_catalog.to_regclass($1) IS NOT NULL AS installed,
        (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname IN ('rds_replication', 'azure_replication')
          AND pg_catalog.pg_has_role(rolname, 'member')) AS allowed`,
      [`${schema}.commits`],
    )
    const { level, installed, allowed } = rows[0] ?? {}
    if (changes === 'auto' && level === 'logical' && allowed) return replication()
    if (installed) return outbox()
    throw invalid(
      changes === 'triggers'
        ? `There is no outbox ${schema} in the database: run npx particle postgres install <table>..., or installTriggers, once, as the tables' owner`
        : `Logical replication takes wal_level = logical (it is ${level}) and a role with REPLICATION (this one ${allowed ? 'is' : 'is not'}): change that, or run npx particle postgres install <table>..., or installTriggers, once, as the tables' owner`,
    )
  }
}

/** The settings of the pool's connections, for one that lasts. */
function connectionConfig(pool: Pool): ClientConfig {
  const { options } = pool
  const {
    query_timeout: _,
    statement_timeout: __,
    idle_in_transaction_session_timeout: ___,
    ...lasting
  } = options
  return {
    ...lasting,
    // The pool hides it from copies.
    ...(options.password === undefined ? {} : { password: options.password }),
    application_name: 'particle',
    keepAlive: true,
  }
}

function clientOf(pool: Pool, config: ClientConfig): Client {
  const { Client: Made } = pool as unknown as { Client: new (config: ClientConfig) => Client }
  return new Made(config)
}

const adapters = new WeakMap<Pool, PostgresAdapter>()

/**
 * A database as a source. The same pool gives the same adapter, so that a process follows the database once;
 * the options of the first call hold.
 *
 *     const db = postgres(new pg.Pool({ connectionString }))
 *     new Server({ dataSources: { users: { manifest: true, collection: db.collection('users') } } })
 */
export function postgres(pool: Pool, options: PostgresOptions = {}): PostgresAdapter {
  checkPool(pool)
  const adapter = adapters.get(pool) ?? new PostgresAdapter(pool, options)
  checkOptions(options)
  adapters.set(pool, adapter)
  return adapter
}

function invalid(message: string): ParticleError {
  return new ParticleError('INVALID_OPTION', message)
}
