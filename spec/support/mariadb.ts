import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connection, createConnection, type Pool, type RowDataPacket } from 'mysql2/promise'
import { findOrInstall } from './debian.ts'
import { freePort, runProgram, startProgram } from './process.ts'
import { NoServer, type SqlServer, serverOrSkip, startServer } from './server.ts'

/** A MariaDB server for specs; the URL is of a user with all rights, to no database. */
export type MariadbServer = SqlServer<'MARIADB_URL' | 'mariadb'>

export interface MariadbOptions {
  /**
   * Settings of the server beside {@link SETTINGS}. A server with such settings is never that of
   * `MARIADB_URL`. An empty text is a setting without a value. `undefined` leaves out a setting, so that
   * MariaDB's default holds.
   */
  settings?: Record<string, string | undefined>
}

const PACKAGE = 'mariadb-server'
const SETTINGS: Readonly<Record<string, string>> = {
  'bind-address': '127.0.0.1',
  'skip-name-resolve': 'ON',
  'server-id': '1',
  'log-bin': 'binlog',
  'binlog-format': 'ROW',
  'binlog-row-metadata': 'FULL',
  'sync-binlog': '0',
  // Sets Debian's default. MariaDB's own default is latin1.
  'character-set-server': 'utf8mb4',
  'collation-server': 'utf8mb4_general_ci',
  'max-connections': '200',
  // Writes at each commit without a flush. InnoDB and the log then both keep the commits before a kill.
  'innodb-flush-log-at-trx-commit': '2',
  'innodb-buffer-pool-size': '32M',
  'innodb-log-file-size': '32M',
  'innodb-doublewrite': '0',
  'aria-pagecache-buffer-size': '8M',
  'key-buffer-size': '1M',
}

/**
 * Starts a MariaDB server, or connects to that of `MARIADB_URL`. Uses the programs on the PATH, or installs
 * Debian's package if permitted.
 */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  const url = process.env.MARIADB_URL
  const server = url && !options.settings ? await serverOf(url) : await startInstalled(options.settings ?? {})
  console.log(`mariadb: ${server.version} on ${server.url.replace(/:[^:@/]*@/, '@')}`)
  return server
}

/** For a `before` hook: the shared server, or the one that a second parameter starts. */
export const mariadbOrSkip = serverOrSkip('mariadb', startMariadb)

let databases = 0

/** Holds the databases that specs use at present, by server. */
const taken = new Map<MariadbServer, Set<string>>()

/** Creates a database that no other spec uses. Returns its URL, with an account that has all rights to it. */
export async function freshDatabase(server: MariadbServer): Promise<string> {
  databases += 1
  const name = `particle_${process.pid}_${Date.now().toString(36)}_${databases}`
  await withConnection(server.url, (connection) => connection.query(`CREATE DATABASE ${name}`))
  taken.set(server, (taken.get(server) ?? new Set()).add(name))
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return url.href
}

/** Drops a database of {@link freshDatabase}. Ends all connections to the database first. */
export async function releaseDatabase(
  server: MariadbServer,
  url: string,
  pool?: Pick<Pool, 'end'>,
): Promise<void> {
  await pool?.end()
  const name = new URL(url).pathname.slice(1)
  await withConnection(server.url, (connection) => drop(connection, name))
  taken.get(server)?.delete(name)
}

/** Drops a database. Ends its connections first, because an open transaction would block the DROP. */
async function drop(connection: Connection, name: string): Promise<void> {
  const [rows] = await connection.query<RowDataPacket[]>(
    'SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()',
    [name],
  )
  // Ignores a failed KILL, because the connection may have ended by itself.
  for (const { id } of rows) await connection.query(`KILL ${id}`).catch(() => {})
  await connection.query(`DROP DATABASE IF EXISTS ${name}`)
}

/** Runs a task on a connection of its own. */
async function withConnection<T>(url: string, task: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await createConnection({ uri: url, connectTimeout: 5000 })
  // Listens for errors, because the end of the connection would otherwise be an uncaught error.
  connection.on('error', () => {})
  try {
    return await task(connection)
  } finally {
    await connection.end()
  }
}

async function serverOf(url: string): Promise<MariadbServer> {
  const stop = async () => {
    const names = taken.get(server) ?? []
    taken.delete(server)
    await withConnection(url, async (connection) => {
      for (const name of names) await drop(connection, name)
    })
  }
  const server: MariadbServer = { url, kind: 'MARIADB_URL', version: await versionOf(url), stop }
  return server
}

async function startInstalled(settings: Record<string, string | undefined>): Promise<MariadbServer> {
  const [server, install] = ['mariadbd', 'mariadb-install-db'].map((name) => findOrInstall([name], PACKAGE))
  if (server === undefined || install === undefined) {
    throw new NoServer(`There is no MariaDB: set MARIADB_URL, or install the package ${PACKAGE}.`)
  }
  const folder = await mkdtemp(join(tmpdir(), 'particle-mariadb-'))
  const data = join(folder, 'data')
  const port = await freePort()
  const all = { ...SETTINGS, ...settings, port: String(port), socket: join(folder, 'socket') }
  const words = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : `--${name}${value && `=${value}`}`,
  )
  // Puts `--no-defaults` first, so that no settings of this machine hold. Gives the server a separate folder
  // for temporary tables, because a server that starts deletes the temporary tables of other servers in its
  // folder, and crashes these servers. Names the user, because the server refuses to run as root otherwise.
  const own = ['--no-defaults', `--datadir=${data}`, `--tmpdir=${folder}`, ...userOption()]
  const url = `mariadb://root@127.0.0.1:${port}`
  const how = ['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve']
  const started = await startServer({
    name: 'MariaDB',
    folder,
    prepare: () => runProgram(install, [...own, ...how], 120_000),
    start: () => startProgram(server, [...own, ...words]),
    version: () => versionOf(url),
    // SIGTERM would first write the data, all of which goes.
    endSignal: 'SIGKILL',
    restartSignal: 'SIGTERM',
  })
  const { version, stop, restart, child } = started
  const signal = (name: NodeJS.Signals) => void child()?.kill(name)
  return { url, kind: 'mariadb', data, version, stop, restart, signal }
}

function userOption(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}

async function versionOf(url: string): Promise<string> {
  return await withConnection(url, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version')
    return String(rows[0]?.version)
  })
}
