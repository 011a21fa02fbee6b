import type { Client, ClientConfig, Pool, PoolClient } from 'pg'
import type { Document, Id } from '../../model/document.ts'
import { invalidOption, refuseUnknown } from '../../model/unknown.ts'
import { persist } from '../backoff.ts'
import { HostSharing, type HostSource } from '../host/index.ts'
import { SharedAdapters } from '../shared-adapters.ts'
import type {
  Adapter,
  ChangeListener,
  CollectionHandle,
  EachBatch,
  Query,
  Reading,
  ReadOptions,
  Subscription,
} from '../source.ts'
import { type Changes, type Context, isHopeless } from './follower.ts'
import { formatTableName, parseTableName, quoteTable } from './name.ts'
import { checkOptions, type PostgresOptions, type Settings } from './options.ts'
import { Outbox } from './outbox.ts'
import { checkPool } from './pool.ts'
import { comparePositions } from './position.ts'
import { lookupDocuments, readDocuments } from './read.ts'
import { Replication, RUN_INSTALL } from './replication.ts'
import type { TableOptions, TableReference } from './table.ts'
import { TypeCatalog } from './type.ts'

/**
 * Adapts a PostgreSQL database as a source: tables are collections, rows are documents. Made by
 * {@link postgres}.
 *
 * Positions are `<epoch>.<LSN>.<ordinal>`, where the epoch identifies the cluster, its timeline, the database
 * and the publication: they are the same on every node. With triggers, the number of a commit replaces the
 * LSN.
 */
export class PostgresAdapter implements Adapter {
  readonly name = 'postgres'
  /** The names of the database and the publication. Positions identify the server. */
  readonly store: string
  /** The pool of connections. The application ends the pool. */
  readonly pool: Pool
  readonly #options: Settings
  readonly #references = new Map<string, TableReference>()
  readonly #types = new TypeCatalog()
  readonly #host: HostSharing | undefined
  #choosing: Promise<Changes> | undefined
  #chosen: Changes | undefined
  readonly #open = new Set<Subscription>()

