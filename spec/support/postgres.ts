import { execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { appendFile, chown, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client, type Pool } from 'pg'
import { installPackage } from './debian.ts'
import { freePort, runProgram, startProgram } from './process.ts'
import { NoServer, type SqlServer, serverOrSkip, startServer } from './server.ts'

/** A PostgreSQL server for specs; the URL is of a superuser, to the database `postgres`. */
export type PostgresServer = SqlServer<'POSTGRES_URL' | 'postgres'>

export interface PostgresOptions {
  /** Settings of the server, besides `wal_level=logical` and what makes it fast: such a server is never the one of `POSTGRES_URL`. */
  settings?: Record<string, string>
}

const DEBIAN = '/usr/lib/postgresql'
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_wal_senders: '40',
  max_replication_slots: '40',
  max_connections: '200',
  fsync: 'off',
  jit: 'off',
  shared_buffers: '32MB',
  wal_sender_timeout: '20s',
  max_slot_wal_keep_size: '2GB',
}

/** Starts a PostgreSQL server: `POSTGRES_URL`; else the programs on the PATH or Debian's, which it installs where it may. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const url = process.env.POSTGRES_URL
  const server = url && !options.settings ? await given(url) : await installed(options.settings ?? {})
  console.log(`postgres: ${server.version} on ${server.url.replace(/:[^:@/]*@/, '@')}`)
  return server
}

/** For a `before` hook: the shared server, or the one that a second parameter starts. */
export const postgresOrSkip = serverOrSkip('postgres', startPostgres)

let databases = 0

/** Holds the URLs of empty databases of each server: a new one takes 50 ms more of CPU time than an emptied one. */
const spare = new Map<PostgresServer, string[]>()

/** Creates a database that no other spec uses, or takes one that was given back; the URL of a superuser to it. */
export async function freshDatabase(server: PostgresServer): Promise<string> {
  const known = spare.get(server)?.pop()
  if (known !== undefined) return known
  databases += 1
  const name = `particle_${process.pid}_${Date.now().toString(36)}_${databases}`
  await once(server.url, (client) => client.query(`CREATE DATABASE ${name}`))
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return url.href
}

/** Gives a database of {@link freshDatabase} back, whoever is still connected to it. */
export async function releaseDatabase(server: PostgresServer, url: string, pool?: Pool): Promise<void> {
  await pool?.end()
  await once(url, empty)
  spare.set(server, [...(spare.get(server) ?? []), url])
}

