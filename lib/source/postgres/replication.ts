import type { Pool, PoolClient } from 'pg'
import { invalidOption } from '../../model/unknown.ts'
import type { Lookup } from '../completion.ts'
import type { Report } from '../host/index.ts'
import { Rounds } from '../rounds.ts'
import type { ChangeListener, Reading, Subscription } from '../source.ts'
import { epochOf } from '../sql/epoch.ts'
import { Anchor } from './anchor.ts'
import type { Changes, Context } from './follower.ts'
import { comparePositions, formatPosition, parseLsn, parsePosition } from './position.ts'
import { describePublishing, ensurePublication, publishTable } from './publication.ts'
import { queryTexts } from './session.ts'
import { Snapshot } from './snapshot.ts'
import { TableWatch } from './table-watch.ts'
import { xidOf } from './transaction.ts'
import { WalFollowing } from './wal-following.ts'

/** Tells how to follow tables without logical replication. */
export const RUN_INSTALL =
  "run npx particle postgres install <table>..., or installTriggers, once, as the tables' owner"

/** Options of a {@link Replication}. */
export interface ReplicationOptions {
  publication: string
  slot: string | undefined
  slotBytes: number
  history: number
}

const NUDGE_MS = 10
/** The number of noted transactions from which on the server is asked which of them all reads see. */
const MANY_TRANSACTIONS = 10_000

/** Learns of changes by logical replication. */
export class Replication implements Changes {
  readonly #context: Context
  readonly #options: ReplicationOptions
  readonly #lookup: Lookup
  readonly #anchor: Anchor | undefined
  readonly #followings = new Set<WalFollowing>()
  readonly #watch: TableWatch
  #epoch: string | undefined
  /** The transactions that another process of the host has reported, and that some reads may not see. */
  #shared = new Set<number>()
  #isForgetting = false
  readonly #slotRounds = new Rounds()
  readonly #tableRounds = new Rounds()

