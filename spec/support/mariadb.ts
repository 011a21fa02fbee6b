import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connection, createConnection, type Pool, type RowDataPacket } from 'mysql2/promise'
import { findOrInstall } from './debian.ts'
import { freePort, type Program, runProgram, startProgram } from './process.ts'

/** A MariaDB server for specs. */
export interface MariadbServer {
  /** The URL of an account with all rights, without a database. */
  url: string
  kind: 'MARIADB_URL' | 'mariadb'
  version: string
  /** Stops the server. Leaves a server of `MARIADB_URL` running, and drops the databases of specs there. */
  stop(): Promise<void>
  /** Restarts the server on the same port with the same data. Left out for a server of `MARIADB_URL`. */
  restart?(signal?: NodeJS.Signals): Promise<void>
  /** Freezes the server by SIGSTOP, and continues it by SIGCONT. Left out for a server of `MARIADB_URL`. */
  signal?(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** The folder of the server's data. Left out for a server of `MARIADB_URL`. */
  data?: string
}

export interface MariadbOptions {
  /**
   * Settings of the server beside {@link SETTINGS}. A server with such settings is never that of
   * `MARIADB_URL`. An empty text is a setting without a value. `undefined` leaves out a setting, so that
   * MariaDB's default holds.
   */
  settings?: Record<string, string | undefined>
}

/** Reports that this machine has no MariaDB. */
class NoMariadb extends Error {}

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

let shared: Promise<MariadbServer> | undefined

// Adds a hook of the root suite: this file is imported at the top of spec files.
if (typeof after === 'function')
  after(async () => await shared?.then((server) => server.stop()).catch(() => {}))

async function sharedMariadb(): Promise<MariadbServer> {
  shared ??= startMariadb()
  return await shared
}

/**
 * Returns the shared server, or the server that `start` starts, in a `before` hook. Skips the specs with the
 * reason if this machine has no MariaDB. In CI, the specs fail then.
 */
export async function mariadbOrSkip(
  context: Mocha.Context,
  start: () => Promise<MariadbServer> = sharedMariadb,
): Promise<MariadbServer> {
  context.timeout(400_000)
  try {
    return await start()
  } catch (error) {
    if (process.env.CI || !(error instanceof NoMariadb)) throw error
    console.log(`mariadb: skipped. ${error.message}`)
    return context.skip()
  }
}

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
    throw new NoMariadb(`This machine has no MariaDB: set MARIADB_URL, or install the package ${PACKAGE}.`)
  }
  const folder = await mkdtemp(join(tmpdir(), 'particle-mariadb-'))
  const clean = () => rm(folder, { recursive: true, force: true })
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
  const start = () => startProgram(server, [...own, ...words])
  let program: Program | undefined
  try {
    const how = ['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve']
    await runProgram(install, [...own, ...how], 120_000)
    program = start()
    await untilReady(program, url)
  } catch (error) {
    await program?.stop('SIGKILL')
    await clean()
    throw error
  }
  return {
    url,
    kind: 'mariadb',
    data,
    version: await versionOf(url),
    stop: async () => {
      // Kills the server, because SIGTERM would first write data that is deleted next.
      await program?.stop('SIGKILL')
      await clean()
    },
    restart: async (signal = 'SIGTERM') => {
      await program?.stop(signal)
      program = start()
      await untilReady(program, url)
    },
    signal: (signal) => void program?.child.kill(signal),
  }
}

function userOption(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}

async function untilReady(program: Program, url: string): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (program.child.exitCode !== null) break
    if (await versionOf(url).catch(() => undefined)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`MariaDB did not answer: ${program.output()}`)
}

async function versionOf(url: string): Promise<string> {
  return await withConnection(url, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version')
    return String(rows[0]?.version)
  })
}
