import type { Client, PoolClient } from 'pg'
import { invalidOption } from '../../model/unknown.ts'
import type { Report } from '../host/index.ts'
import { Rounds } from '../rounds.ts'
import type { ChangeListener, Reading, Subscription } from '../source.ts'
import { epochOf } from '../sql/epoch.ts'
import type { Changes, Context } from './follower.ts'
import { OutboxFollowing } from './outbox-following.ts'
import { comparePositions, formatPosition, parsePosition } from './position.ts'
import { queryTexts, readingTransaction } from './session.ts'
import { TableWatch } from './table-watch.ts'
import { describeTriggers } from './triggers.ts'

/** Describes the state of an outbox. */
interface OutboxFacts {
  epoch: string
  /** The lowest number that nothing was trimmed of. */
  floor: bigint
  /** The number that the next commit may have. */
  next: bigint
}

/** Follows changes by triggers that write to an outbox: see `installTriggers`. */
export class Outbox implements Changes {
  readonly #context: Context
  readonly #schema: string
  readonly #connect: () => Client
  readonly #followings = new Set<OutboxFollowing>()
  readonly #watch: TableWatch
  readonly #rounds = new Rounds()

  constructor(context: Context, schema: string, connect: () => Client) {
    this.#context = context
    this.#schema = schema
    this.#connect = connect
    this.#watch = new TableWatch({
      ...context,
      recording: describeTriggers,
      announce: async (notice) => {
        await context.pool.query(`SELECT ${schema}.reshape($1, NULL, $2)`, [
          notice.collection,
          JSON.stringify(notice),
        ])
      },
    })
  }

  async follow(listener: ChangeListener, from?: string): Promise<Subscription> {
    await this.#watch.prepareAll()
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
        tables: this.#watch.tables,
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
          // Keeps the checks of the tables for reads beside another process: a new check waits for writers.
          if (this.#context.shared().length === 0) this.#watch.clear()
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
    await this.#watch.prepare(collection)
  }

  /**
   * Returns the same position for begin and end: a read's snapshot contains a prefix of the commits, because
   * the order of their numbers is the order of the commits.
   */
  async examine(client: PoolClient): Promise<Reading> {
    const { epoch, next } = await this.#factsOf(client)
    const position = formatPosition(epoch, next)
    return { from: position, to: position }
  }

  reach({ to }: Reading): void {
    for (const following of this.#followings)
      if (comparePositions(following.position, to) < 0) following.wake()
  }

  received(report: Report): void {
    if (report.kind === 'changes') this.#watch.recheck(report.changes)
  }

  async #facts(): Promise<OutboxFacts> {
    return await readingTransaction(this.#context.pool, (client) => this.#factsOf(client))
  }

  async #factsOf(client: PoolClient): Promise<OutboxFacts> {
    const { rows } = await queryTexts(
      client,
      `SELECT epoch::text, floor::text,
        GREATEST(floor, (SELECT max(number) + 1 FROM ${this.#schema}.commits))::text,
        (SELECT system_identifier FROM pg_catalog.pg_control_system())::text,
        pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())::text
        FROM ${this.#schema}.meta`,
    )
    const [epoch, floor, next, ...cluster] = rows[0] ?? []
    if (!epoch)
      throw invalidOption(
        `The outbox ${this.#schema} is incomplete: run npx particle postgres install, or installTriggers`,
      )
    return {
      epoch: epochOf(['triggers', epoch, ...cluster]),
      floor: BigInt(floor ?? 1),
      next: BigInt(next ?? 1),
    }
  }

  /** Trims the outbox, and checks the tables for changes that no row reports. Runs from time to time. */
  async #check(): Promise<void> {
    await this.#context.pool.query(`SELECT ${this.#schema}.trim()`)
    await this.#watch.check()
  }
}
