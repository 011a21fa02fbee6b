import { createPool, type Pool } from 'mysql2'
import type { PoolConnection, RowDataPacket } from 'mysql2/promise'
import type { Document } from '../../../lib/model/document.ts'
import { Following, type FollowingOptions } from '../../../lib/source/mariadb/following.ts'
import { LogFiles } from '../../../lib/source/mariadb/log-files.ts'
import { parseTableName } from '../../../lib/source/mariadb/name.ts'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import { comparePositions, parsePosition } from '../../../lib/source/mariadb/position.ts'
import { readDocuments } from '../../../lib/source/mariadb/read.ts'
import { examineServer } from '../../../lib/source/mariadb/server.ts'
import type { TableReference } from '../../../lib/source/mariadb/table.ts'
import type { Change } from '../../../lib/source/source.ts'
import {
  freshDatabase,
  type MariadbServer,
  mariadbOrSkip,
  releaseDatabase,
  startMariadb,
} from '../../support/mariadb.ts'
import { Recorder } from '../mongo/fold.ts'

/** Follows some tables of a database by its log, and nothing else of an adapter. */
export class LogFollower {
  readonly recorder = new Recorder()
  readonly references = new Map<string, TableReference>()
  readonly following: Following
  readonly #database: LogDatabase

  constructor(database: LogDatabase, tables: readonly string[], options: Partial<FollowingOptions> = {}) {
    this.#database = database
    for (const table of tables) this.refer(table)
    const { pool, files } = database
    const references = () => this.references
    this.following = new Following(
      { pool, files, references, checkInterval: 10_000, from: undefined, ...options },
      this.recorder,
    )
  }

  refer(table: string): void {
    const name = parseTableName(table, this.#database.name)
    this.references.set(table, { ...name, collection: table, options: {} })
  }

  async opened(): Promise<this> {
    await this.following.opened
    this.following.announce()
    return this
  }

  /** Waits until all that is in the log now was reported. */
  async caughtUp(): Promise<void> {
    const end = await this.#database.files.present()
    await this.recorder.until(() => comparePositions(this.recorder.position, end) >= 0)
  }

  /** Returns the changes as short texts, and forgets them. */
  async told(): Promise<string[]> {
    await this.caughtUp()
    return this.recorder.changesSeen.splice(0).map(shortOf)
  }
}

/** Writes a change as a short text: `insert users 1 {"_id":1}`. */
function shortOf(change: Change): string {
  if (!('id' in change)) return `${change.kind} ${change.collection}`
  const rest = change.kind === 'delete' ? '' : ` ${JSON.stringify(change.document)}`
  return `${change.kind} ${change.collection} ${JSON.stringify(change.id)}${rest}`
}

/** Describes a snapshot of a table, at its place in the log. */
export interface TableSnapshot {
  readonly position: string
  readonly documents: Document[]
}

/** A database of its own for one spec, with those who follow its log. */
export class LogDatabase {
  readonly pool: Pool
  readonly name: string
  readonly files: LogFiles
  readonly server: MariadbServer
  readonly #url: string
  readonly #followers: LogFollower[] = []

  private constructor(server: MariadbServer, url: string) {
    this.server = server
    this.#url = url
    this.name = new URL(url).pathname.slice(1)
    this.pool = createPool({ uri: url, connectionLimit: 12 })
    this.files = new LogFiles(this.pool, () => this.epoch())
  }

  static async create(server: MariadbServer): Promise<LogDatabase> {
    return new LogDatabase(server, await freshDatabase(server))
  }

  async epoch(): Promise<string> {
    return (await examineServer(this.pool, new Set())).epoch
  }

  /** Runs statements in one session. */
  async run(...statements: string[]): Promise<void> {
    await this.session(async (connection) => {
      for (const statement of statements) await connection.query(statement)
    })
  }

  /** Runs a task in a session whose settings nobody gets afterwards. */
  async session<T>(task: (connection: PoolConnection) => Promise<T>): Promise<T> {
    const connection = await promised(this.pool).getConnection()
    try {
      return await task(connection)
    } finally {
      connection.destroy()
    }
  }

  follower(tables: readonly string[], options: Partial<FollowingOptions> = {}): LogFollower {
    const follower = new LogFollower(this, tables, options)
    this.#followers.push(follower)
    return follower
  }

  async follow(tables: readonly string[], from?: string): Promise<LogFollower> {
    const place = from === undefined ? undefined : parsePosition(from)
    return await this.follower(tables, { from: place }).opened()
  }

  /** Reads a table in a snapshot, with its place in the log. */
  async snapshot(table: string): Promise<TableSnapshot> {
    const reference = { ...parseTableName(table, this.name), collection: table, options: {} }
    const documents: Document[] = []
    const { file, at } = await readDocuments(
      { pool: this.pool, table: reference },
      { query: {} },
      (batch) => void documents.push(...batch),
    )
    return { position: await this.files.position(file, at), documents }
  }

  /** Deletes all files of the log but a new one, as soon as the server does not need the others any more. */
  async purge(): Promise<void> {
    await this.session(async (connection) => {
      await connection.query('FLUSH LOGS')
      const end = Date.now() + 10_000
      while (Date.now() < end) {
        await connection.query('PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY')
        const [files] = await connection.query<RowDataPacket[]>('SHOW BINARY LOGS')
        if (files.length === 1) return
      }
      throw new Error('The server keeps old files of its log')
    })
  }

  /** Ends the sessions of the server that send the log to the followers. */
  async cutDumps(): Promise<number> {
    return await this.session(async (connection) => {
      const [rows] = await connection.query<RowDataPacket[]>(
        "SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'",
      )
      for (const { id } of rows) await connection.query(`KILL ${id}`).catch(() => {})
      return rows.length
    })
  }

  async release(): Promise<void> {
    await Promise.all(this.#followers.map(({ following }) => following.close()))
    await releaseDatabase(this.server, this.#url, promised(this.pool))
  }
}

/**
 * Gives each spec of a block a database, in which a statement was run.
 *
 * @param which `own` for a server that the specs restart, or whose log they delete: never that of `MARIADB_URL`
 */
export function eachLogDatabase(
  which: 'shared' | 'own',
  statement: string,
  use: (database: LogDatabase) => void,
): void {
  let server: MariadbServer | undefined
  let database: LogDatabase
  before(async function () {
    const start = () => (process.env.MARIADB_URL ? this.skip() : startMariadb({ settings: {} }))
    server = await (which === 'own' ? mariadbOrSkip(this, start) : mariadbOrSkip(this))
  })
  if (which === 'own') after(() => server?.stop())
  beforeEach(async () => {
    database = await LogDatabase.create(server as MariadbServer)
    await database.run(statement)
    use(database)
  })
  afterEach(() => database.release())
}
