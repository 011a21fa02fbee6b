import type { Pool } from 'mysql2'
import { ParticleError } from '../../errors.ts'
import { invalidOption } from '../../model/unknown.ts'
import { epochOf } from '../sql/epoch.ts'
import { promised } from './pool.ts'
import { ask, numberOf } from './session.ts'

/** Lists the settings that a log with whole rows and names needs, by their wanted values. */
const WANTED: Readonly<Record<string, readonly string[]>> = {
  log_bin: ['ON', '1'],
  binlog_format: ['ROW'],
  binlog_row_image: ['FULL'],
  binlog_row_metadata: ['FULL'],
}
const OLDEST: readonly [number, number] = [10, 5]

const VARIABLES = `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_uid', 'server_id',
  'hostname', 'port', 'datadir', 'log_bin_basename', 'log_slave_updates', 'wsrep_on', ${Object.keys(WANTED)
    .map((name) => `'${name}'`)
    .join(', ')})`

/** Describes the server whose log is followed. */
export interface ServerState {
  /** Identifies the server and its log. */
  readonly epoch: string
}

/**
 * Checks that the server's log has all changes of these databases, and identifies the server.
 *
 * @throws ParticleError `INVALID_OPTION` with the setting to change
 */
export async function examineServer(pool: Pool, databases: ReadonlySet<string>): Promise<ServerState> {
  const connection = promised(pool)
  const rows = await ask(connection, VARIABLES)
  const variables = new Map(rows.map(([name, value]) => [name ?? '', value ?? '']))
  refuseVersion(variables.get('version') ?? '')
  for (const [name, values] of Object.entries(WANTED)) {
    const value = variables.get(name) ?? 'missing'
    if (!values.includes(value.toUpperCase())) throw invalidOption(remedy(name, value, values[0] ?? ''))
  }
  // Counts the running replications, which needs no privilege: SHOW ALL SLAVES STATUS would.
  const [replications] = await ask(connection, "SHOW GLOBAL STATUS LIKE 'Slaves_running'")
  refuseForeignChanges(variables, Number(replications?.[1] ?? 0))
  const [status] = await ask(connection, 'SHOW MASTER STATUS')
  refuseUnlogged(databases, status?.[2] ?? '', status?.[3] ?? '')
  return { epoch: epochOf(identityOf(variables)) }
}

/** Identifies the server: by its own random name since MariaDB 10.10, else by where it runs. */
function identityOf(variables: ReadonlyMap<string, string>): unknown[] {
  const names = variables.has('server_uid') ? ['server_uid'] : ['server_id', 'hostname', 'port', 'datadir']
  return ['mariadb', ...[...names, 'log_bin_basename'].map((name) => variables.get(name))]
}

function refuseVersion(version: string): void {
  if (!/mariadb/i.test(version))
    throw invalidOption(
      `mariadb(pool) follows MariaDB, but this server is version ${version} of another kind, as of MySQL: ` +
        'report its changes by callbacks (docs/sources/callbacks.md)',
    )
  // Skips the 5.5.5- that old clients need before the version.
  const [, major = '0', minor = '0'] = /^(?:5\.5\.5-)?(\d+)\.(\d+)/.exec(version) ?? []
  const isOld = Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])
  if (isOld)
    throw invalidOption(`mariadb(pool) needs MariaDB ${OLDEST.join('.')} or later, and this is ${version}`)
}

function remedy(name: string, value: string, wanted: string): string {
  const how =
    name === 'log_bin'
      ? "add 'log_bin' and 'server_id = 1' to the section [mariadb] of the server's my.cnf, and restart it"
      : `run SET GLOBAL ${name} = '${wanted}', add ${name} = ${wanted} to the section [mariadb] of the ` +
        "server's my.cnf, and let applications connect anew"
  return `The server's log lacks what Particle shows: ${name} is ${value}, and must be ${wanted}: ${how}`
}

/** Refuses a server that gets changes from other servers, and leaves them out of its own log. */
function refuseForeignChanges(variables: ReadonlyMap<string, string>, replications: number): void {
  if (isOn(variables.get('log_slave_updates'))) return
  const inCluster = isOn(variables.get('wsrep_on'))
  if (!inCluster && replications === 0) return
  throw invalidOption(
    `This server gets changes from ${inCluster ? 'other nodes of a Galera cluster' : 'a primary'}, and its ` +
      'log lacks them: set log_slave_updates = ON in the section [mariadb] of my.cnf, and restart the server',
  )
}

function refuseUnlogged(databases: ReadonlySet<string>, only: string, ignored: string): void {
  const list = (text: string) => text.split(',').filter((name) => name !== '')
  for (const database of databases) {
    const isLogged = only === '' ? !list(ignored).includes(database) : list(only).includes(database)
    if (!isLogged)
      throw invalidOption(
        `The server's log leaves out the database ${database}: change binlog_do_db or binlog_ignore_db in ` +
          'my.cnf, and restart the server',
      )
  }
}

function isOn(value: string | undefined): boolean {
  return /^(?:ON|1)$/i.test(value ?? '')
}

/**
 * Lists the errors of missing rights: ER_DBACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR,
 * ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR,
 * ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
 */
const HOPELESS: ReadonlySet<number> = new Set([1044, 1045, 1142, 1143, 1227, 1698])

/** Checks for an error that another attempt can't mend. */
export function isHopeless(error: unknown): boolean {
  return error instanceof ParticleError || HOPELESS.has(numberOf(error) ?? 0)
}
