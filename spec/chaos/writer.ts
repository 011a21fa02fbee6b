import { redis } from '../../lib/source/redis/index.ts'
import type { Random } from '../hostile/support/random.ts'
import type { History } from './history.ts'
import { STREAM, type Stores } from './stores.ts'
import { ACCOUNTS, LEVELS, SECRET, TEAMS, teamsOf, USERS } from './world.ts'

const TASKS = 120
const NEWS = 40
const PAUSE_MS = 30
const RETRY_MS = 100

/**
 * Writes rows and rights, one after the other in each store. A write that fails is made again until it succeeds:
 * each leads to the same rows however often it is made.
 */
export class Writer {
  written = 0
  /** Counts the changes of rights. */
  changes = 0
  readonly #stores: Stores
  readonly #history: History
  readonly #random: Random
  readonly #news
  #isAtWork = false
  #working: Promise<unknown> = Promise.resolve()
  /** How many of the next writes are large. */
  #large = 0

  constructor(stores: Stores, history: History, random: Random) {
    this.#stores = stores
    this.#history = history
    this.#random = random
    this.#news = redis(stores.client, { stream: STREAM }).collection('news', { type: 'json', id: 'number' })
    for (const user of USERS) history.grant(user, LEVELS[0], 0)
  }

  /** Fills the stores. */
  async fill(): Promise<void> {
    for (const id of ACCOUNTS)
      for (const table of ['debits', 'credits'])
        await this.#query(`INSERT INTO ${table} VALUES ($1, 0)`, [id])
    for (let id = 0; id < TASKS; id++) await this.#writeTask(id)
    for (let id = 0; id < NEWS; id++) await this.#writeNews(id)
    for (const user of USERS) for (const team of teamsOf(user).slice(1)) await this.#toggle(user, team)
  }

  start(): void {
    if (this.#isAtWork) return
    this.#isAtWork = true
    const again = async (write: () => Promise<void>) => {
      while (this.#isAtWork) {
        await write()
        this.written++
        await pause(this.#large > 0 ? 1 : PAUSE_MS)
      }
    }
    this.#working = Promise.all([again(() => this.#writeRow()), again(() => this.#writeSome())])
  }

  /** Stops once both stores have the last write. */
  async rest(): Promise<void> {
    this.#isAtWork = false
    await this.#working
  }

  /** Makes so many of the next writes large and fast, so that slow clients fall behind. */
  burst(count: number): void {
    this.#large = count
  }

  /** Changes very many rights at once. */
  shuffle(): void {
    this.#shuffles = 30
  }
  #shuffles = 0

  async #writeRow(): Promise<void> {
    if (this.#shuffles > 0) {
      this.#shuffles--
      return this.#changeRight()
    }
    const kind = this.#random.below(100)
    const id = this.#random.below(TASKS)
    if (kind < 70) return this.#writeTask(id)
    if (kind < 78) return this.#deleteTask(id)
    if (kind < 88) return this.#transfer()
    return this.#changeRight()
  }

  async #writeSome(): Promise<void> {
    const id = this.#random.below(NEWS)
    if (this.#random.chance(0.9)) return this.#writeNews(id)
    this.#history.remove('news', id, this.#history.next())
    await this.#untilDone(() => this.#news.delete(id))
  }

  async #writeTask(id: number): Promise<void> {
    const stamp = this.#history.next()
    const team = this.#random.pick(TEAMS)
    this.#history.write('task', id, team, stamp)
    await this.#query(
      `INSERT INTO tasks VALUES ($1, $2, $3, $4, $5) ON CONFLICT (_id)
       DO UPDATE SET team = $2, stamp = $3, text = $4, secret = $5`,
      [id, team, stamp, this.#text(), `${SECRET} ${stamp}`],
    )
  }

  async #deleteTask(id: number): Promise<void> {
    this.#history.remove('task', id, this.#history.next())
    await this.#query('DELETE FROM tasks WHERE _id = $1', [id])
  }

  async #writeNews(id: number): Promise<void> {
    const stamp = this.#history.next()
    const level = this.#random.pick(LEVELS)
    this.#history.write('news', id, level, stamp)
    const secret = `${SECRET} ${stamp}`
    await this.#untilDone(() => this.#news.set(id, { level, stamp, text: this.#text(), secret }))
  }

  /** Changes two tables in one transaction, of which nobody may see a half. */
  async #transfer(): Promise<void> {
    const values = [this.#random.pick(ACCOUNTS), this.#history.next()]
    await this.#query(
      `WITH debit AS (UPDATE debits SET n = $2 WHERE _id = $1) UPDATE credits SET n = $2 WHERE _id = $1`,
      values,
    )
  }

  async #changeRight(): Promise<void> {
    this.changes++
    const user = this.#random.pick(USERS)
    if (this.#random.chance(0.7)) return this.#toggle(user, this.#random.pick(teamsOf(user)))
    const levels = 1 + this.#random.below(LEVELS.length)
    const stamp = this.#history.next()
    for (const level of LEVELS.slice(0, levels)) this.#history.grant(user, level, stamp)
    await this.#query('UPDATE people SET levels = $2 WHERE _id = $1', [user, levels])
  }

  async #toggle(user: string, team: string): Promise<void> {
    const stamp = this.#history.next()
    const id = `${user} ${team}`
    if (this.#history.has(user, team)) {
      this.#history.withdraw(user, team, stamp)
      await this.#query('DELETE FROM memberships WHERE _id = $1', [id])
    } else {
      this.#history.grant(user, team, stamp)
      const values = [id, user, team]
      await this.#query('INSERT INTO memberships VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', values)
    }
  }

  #text(): string {
    if (this.#large <= 0) return 'x'.repeat(this.#random.below(200))
    this.#large--
    return 'y'.repeat(8_000)
  }

  async #query(text: string, values: unknown[]): Promise<void> {
    await this.#untilDone(() => this.#stores.pool.query(text, values))
  }

  async #untilDone(write: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await write()
        return
      } catch {
        await pause(RETRY_MS)
      }
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
