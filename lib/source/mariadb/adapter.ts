import type { Pool } from 'mysql2'
import type { Pool as PromisePool } from 'mysql2/promise'
import type { Document, Id } from '../../model/document.ts'
import { invalidOption, refuseUnknown } from '../../model/unknown.ts'
import { persist } from '../backoff.ts'
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
import { Following } from './following.ts'
import { LogFiles } from './log-files.ts'
import { formatTableName, parseTableName, quoteTable } from './name.ts'
import { checkOptions, type MariadbOptions, type Settings } from './options.ts'
import { checkPool, connectionOptions, promised } from './pool.ts'
import { comparePositions, parsePosition } from './position.ts'
import { lookupDocuments, readDocuments } from './read.ts'
import { describeDenial, examineServer, isHopeless } from './server.ts'
import type { TableOptions, TableReference } from './table.ts'

/**
 * Adapts a MariaDB server as a source: tables are collections, rows are documents. Made by {@link mariadb}.
 *
 * Positions are `<epoch>.<file>-<birth>.<offset>.<ordinal>`: places in the server's binary log. The epoch
 * identifies the server and its log. Positions are the same on every node.
 */
export class MariadbAdapter implements Adapter {
  readonly name = 'mariadb'
  /** The name of the pool's database. Positions identify the server. */
  readonly store: string
  /** The pool of connections, in mysql2's form with callbacks. The application ends the pool. */
  readonly pool: Pool
  readonly #options: Settings
  readonly #home: string | undefined
  readonly #references = new Map<string, TableReference>()
  readonly #files: LogFiles
  readonly #followings = new Set<Following>()

  constructor(pool: Pool, options: MariadbOptions = {}) {
    this.pool = pool
    this.#options = checkOptions(options)
    this.#home = connectionOptions(pool).database
    this.store = this.#home ?? ''
    this.#files = new LogFiles(pool, () => this.#epoch())
  }

