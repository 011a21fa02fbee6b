import type { Client } from 'pg'
import { reportChanges } from '../report.ts'
import { RetryLoop } from '../retry-loop.ts'
import type { Change, ChangeListener } from '../source.ts'
import { type ChangeContext, POSITIONS, type RowChange, translateRow } from './change.ts'
import { type FollowedTable, parseNotice, shapeOf, withFacts } from './followed-table.ts'
import { type Context, isHopeless } from './follower.ts'
import { comparePositions, formatPosition, type Place } from './position.ts'
import { settings, withinPatience } from './session.ts'
import type { Column } from './table.ts'
import { parseRow } from './value.ts'

/** Options of an {@link OutboxFollowing}. */
export interface OutboxFollowingOptions extends Context {
  /** The outbox's schema. */
  schema: string
  epoch: string
  /** Returns the server's present epoch and the end of its outbox. A failover starts a new epoch. */
  present(): Promise<{ epoch: string; next: bigint }>
  /** The followed tables by their collections' names, in their first state. The map grows. */
  tables: ReadonlyMap<string, FollowedTable>
  /** Creates a client for a separate connection. */
  connect(): Client
  /** The place to start at in the outbox's history. */
  from: Place
}

/**
 * Describes a row of the outbox with its commit. All fields except the first three are null for a commit
 * whose changes are gone.
 */
interface OutboxRow {
  number: string
  at: string
  floor: string
  collection: string | null
  kind: string
  columns: string | null
  old: string | null
  new: string | null
}

/** Limits the commits of one read. */
const BATCH = 200

/** Follows the outbox for one listener. Holds a connection that LISTENs, and reads the new commits. */
export class OutboxFollowing {
  /** The last position that was reported to the listener. */
  position: string
  readonly #options: OutboxFollowingOptions
  readonly #listener: ChangeListener
  readonly #loop: RetryLoop
  readonly #layouts = new Layouts()
  /** The tables that got another shape on the way. */
  readonly #reshaped = new Map<string, FollowedTable>()
  #at: bigint
  #epoch: string
  #client: Client | undefined
  #wake: () => void = () => {}
  #news = false