  constructor(context: Context, options: ReplicationOptions, lookup: Lookup) {
    this.#context = context
    this.#options = options
    this.#lookup = lookup
    const { slot, history, slotBytes } = options
    this.#anchor =
      slot === undefined ? undefined : new Anchor({ pool: context.pool, slot, history, slotBytes })
    const { pool } = context
    const { publication } = options
    this.#watch = new TableWatch({
      ...context,
      recording: (client, table) => describePublishing(client, publication, table),
      record: (table) => publishTable(pool, publication, table),
      announce: (notice) => this.#notice(JSON.stringify(notice)),
    })
  }

  async follow(listener: ChangeListener, from?: string): Promise<Subscription> {
    const { pool } = this.#context
    const { publication, slotBytes } = this.#options
    await this.#checkLevel()
    // Creates the publication first: it must be older than the stream.
    await ensurePublication(pool, publication)
    await this.#watch.prepareAll()
    await this.#anchor?.ensure()
    const { epoch, lsn: head } = await this.#present()
    const place = from === undefined ? undefined : parsePosition(from)
    const honoured = place?.epoch === epoch && place.at <= head ? place : undefined
    const following = new WalFollowing(
      {
        ...this.#context,
        epoch,
        present: () => this.#present(),
        publication,
        prefix: this.#prefix,
        anchor: this.#anchor,
        slotBytes,
        tables: this.#watch.tables,
        from: honoured,
        lookup: this.#lookup,
        altered: () => this.#tableRounds.hurry(),
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
    const { checkInterval } = this.#context
    const failed = (error: unknown) => listener.error(error)
    // Runs the two checks separately: a wait for a table's writers must not delay the limit on slots.
    this.#slotRounds.begin(checkInterval, () => this.#checkSlots(), failed)
    this.#tableRounds.begin(checkInterval, () => this.#checkTables(), failed)
    const end = formatPosition(epoch, head)
    return {
      position: following.startPosition,
      ...(comparePositions(following.startPosition, end) < 0 ? { head: end } : {}),
      close: async () => {
        this.#followings.delete(following)
        // A read may not see them yet, though another process reports from here on.
        this.#share(following.xids)
        if (this.#followings.size === 0) {
          this.#slotRounds.end()
          this.#tableRounds.end()
          // Keeps the checks of the tables for reads beside another process: a new check waits for writers.
          if (this.#context.shared().length === 0) this.#watch.clear()
        }
        await following.close()
      },
    }
  }

  /**
   * Returns the oldest position that the permanent slot reaches back to, and without a slot the present one.
   */
  async past(): Promise<string> {
    const { epoch, lsn } = await this.#present()
    return formatPosition(epoch, (await this.#anchor?.reach()) ?? lsn)
  }

  async prepare(collection: string): Promise<void> {
    await this.#watch.prepare(collection)
  }

  async examine(client: PoolClient): Promise<Reading | undefined> {
    const followings = [...this.#followings]
    const told = [...followings.map(({ position }) => position), ...this.#context.shared()].filter(
      (position) => position !== '',
    )
    const xids = [...followings.flatMap((following) => following.xids), ...this.#shared]
    const { rows } = await queryTexts(
      client,
      'SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_current_wal_insert_lsn()::text',
    )
    const [snapshot, end] = rows[0] ?? []
    const seen = new Snapshot(snapshot ?? '')
    // Takes another snapshot if a reported commit is invisible: a commit is in the WAL, and may be reported,
    // a moment before other transactions see it.
    if (!xids.every((xid) => seen.sees(xid))) return undefined
    for (const following of followings) following.forget(seen)
    this.#forget(seen)
    const epoch = this.#epoch ?? (await this.#present(client)).epoch
    // Starts at zero without a follower: a commit before the end of the WAL may still be invisible, so that
    // the start of the changes is unknown.
    const from = told.reduce(
      (a, b) => (comparePositions(a, b) < 0 ? a : b),
      told[0] ?? formatPosition(epoch, 0n),
    )
    const to = formatPosition(epoch, parseLsn(end ?? '0/0'))
    return { from, to: comparePositions(to, from) < 0 ? from : to }
  }

  /** Writes a message to the WAL, because the server reports its progress only with a message. */
  reach({ to }: Reading): void {
    const isBehind = () => [...this.#followings].some(({ position }) => comparePositions(position, to) < 0)
    if (!isBehind()) return
    setTimeout(() => {
      if (isBehind()) void this.#notice('').catch(() => {})
    }, NUDGE_MS).unref()
  }

  received(report: Report): void {
    if (report.kind !== 'changes') return
    this.#watch.recheck(report.changes)
    const transactions = new Set(report.changes.map(({ transaction }) => transaction ?? ''))
    this.#share([...transactions].map(xidOf))
  }

  /** Notes transactions, and forgets those that every read sees, where no read does that. */
  #share(xids: readonly number[]): void {
    for (const xid of xids) this.#shared.add(xid)
    if (this.#shared.size < MANY_TRANSACTIONS || this.#isForgetting) return
    this.#isForgetting = true
    void this.#seen()
      .then((seen) => this.#forget(seen))
      .catch(() => {})
      .finally(() => {
        this.#isForgetting = false
      })
  }

  #forget(seen: Snapshot): void {
    for (const xid of this.#shared) if (seen.sees(xid)) this.#shared.delete(xid)
  }

  async #seen(): Promise<Snapshot> {
    const { rows } = await this.#context.pool.query(
      'SELECT pg_catalog.pg_current_snapshot()::text AS snapshot',
    )
    return new Snapshot(rows[0]?.snapshot)
  }

  async #checkLevel(): Promise<void> {
    const { rows } = await this.#context.pool.query("SELECT pg_catalog.current_setting('wal_level') AS level")
    if (rows[0]?.level === 'logical') return
    throw invalidOption(
      `Logical replication needs wal_level = logical, but the server's is ${rows[0]?.level}: change the ` +
        `level and restart the server, or ${RUN_INSTALL}`,
    )
  }

  get #prefix(): string {
    return `particle:${this.#options.publication}`
  }

  async #notice(content: string): Promise<void> {
    await this.#context.pool.query(
      'SELECT pg_catalog.pg_logical_emit_message(true, $1, $2::pg_catalog.text)',
      [this.#prefix, content],
    )
  }

  async #present(client: Pool | PoolClient = this.#context.pool): Promise<{ epoch: string; lsn: bigint }> {
    const { rows } = await client.query(
      `SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::text AS system,
        pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) AS timeline,
        (SELECT oid FROM pg_catalog.pg_database
          WHERE datname = pg_catalog.current_database())::text AS database,
        pg_catalog.pg_current_wal_flush_lsn()::text AS lsn`,
    )
    const { system, timeline, database, lsn } = rows[0] ?? {}
    const parts = ['replication', system, timeline, database, this.#options.publication]
    this.#epoch = epochOf(parts)
    return { epoch: this.#epoch, lsn: parseLsn(lsn) }
  }

  /** Checks from time to time that no slot keeps too much WAL. */
  async #checkSlots(): Promise<void> {
    const seen = await this.#seen()
    for (const following of this.#followings) {
      following.forget(seen)
      await following.check()
    }
    const [first] = this.#followings
    if (first?.at !== undefined) await this.#anchor?.maintain(first.at)
  }

  /** Checks the tables from time to time: the stream reports some of their changes late, or never. */
  async #checkTables(): Promise<void> {
    await ensurePublication(this.#context.pool, this.#options.publication)
    await this.#watch.check()
  }
}