  /**
   * Returns a table as a collection, for a data source's `collection`: `users` (of the pool's database),
   * `app.users`, or `` `with.dot`.`users` ``. `T` is the type of the documents, in the JSON form of
   * docs/reference/values.md.
   *
   * @throws ParticleError `INVALID_OPTION` for a malformed name, for unknown options, and for other options
   *   than in an earlier call for the same table
   */
  collection<T extends object = Document>(table: string, options: TableOptions = {}): CollectionHandle<T> {
    refuseUnknown('collection(table, options): option', options, ['document'])
    if (options.document !== undefined && typeof options.document !== 'string')
      throw invalidOption('collection(table, options): document must be the name of a column')
    const name = parseTableName(table, this.#home)
    const collection = formatTableName(name, this.#home)
    const known = this.#references.get(collection)
    if (known && known.options.document !== options.document)
      throw invalidOption(
        `The table ${collection} has other options already: repeat the options of the first call`,
      )
    if (!known) {
      this.#references.set(collection, { ...name, collection, options })
      // Adds the table to the open subscriptions. A read repeats this step, and reports its failure.
      void this.#prepare(collection).catch(() => {})
    }
    return { adapter: this, collectionName: collection }
  }

  /**
   * Starts to follow the tables. Rejects if another attempt can't help: the account lacks a privilege, or the
   * server is not set up. Reports other failures to `listener.error` and tries again.
   */
  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    return await persist(
      async () => {
        const subscription = await this.#follow(listener, from).catch((error: unknown) => {
          throw describeDenial(error)
        })
        if (signal?.aborted) await subscription.close()
        return subscription
      },
      isHopeless,
      (error) => listener.error(error),
      signal,
    )
  }

  async #follow(listener: ChangeListener, from: string | undefined): Promise<Subscription> {
    const epoch = await this.#epoch()
    const head = await this.#files.present()
    const following = new Following(
      {
        pool: this.pool,
        files: this.#files,
        references: () => this.#references,
        checkInterval: this.#options.checkInterval,
        from: usablePlace(from, epoch, head),
      },
      listener,
    )
    this.#followings.add(following)
    try {
      await following.opened
    } catch (error) {
      this.#followings.delete(following)
      throw error
    }
    following.announce()
    return {
      position: following.startPosition,
      ...(comparePositions(following.startPosition, head) < 0 ? { head } : {}),
      close: async () => {
        this.#followings.delete(following)
        await following.close()
      },
    }
  }

  /** Returns the start of the newest log file that is old enough, as {@link LogFiles.past} does. */
  async past(milliseconds: number): Promise<string> {
    return await this.#files.past(milliseconds)
  }

  compare(a: string, b: string): number {
    return comparePositions(a, b)
  }

  /** Reads all documents in one snapshot, on one connection of the pool. */
  async read(collection: string, query: Query, each: EachBatch, options?: ReadOptions): Promise<Reading> {
    const table = await this.#prepare(collection)
    const request = { pool: this.pool, table }
    const { file, at, columns } = await readDocuments(request, { query, first: options }, each)
    const position = await this.#files.position(file, at)
    return { from: position, to: position, ...(columns ? { columns } : { isMissing: true }) }
  }

  async lookup(collection: string, ids: readonly Id[]): Promise<{ documents: Document[]; position: string }> {
    const request = { pool: this.pool, table: this.#reference(collection) }
    const { documents, file, at } = await lookupDocuments(request, ids)
    return { documents, position: await this.#files.position(file, at) }
  }

  async append(collection: string, { _id, entry }: Document): Promise<void> {
    const table = quoteTable(this.#reference(collection))
    await promised(this.pool).query(`INSERT INTO ${table} (_id, entry) VALUES (?, ?)`, [_id, entry])
  }

  async discard(collection: string, ids: readonly Id[]): Promise<void> {
    if (ids.length === 0) return
    await promised(this.pool).query(
      `DELETE FROM ${quoteTable(this.#reference(collection))} WHERE _id IN (?)`,
      [ids],
    )
  }

  /** Returns the table of a collection, and makes sure that its changes are reported from here on. */
  async #prepare(collection: string): Promise<TableReference> {
    const table = this.#reference(collection)
    for (const following of this.#followings) await following.prepare(table.collection)
    return table
  }

  #reference(collection: string): TableReference {
    const known = this.#references.get(collection)
    if (known) return known
    const name = parseTableName(collection, this.#home)
    const reference = { ...name, collection: formatTableName(name, this.#home), options: {} }
    const same = this.#references.get(reference.collection)
    if (!same) this.#references.set(reference.collection, reference)
    return same ?? reference
  }

  /** Checks the server, and returns its epoch. A failover can lead to another server at any time. */
  async #epoch(): Promise<string> {
    const databases = new Set([...this.#references.values()].map(({ database }) => database))
    return (await examineServer(this.pool, databases)).epoch
  }
}

/** Returns the place of a position of this server that is not after the end of the log. */
function usablePlace(from: string | undefined, epoch: string, head: string) {
  const place = from === undefined ? undefined : parsePosition(from)
  return from !== undefined && place?.epoch === epoch && comparePositions(from, head) <= 0 ? place : undefined
}

const adapters = new SharedAdapters<Pool, Settings, MariadbAdapter>('mariadb(pool, options)')

/**
 * Adapts a server as a source. Calls with the same pool return the same adapter, so that a process follows
 * the server once. A later call may repeat the options, or leave them out.
 *
 *     const db = mariadb(mysql.createPool({ uri: 'mysql://particle@localhost/app' }))
 *     new Server({ dataSources: { users: { manifest: true, collection: db.collection('users') } } })
 *
 * @param given a pool of `mysql2` or of `mysql2/promise`
 */
export function mariadb(given: Pool | PromisePool, options: MariadbOptions = {}): MariadbAdapter {
  const pool = checkPool(given)
  return adapters.get(pool, '', options, checkOptions(options), () => new MariadbAdapter(pool, options))
}