  constructor(options: OutboxFollowingOptions, listener: ChangeListener) {
    this.#options = options
    this.#listener = listener
    const { epoch, from } = options
    this.#at = from.at
    this.#epoch = epoch
    this.position = formatPosition(epoch, from.at, from.ordinal)
    this.#loop = new RetryLoop({
      attempt: () => this.#follow(),
      isHopeless,
      failed: (error) => void listener.error(error),
      recovered: () => listener.progress(this.position),
    })
  }

  /** Resolves before the first read; rejects when another attempt can't help. */
  get opened(): Promise<void> {
    return this.#loop.opened
  }

  /** Looks again at once. */
  wake(): void {
    this.#news = true
    this.#wake()
  }

  async close(): Promise<void> {
    const closed = this.#loop.close()
    this.#wake()
    // Lets a query under way end by itself, and the connection after it.
    await withinPatience(closed)
    await this.#client?.end().catch(() => {})
    await closed
  }

  get #closed(): boolean {
    return this.#loop.isClosed
  }

  async #follow(): Promise<void> {
    const { connect, schema, checkInterval } = this.#options
    const client = connect()
    this.#client = client
    const broken = new Promise<never>((_, reject) => {
      client.on('error', reject)
      client.on('end', () => reject(new Error('The connection to PostgreSQL ended')))
    })
    broken.catch(() => {})
    client.on('notification', () => this.wake())
    try {
      await client.connect()
      await client.query(`${settings('SESSION')}; LISTEN "${schema}_changes"`)
      const { epoch, next } = await this.#options.present()
      if (this.#closed) return
      if (epoch !== this.#epoch) {
        this.#epoch = epoch
        this.#lose('PostgreSQL is on another timeline', next)
      }
      this.#loop.succeeded()
      while (!this.#closed) {
        this.#news = false
        while (!this.#closed && (await this.#read(client))) {
          // Reads until nothing is left.
        }
        if (this.#news || this.#closed) continue
        await Promise.race([this.#sleep(checkInterval), broken])
      }
    } finally {
      this.#client = undefined
      await client.end().catch(() => {})
    }
  }

  /** Waits for a notification or the next check. The check finds the commits of a missed notification. */
  async #sleep(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      timer.unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Reads and reports the next commits. Returns false if there are none. */
  async #read(client: Client): Promise<boolean> {
    const { schema, types } = this.#options
    const { rows } = await client.query<OutboxRow>(
      `SELECT c.number::text, to_json(c.at)#>>'{}' AS at, m.floor::text,
        o.collection, o.kind, o.columns, o.old, o.new
        FROM ${schema}.meta m LEFT JOIN (
          SELECT * FROM ${schema}.commits WHERE number >= $1 ORDER BY number LIMIT ${BATCH}) c ON true
        LEFT JOIN ${schema}.changes o ON o.xid = c.xid ORDER BY c.number, o.id`,
      [this.#at.toString()],
    )
    if (this.#closed) return false
    const floor = BigInt(rows[0]?.floor ?? 1)
    if (floor > this.#at) {
      this.#lose('the outbox was trimmed past it', floor)
      return true
    }
    const layouts = new Set(rows.map((row) => this.#layouts.of(row.columns)))
    const oids = [...layouts].flatMap(({ columns }) => columns.map(({ oid }) => oid))
    if (!types.has(oids)) await types.load(client, oids)
    if (this.#closed) return false
    const changes: Change[] = []
    let told = this.position
    for (const commit of commitsOf(rows)) {
      const fresh = this.#translate(commit).filter(({ position }) => comparePositions(position, told) > 0)
      changes.push(...fresh)
      this.#at = BigInt(commit[0]?.number ?? 0) + 1n
      told = formatPosition(this.#epoch, this.#at)
    }
    if (told === this.position) return false
    this.position = told
    reportChanges(this.#listener, changes, told)
    return true
  }

  #lose(why: string, at: bigint): void {
    this.#at = at
    this.position = formatPosition(this.#epoch, at)
    this.#listener.lost(`The history is lost: ${why}`, this.position)
  }

  #translate(rows: readonly OutboxRow[]): Change[] {
    const { types, tables } = this.#options
    const [first] = rows
    const number = BigInt(first?.number ?? 0)
    const timestamp = new Date(first?.at ?? 0).toISOString()
    const transaction = number.toString()
    const changes: Change[] = []
    for (const [index, row] of rows.entries()) {
      const known = this.#reshaped.get(row.collection ?? '') ?? tables.get(row.collection ?? '')
      const notice = row.kind === 'reshape' ? parseNotice(row.new ?? '') : undefined
      if (!known || (known.isRefused && !notice)) continue
      const position = (offset: number) => formatPosition(this.#epoch, number, 1 + index * POSITIONS + offset)
      const whole = (kind: 'clear' | 'reload') =>
        changes.push({ kind, position: position(0), timestamp, collection: known.collection, transaction })
      const { columns, shape, generated } = this.#layouts.of(row.columns)
      if (row.kind === 'truncate') {
        whole('clear')
        continue
      }
      const table = withFacts(known, notice ?? { shape })
      if (table !== known) {
        whole(table.oid === 0 ? 'clear' : 'reload')
        this.#reshaped.set(table.collection, table)
      }
      if (row.kind !== 'insert' && row.kind !== 'update' && row.kind !== 'delete') continue
      const context: ChangeContext = {
        timestamp,
        transaction,
        types,
        position: (offset) => position(offset + 1),
      }
      const cellsOf = (text: string | null) =>
        text === null ? undefined : parseRow(text).filter((_, at) => !generated[at])
      const change: RowChange = {
        kind: row.kind,
        columns,
        old: cellsOf(row.old),
        full: true,
        cells: cellsOf(row.new),
      }
      changes.push(...translateRow(table, change, context).changes)
    }
    return changes
  }
}

/** Describes the table's columns in a row of the outbox. */
interface Layout {
  columns: Column[]
  shape: string
  /** Marks the cells of generated columns. */
  generated: boolean[]
}

const NO_COLUMNS: Layout = { columns: [], shape: '', generated: [] }

/** Parses layouts, and keeps them: many rows share a few layouts. */
class Layouts {
  readonly #known = new Map<string, Layout>()

  of(text: string | null): Layout {
    if (text === null) return NO_COLUMNS
    const known = this.#known.get(text)
    if (known) return known
    const listed = JSON.parse(text) as [name: string, oid: number, isGenerated: boolean][]
    const columns = listed
      .filter(([, , isGenerated]) => !isGenerated)
      .map(([name, oid]): Column => ({ name, oid }))
    const generated = listed.map(([, , isGenerated]) => isGenerated)
    const layout = { columns, shape: shapeOf(columns), generated }
    if (this.#known.size > 1000) this.#known.clear()
    this.#known.set(text, layout)
    return layout
  }
}

function commitsOf(rows: readonly OutboxRow[]): OutboxRow[][] {
  const commits: OutboxRow[][] = []
  for (const row of rows) {
    if (row.number === null) continue
    const last = commits.at(-1)
    if (last?.[0]?.number === row.number) last.push(row)
    else commits.push([row])
  }
  return commits
}