  constructor(pool: Pool, options: PostgresOptions = {}) {
    this.pool = pool
    this.#options = checkOptions(options)
    const { oncePerHost, ...rest } = this.#options
    const { database, host, port } = clientOf(pool, pool.options) as Address
    this.store = `${database ?? ''} ${this.#options.publication}`
    const source: HostSource = {
      key: () => JSON.stringify([this.name, host, port, this.store, rest, [...this.#references].sort()]),
      open: (listener, from, signal) => this.#follow(listener, from, signal),
      compare: comparePositions,
      reach: (position) => this.#chosen?.reach({ from: position, to: position }),
      received: (report) => this.#chosen?.received(report),
    }
    this.#host = oncePerHost ? new HostSharing(source, oncePerHost) : undefined
  }

  /**
   * Returns a table as a collection, for a data source's `collection`: `users` (of the schema `public`),
   * `app.users`, or `"with.dot"."users"`. `T` is the type of its documents, in the JSON form of
   * docs/sources/postgres.md.
   *
   * @throws ParticleError `INVALID_OPTION` for a malformed name, for unknown options, and for other options
   *   than in an earlier call for the same table
   */
  collection<T extends object = Document>(table: string, options: TableOptions = {}): CollectionHandle<T> {
    refuseUnknown('collection(table, options): option', options, ['document'])
    if (options.document !== undefined && typeof options.document !== 'string')
      throw invalidOption('collection(table, options): document must be the name of a column')
    const name = parseTableName(table)
    const collection = formatTableName(name)
    const known = this.#references.get(collection)
    if (known && known.options.document !== options.document)
      throw invalidOption(`The table ${collection} has other options already: repeat them`)
    if (!known) {
      this.#references.set(collection, { ...name, collection, options })
      // Adds the table to the open subscriptions. A read waits for this step, and reports its failure.
      if (this.#open.size > 0) void this.#prepare(collection).catch(() => {})
      this.#host?.renew()
    }
    return { adapter: this, collectionName: collection }
  }

  /**
   * Starts to follow the tables. Rejects if another attempt can't help: the role lacks a privilege, the
   * server is not set up, or a table can't be followed. Reports other failures to `listener.error` and tries
   * again.
   */
  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    const subscription = await (this.#host?.open(listener, from, signal) ??
      this.#follow(listener, from, signal))
    // Handles the pool's errors: a broken idle connection ends a process without a listener.
    const failed = (error: unknown) => listener.error(error)
    this.pool.on('error', failed)
    const close = async () => {
      await subscription.close()
      this.pool.off('error', failed)
    }
    return { ...subscription, close }
  }

  async #follow(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
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
    this.#open.add(subscription)
    const close = async () => {
      this.#open.delete(subscription)
      await subscription.close()
    }
    return { ...subscription, close }
  }

  async past(milliseconds: number): Promise<string> {
    return await (await this.#changes()).past(milliseconds)
  }

  compare(a: string, b: string): number {
    return comparePositions(a, b)
  }

  /** Reads all documents in one repeatable-read transaction, on one connection of the pool. */
  async read(collection: string, query: Query, each: EachBatch, options?: ReadOptions): Promise<Reading> {
    const changes = await this.#changes()
    const table = await this.#prepare(collection)
    const request = { pool: this.pool, table, types: this.#types }
    const wanted = { query, first: options }
    const examine = (client: PoolClient) => changes.examine(client)
    const { reading, columns } = await readDocuments(request, wanted, examine, each)
    this.#reach(changes, reading)
    return columns ? { ...reading, columns } : { ...reading, isMissing: true }
  }

  async lookup(collection: string, ids: readonly Id[]): Promise<{ documents: Document[]; position: string }> {
    const changes = await this.#changes()
    const request = { pool: this.pool, table: this.#reference(collection), types: this.#types }
    const { documents, reading } = await lookupDocuments(request, ids, (client) => changes.examine(client))
    this.#reach(changes, reading)
    return { documents, position: reading.to }
  }

  #reach(changes: Changes, reading: Reading): void {
    changes.reach(reading)
    this.#host?.reach(reading.to)
  }

  async append(collection: string, { _id, entry }: Document): Promise<void> {
    const table = quoteTable(this.#reference(collection))
    await this.pool.query(`INSERT INTO ${table} (_id, entry) VALUES ($1, $2)`, [_id, entry])
  }

  async discard(collection: string, ids: readonly Id[]): Promise<void> {
    await this.pool.query(`DELETE FROM ${quoteTable(this.#reference(collection))} WHERE _id = ANY ($1)`, [
      ids,
    ])
  }

  /** Returns the table of a collection, and makes sure that its changes are reported from here on. */
  async #prepare(collection: string): Promise<TableReference> {
    const table = this.#reference(collection)
    const isOpen = this.#open.size > 0 || this.#shared().length > 0
    if (isOpen) await (await this.#changes()).prepare(table.collection)
    return table
  }

  #shared(): readonly string[] {
    return this.#host?.positions ?? []
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

  /** Returns the way to follow changes: the option's choice, or else the best that the server allows. */
  async #changes(): Promise<Changes> {
    this.#choosing ??= this.#choose().then((changes) => {
      this.#chosen = changes
      return changes
    })
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
      shared: () => this.#shared(),
    }
    const replication = () =>
      new Replication(context, { publication, slot, slotBytes, history }, async (collection, ids) => {
        const { documents } = await this.lookup(collection, ids)
        return documents
      })
    const outbox = () => new Outbox(context, schema, () => clientOf(this.pool, config()))
    if (changes === 'replication') return replication()
    const { rows } = await this.pool.query(
      `SELECT pg_catalog.current_setting('wal_level') AS level,
        (SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
          JOIN pg_catalog.pg_class ON relnamespace = n.oid
          WHERE nspname = $1 AND relname = 'commits') AS readable,
        CURRENT_USER AS role,
        (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname IN ('rds_replication', 'azure_replication')
          AND pg_catalog.pg_has_role(rolname, 'member')) AS allowed`,
      [schema],
    )
    const { level, readable, role, allowed } = rows[0] ?? {}
    if (changes === 'auto' && level === 'logical' && allowed) return replication()
    if (readable) return outbox()
    if (readable === false)
      throw invalidOption(
        `The role ${role} may not read the outbox ${schema}: run npx particle postgres install <table>... ` +
          `--grant-to ${role}, or installTriggers with grantTo, once, as the tables' owner`,
      )
    throw invalidOption(
      changes === 'triggers'
        ? `There is no outbox ${schema} in the database: ${RUN_INSTALL}`
        : `Logical replication needs wal_level = logical (it is ${level}) and a role with REPLICATION ` +
            `(this role ${allowed ? 'has' : 'lacks'} it): change that, or ${RUN_INSTALL}`,
    )
  }
}

/** Returns the settings of the pool's connections for a lasting connection. */
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
    // Copies the password, which the pool hides from copies.
    ...(options.password === undefined ? {} : { password: options.password }),
    application_name: 'particle',
    keepAlive: true,
  }
}

/** Describes the address of a client, which the types of `pg` lack. */
interface Address {
  database?: string | null
  host?: string
  port?: number
}

function clientOf(pool: Pool, config: ClientConfig): Client {
  const { Client: Made } = pool as unknown as { Client: new (config: ClientConfig) => Client }
  return new Made(config)
}

const adapters = new SharedAdapters<Pool, Settings, PostgresAdapter>('postgres(pool, options)')

/**
 * Adapts a database as a source. The same pool gives the same adapter, so that a process follows the database
 * once. A later call may repeat the options, or leave them out.
 *
 *     const db = postgres(new pg.Pool({ connectionString }))
 *     new Server({ dataSources: { users: { manifest: true, collection: db.collection('users') } } })
 */
export function postgres(pool: Pool, options: PostgresOptions = {}): PostgresAdapter {
  checkPool(pool)
  return adapters.get(pool, '', options, checkOptions(options), () => new PostgresAdapter(pool, options))
}
