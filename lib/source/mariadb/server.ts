import type { Pool } from 'mysql2'
import { ParticleError } from '../../errors.ts'
import { invalidOption } from '../../model/unknown.ts'
import { epochOf } from '../sql/epoch.ts'
import { onConnection } from './pool.ts'
import { ask, numberOf } from './session.ts'

/** Lists the accepted values of the settings for a log with whole rows and with names of columns. */
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

/** Describes the server whose log Particle follows. */
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
  return await onConnection(pool, async (connection) => {
    const rows = await ask(connection, VARIABLES)
    const variables = new Map(rows.map(([name, value]) => [name ?? '', value ?? '']))
    refuseVersion(variables.get('version') ?? '')
    refuseSettings(variables)
    // Counts the running replications by the status, because SHOW ALL SLAVES STATUS needs a privilege.
    const [replications] = await ask(connection, "SHOW GLOBAL STATUS LIKE 'Slaves_running'")
    refuseForeignChanges(variables, Number(replications?.[1] ?? 0))
    const [status] = await ask(connection, 'SHOW MASTER STATUS').catch((error: unknown) => {
      throw describeDenial(error)
    })
    refuseUnlogged(databases, status?.[2] ?? '', status?.[3] ?? '')
    return { epoch: epochOf(identityOf(variables)) }
  })
}

/** Identifies the server: by its `server_uid` since MariaDB 10.10, before that by its host and folder. */
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
  // Skips the prefix 5.5.5-, which servers send before the version for old clients.
  const [, major = '0', minor = '0'] = /^(?:5\.5\.5-)?(\d+)\.(\d+)/.exec(version) ?? []
  const isOld = Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])
  if (isOld)
    throw invalidOption(`mariadb(pool) needs MariaDB ${OLDEST.join('.')} or later, and this is ${version}`)
}

/** Refuses all wrong settings at once, so that one restart of the server mends them. */
function refuseSettings(variables: ReadonlyMap<string, string>): void {
  const wrong = Object.entries(WANTED).flatMap(([name, values]) => {
    const value = variables.get(name) ?? 'missing'
    return values.includes(value.toUpperCase()) ? [] : [{ name, value, wanted: values[0] ?? '' }]
  })
  if (wrong.length === 0) return
  const found = wrong
    .map(({ name, value, wanted }) => `${name} is ${value}, and must be ${wanted}`)
    .join('; ')
  const lines = wrong
    .map(({ name, wanted }) => (name === 'log_bin' ? name : `${name} = ${wanted}`))
    .join(', ')
  // Requires a restart only for log_bin. The other settings can change at run time, for later connections.
  const statements = wrong.map(({ name, wanted }) => `SET GLOBAL ${name} = '${wanted}'`).join(', ')
  const how = wrong.some(({ name }) => name === 'log_bin')
    ? 'and restart the server'
    : `and restart the server, or run ${statements} and let the applications connect again`
  throw invalidOption(
    `The server's log lacks what Particle needs: ${found}. Write ${lines} into the section [mariadb] of ` +
      `the server's my.cnf, ${how}`,
  )
}

/** Refuses a server that applies changes of other servers, and does not log them (`log_slave_updates`). */
function refuseForeignChanges(variables: ReadonlyMap<string, string>, replications: number): void {
  if (isOn(variables.get('log_slave_updates'))) return
  const inCluster = isOn(variables.get('wsrep_on'))
  if (!inCluster && replications === 0) return
  throw invalidOption(
    `This server gets changes from ${inCluster ? 'other nodes of a Galera cluster' : 'a primary'}, and its ` +
      'log lacks these changes: set log_slave_updates = ON in the section [mariadb] of my.cnf, and restart ' +
      'the server',
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

/** ER_SPECIFIC_ACCESS_DENIED_ERROR: the account lacks a global privilege. */
const LACKS_RIGHT = 1227

/** Replaces the error of a missing right to follow the log by an error that names the GRANT. */
export function describeDenial(error: unknown): unknown {
  if (numberOf(error) !== LACKS_RIGHT) return error
  return invalidOption(
    'The account of the pool must not read the binary log: run GRANT REPLICATION SLAVE, BINLOG MONITOR ' +
      'ON *.* TO the account (before MariaDB 10.5.2: REPLICATION SLAVE, REPLICATION CLIENT)',
  )
}

/** Checks for an error that another attempt can't mend. */
export function isHopeless(error: unknown): boolean {
  return error instanceof ParticleError || HOPELESS.has(numberOf(error) ?? 0)
}