/** Waits for connections that are closing: ended by the server, they would be uncaught errors of their clients. */
async function othersEnded(client: Client): Promise<void> {
  for (let tries = 0; tries < 50; tries += 1) {
    const { rows } = await client.query(`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() LIMIT 1`)
    if (rows.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Ends all other connections to a database, and drops all that is in it. */
async function empty(client: Client): Promise<void> {
  await othersEnded(client)
  await client.query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  const { rows } = await client.query<{ drop: string }>(`
    SELECT format('SELECT pg_drop_replication_slot(%L)', slot_name) AS drop
      FROM pg_replication_slots WHERE database = current_database()
    UNION ALL SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
    UNION ALL SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
    UNION ALL SELECT format('DROP FOREIGN DATA WRAPPER %I CASCADE', fdwname) FROM pg_foreign_data_wrapper
    UNION ALL SELECT format('DROP EXTENSION %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql'
    UNION ALL SELECT format('REVOKE ALL ON DATABASE %I FROM %s', datname, grantee::regrole)
      FROM pg_database, aclexplode(datacl) WHERE datname = current_database() AND grantee NOT IN (0, datdba)
    UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`)
  for (const { drop } of rows) await client.query(drop)
  const { database = '' } = client
  await client.query(`ALTER DATABASE ${database} RESET ALL`)
  await client.query('CREATE SCHEMA public')
  await client.query('GRANT USAGE ON SCHEMA public TO PUBLIC')
}

/** Connects to a server for one task. */
async function once<T>(url: string, task: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(url)
  await client.connect()
  try {
    return await task(client)
  } finally {
    await client.end()
  }
}

async function given(url: string): Promise<PostgresServer> {
  const stop = async () => {
    const names = (spare.get(server) ?? []).map((one) => new URL(one).pathname.slice(1))
    spare.delete(server)
    await once(url, async (client) => {
      for (const name of names) await client.query(`DROP DATABASE ${name} WITH (FORCE)`)
    })
  }
  const server: PostgresServer = { url, kind: 'POSTGRES_URL', version: await versionOf(url), stop }
  return server
}

async function installed(settings: Record<string, string>): Promise<PostgresServer> {
  const bin = findPrograms() ?? installPrograms()
  if (bin === undefined) {
    throw new NoServer('There is no PostgreSQL: set POSTGRES_URL, or install the package postgresql.')
  }
  const folder = await mkdtemp(join(tmpdir(), 'particle-postgres-'))
  const data = join(folder, 'data')
  const port = await freePort()
  const own = await ownership(folder)
  const all = { ...SETTINGS, ...settings, port: String(port) }
  const url = `postgres://particle@127.0.0.1:${port}/postgres`
  const run = (program: string): [command: string, ...args: string[]] => {
    const [command = '', ...args] = [...own, join(bin, program), '-D', data]
    return [command, ...args]
  }
  const started = await startServer({
    name: 'PostgreSQL',
    folder,
    prepare: async () => {
      const [command, ...args] = run('initdb')
      const how = ['-U', 'particle', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
      await runProgram(command, [...args, ...how], 120_000)
      // Not on the command line, where ALTER SYSTEM could not change them.
      const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`)
      await appendFile(join(data, 'postgresql.conf'), lines.join(''))
    },
    start: () => {
      const [command, ...args] = run('postgres')
      return startProgram(command, args)
    },
    version: () => versionOf(url),
    // SIGINT ends the sessions; SIGTERM would wait for them.
    endSignal: 'SIGINT',
    restartSignal: 'SIGINT',
  })
  const { version, stop, restart, child } = started
  const signal = (name: NodeJS.Signals) => {
    const pid = child()?.pid
    if (pid !== undefined) signalFamily(pid, name)
  }
  return { url, kind: 'postgres', data, version, stop, restart, signal }
}

/** Signals a process and then its children: each of PostgreSQL's processes is a group of its own. */
function signalFamily(parent: number, signal: NodeJS.Signals): void {
  process.kill(parent, signal)
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ').filter(Boolean)
  for (const child of children) process.kill(Number(child), signal)
}

/** PostgreSQL refuses to run as root: the words before a command that make it another user, who gets the folder. */
async function ownership(folder: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return []
  const user = ['postgres', 'nobody'].find((name) => idOf(name, '-u') !== undefined)
  if (user === undefined) throw new NoServer('PostgreSQL refuses to run as root, and there is no other user.')
  const [uid, gid] = [idOf(user, '-u') ?? 0, idOf(user, '-g') ?? 0]
  await chown(folder, uid, gid)
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--']
}

function idOf(user: string, flag: '-u' | '-g'): number | undefined {
  try {
    return Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }).toString())
  } catch {
    return undefined
  }
}

function findPrograms(): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter)
  return [...path, ...debianFolders()].find(
    (folder) => isExecutable(join(folder, 'postgres')) && isExecutable(join(folder, 'initdb')),
  )
}

/** Debian keeps its programs off the PATH: the newest version first. */
function debianFolders(): string[] {
  try {
    const versions = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a))
    return versions.map((version) => join(DEBIAN, version, 'bin'))
  } catch {
    return []
  }
}

function installPrograms(): string | undefined {
  installPackage('postgresql')
  return findPrograms()
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function versionOf(url: string): Promise<string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return String((await client.query('SHOW server_version')).rows[0]?.server_version)
  } finally {
    await client.end()
  }
}
