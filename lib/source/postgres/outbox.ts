import type { Client, PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
import type { ChangeListener, Reading, Subscription } from '../source.ts'
import { type Changes, type Context, Rounds } from './follower.ts'
import {
  notInstalled,
  OutboxFollowing,
  type ShapedTable,
  type ShapeNotice,
  shapeOf,
} from './outbox-following.ts'
import { comparePositions, formatPosition, parsePosition } from './position.ts'
import { epochOf } from './replication.ts'
import { queryTexts, readingTransaction } from './session.ts'
import { loadTable, type Table } from './table.ts'
import { TRIGGER } from './triggers.ts'

/** What there is to know of an outbox. */
interface OutboxFacts {
  epoch: string
  /** The lowest number that nothing was trimmed of. */
  floor: bigint
  /** The number that the next commit may have. */
  next: bigint
}

/** Learns of changes by triggers that write to an outbox: see `installTriggers`. */
export class Outbox implements Changes {
  readonly #context: Context
  readonly #schema: string
  readonly #connect: () => Client
  readonly #followings = new Set<OutboxFollowing>()
  readonly #tables = new Map<string, ShapedTable>()
  readonly #prepared = new Map<string, Promise<void>>()
  /** What the catalog said when it was last looked at. */
  readonly #looked = new Map<string, Pick<Table, 'columns' | 'key' | 'oid'>>()
  readonly #rounds = new Rounds()

  constructor(context: Context, schema: string, connect: () => Client) {
    this.#context = context
    this.#schema = schema
    this.#connect = connect
  }

  async follow(listener: ChangeListener, from?: string): Promise<Subscription> {
    for (const collection of this.#context.references.keys()) await this.prepare(collection)
    const { epoch, floor, next } = await this.#facts()
    const place = from === undefined ? undefined : parsePosition(from)
    const honoured = place?.epoch === epoch && place.at >= floor && place.at <= next ? place : undefined
    const start = honoured ?? { epoch, at: next, ordinal: 0 }
    const following = new OutboxFollowing(
      {
        ...this.#context,
        schema: this.#schema,
        epoch,
        present: () => this.#facts(),
        tables: this.#tables,
        connect: this.#connect,
        from: start,
      },
      listener,
    )
    const position = following.position
    this.#followings.add(following)
    try {
      await following.opened
    } catch (error) {
      this.#followings.delete(following)
      await following.close()
      throw error
    }
    const failed = (error: unknown) => listener.error(error)
    this.#rounds.begin(this.#context.checkInterval, () => this.#check(), failed)
    const head = formatPosition(epoch, next)
    return {
      position,
      ...(comparePositions(position, head) < 0 ? { head } : {}),
      close: async () => {
        this.#followings.delete(following)
        if (this.#followings.size === 0) {
          this.#rounds.end()
          for (const known of [this.#prepared, this.#tables, this.#looked]) known.clear()
        }
        await following.close()
      },
    }
  }

  async past(milliseconds: number): Promise<string> {
    const { epoch, floor } = await this.#facts()
    const { rows } = await this.#context.pool.query(
      `SELECT COALESCE(max(number) + 1, $2::bigint)::text AS at FROM ${this.#schema}.commits
        WHERE at <= clock_timestamp() - $1 * interval '1 millisecond'`,
      [milliseconds, floor.toString()],
    )
    const at = BigInt(rows[0]?.at)
    return formatPosition(epoch, at < floor ? floor : at)
  }

  async prepare(collection: string): Promise<void> {
    const known = this.#prepared.get(collection) ?? this.#look(collection)
    this.#prepared.set(collection, known)
    await known.catch((error: unknown) => {
      this.#prepared.delete(collection)
      throw error
    })
  }

  /** A reading's snapshot holds a prefix of the commits, since their numbers' order is theirs. */
  async examine(client: PoolClient): Promise<Reading> {
    const { epoch, next } = await this.#factsOf(client)
    const position = formatPosition(epoch, next)
    return { from: position, to: position }
  }

  reach({ to }: Reading): void {
    for (const following of this.#followings)
      if (comparePositions(following.position, to) < 0) following.wake()
  }

  async #facts(): Promise<OutboxFacts> {
    return await readingTransaction(this.#context.pool, (client) => this.#factsOf(client))
  }

  async #factsOf(client: PoolClient): Promise<OutboxFacts> {
    const { rows } = await queryTexts(
      client,
      `SELECT epoch::text, floor::text, GREATEST(floor, (SELECT max(number) + 1 FROM ${this.#schema}.commits))::text,
        (SELECT system_identifier FROM pg_catalog.pg_control_system())::text,
        pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())::text
        FROM ${this.#schema}.meta`,
    )
    const [epoch, floor, next, ...cluster] = rows[0] ?? []
    if (!epoch)
      throw new ParticleError(
        'INVALID_OPTION',
        `The outbox ${this.#schema} is not whole: run npx particle postgres install, or installTriggers`,
      )
    return {
      epoch: epochOf(['triggers', epoch, ...cluster]),
      floor: BigInt(floor ?? 1),
      next: BigInt(next ?? 1),
    }
  }

  async #look(collection: string): Promise<void> {
    const { pool, references, types } = this.#context
    const reference = references.get(collection)
    if (!reference) return
    const found = await readingTransaction(pool, async (client): Promise<Table | undefined> => {
      const table = await loadTable(client, reference, types)
      if (!table) return undefined
      const { rows } = await queryTexts(
        client,
        'SELECT 1 FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND tgname = $2',
        [table.oid, TRIGGER],
      )
      if (rows.length === 0) throw notInstalled(collection)
      return table
    })
    const { columns, key, oid } = found ?? { columns: [], key: [], oid: 0 }
    this.#looked.set(collection, { columns, key, oid })
    if (!this.#tables.has(collection))
      this.#tables.set(collection, { ...reference, key, oid, shape: shapeOf(columns) })
  }

  /**
   * From time to time: trims the outbox, and sees whether tables have got another shape, which else is told
   * only with their next change.
   */
  async #check(): Promise<void> {
    await this.#context.pool.query(`SELECT ${this.#schema}.trim()`)
    for (const collection of [...this.#looked.keys()]) await this.#checkShape(collection)
  }

  async #checkShape(collection: string): Promise<void> {
    const before = JSON.stringify(this.#looked.get(collection))
    await this.#look(collection)
    const now = this.#looked.get(collection)
    if (!now || JSON.stringify(now) === before) return
    const { columns, key, oid } = now
    await this.#context.pool.query(`SELECT ${this.#schema}.reshape($1, $2, $3)`, [
      collection,
      JSON.stringify(columns.map((column) => [column.name, column.oid, false])),
      JSON.stringify({ key, oid } satisfies ShapeNotice),
    ])
  }
}
