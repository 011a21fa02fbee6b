import type { Pool } from 'pg'
import { invalidOption } from '../../model/unknown.ts'
import { formatLsn, parseLsn } from './position.ts'
import { connect, release, stateOf } from './session.ts'

/** Options of an {@link Anchor}. */
export interface AnchorOptions {
  pool: Pool
  slot: string
  /** The slot's distance from the present changes, in milliseconds. */
  history: number
  /**
   * The maximum of kept WAL in bytes. Above it, the slot moves to the present, or is dropped if that does not
   * help.
   */
  slotBytes: number
}

const DUPLICATE = '42710'
const NO_SUCH_OBJECT = '42704'
const LONGEST_WAIT_MS = 10_000

/**
 * Keeps a permanent slot without a reader: the slot holds the WAL of the last minutes, so that a new or
 * returning node can copy it and begin there. All nodes share the slot and advance it.
 */
export class Anchor {
  readonly slot: string
  readonly #options: AnchorOptions
  /** The positions of the changes at earlier times. */
  readonly #samples: { time: number; lsn: bigint }[] = []
  #making: Promise<void> | undefined

  constructor(options: AnchorOptions) {
    this.#options = options
    this.slot = options.slot
  }

  /**
   * Creates a missing slot, only on a server that limits the WAL of slots: while no node runs, no process
   * advances the slot.
   *
   * @throws ParticleError `INVALID_OPTION` on a server without a limit
   */
  async ensure(): Promise<void> {
    const { pool, slot } = this.#options
    const { rows } = await pool.query(
      `SELECT pg_catalog.current_setting('max_slot_wal_keep_size', true) AS bound,
        (SELECT wal_status FROM pg_catalog.pg_replication_slots WHERE slot_name = $1) AS status`,
      [slot],
    )
    const { bound, status } = rows[0] ?? {}
    if (bound === null || bound === '-1') {
      throw invalidOption(
        `The permanent slot ${slot} could fill the server's disk while no process advances it: set ` +
          `max_slot_wal_keep_size (say, to 4GB) on the server, or leave the option 'slot' out`,
      )
    }
    if (status === 'lost') await this.drop()
    if (status && status !== 'lost') return
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined
    })
    await this.#making
  }

  /** Returns the oldest LSN from which a copy reports everything; `undefined` without a slot. */
  async reach(): Promise<bigint | undefined> {
    const { rows } = await this.#options.pool.query(
      'SELECT confirmed_flush_lsn::text AS lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1',
      [this.slot],
    )
    const lsn: unknown = rows[0]?.lsn
    return typeof lsn === 'string' ? parseLsn(lsn) : undefined
  }

  /** Creates the slot. Limits the time, because a new slot waits for the transactions under way. */
  async #make(): Promise<void> {
    const { pool, slot } = this.#options
    const client = await connect(pool)
    try {
      await client.query(`BEGIN; SET LOCAL statement_timeout = ${LONGEST_WAIT_MS}`)
      await client.query(`SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')`, [slot])
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      if (stateOf(error) !== DUPLICATE) throw error
    } finally {
      release(client)
    }
  }

  /**
   * Advances the slot to this process's position of `history` milliseconds ago. Called from time to time with
   * the present position.
   */
  async maintain(lsn: bigint): Promise<void> {
    const { history, slotBytes } = this.#options
    const now = Date.now()
    this.#samples.push({ time: now, lsn })
    let old = this.#samples.findLastIndex(({ time }) => time <= now - history)
    const held = await this.#held()
    // Does not wait for a new slot here, which would delay the other checks. The opening of a stream waits
    // for it.
    if (held === undefined) return void this.ensure().catch(() => {})
    if (held > slotBytes) old = this.#samples.length - 1
    const target = this.#samples[old]
    if (target) {
      this.#samples.splice(0, old)
      await this.#advance(target.lsn)
    }
    if (held > slotBytes && ((await this.#held()) ?? 0) > slotBytes) {
      await this.drop()
      void this.ensure().catch(() => {})
    }
  }

  async drop(): Promise<void> {
    const { pool, slot } = this.#options
    await pool.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [slot]).catch((error: unknown) => {
      if (stateOf(error) !== NO_SUCH_OBJECT) throw error
    })
  }

  async #held(): Promise<number | undefined> {
    return await heldBytes(this.#options.pool, this.slot)
  }

  async #advance(lsn: bigint): Promise<void> {
    const reach = await this.reach()
    if (reach === undefined || lsn <= reach) return
    await this.#options.pool
      .query('SELECT pg_catalog.pg_replication_slot_advance($1, $2::pg_catalog.pg_lsn)', [
        this.slot,
        formatLsn(lsn),
      ])
      // Ignores the failure if another node advances the slot, or did so first.
      .catch((error: unknown) => {
        if (!['55006', '55000', '22023'].includes(stateOf(error))) throw error
      })
  }
}

/** Returns the bytes of WAL that the server keeps for a slot; `undefined` without such a slot. */
export async function heldBytes(pool: Pool, slot: string): Promise<number | undefined> {
  const { rows } = await pool.query(
    `SELECT
      pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::pg_catalog.float8 AS held
      FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [slot],
  )
  return rows.length === 0 ? undefined : Number(rows[0]?.held ?? 0)
}
