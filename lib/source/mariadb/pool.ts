import type { ConnectionOptions, Pool } from 'mysql2'
import type { PoolConnection, Pool as PromisePool } from 'mysql2/promise'
import { describeGiven, type Mistaken } from '../../model/given.ts'
import { invalidOption } from '../../model/unknown.ts'
import { wrongPools } from '../sql/wrong-pool.ts'

const HOW = 'mysql.createPool({ uri })'
const OWN = `give Particle a pool of its own, ${HOW}`
const MISTAKEN: readonly Mistaken[] = [
  [
    ({ createPool, createConnection }) =>
      typeof createPool === 'function' && typeof createConnection === 'function',
    `the package itself: give ${HOW}`,
  ],
  [
    ({ activeConnections, taskQueueSize }) =>
      typeof activeConnections === 'function' && typeof taskQueueSize === 'function',
    `a pool of the package mariadb: ${OWN} of mysql2`,
  ],
  [
    ({ add, of }) => typeof add === 'function' && typeof of === 'function',
    'a pool cluster: give the pool of one server, because each server has a log of its own',
  ],
  [
    ({ config, getConnection }) => config !== undefined && typeof getConnection === 'function',
    `a pool of the package mysql: ${OWN} of mysql2`,
  ],
  [
    ({ config, threadId }) => config !== undefined && threadId !== undefined,
    `a single connection: give a pool, ${HOW}`,
  ],
  ...wrongPools(OWN),
]

/**
 * Checks the argument of `mariadb()`: a pool of `mysql2` or of `mysql2/promise`. Returns the pool with
 * callbacks.
 *
 * @throws ParticleError `INVALID_OPTION`, with a message that names the value to pass
 */
export function checkPool(given: unknown): Pool {
  const { pool: inner } = (given ?? {}) as { pool?: unknown }
  const pool = inner === undefined ? given : inner
  const { getConnection, promise, config, _closed } = (pool ?? {}) as { [name: string]: unknown }
  const isPool =
    typeof getConnection === 'function' && typeof promise === 'function' && typeof config === 'object'
  const mistake = isPool
    ? _closed
      ? 'this pool was ended already'
      : undefined
    : describeGiven(given, MISTAKEN)
  if (mistake !== undefined)
    throw invalidOption(`mariadb(pool) takes a pool of the mysql2 package, but ${mistake}`)
  return pool as Pool
}

/**
 * Returns the settings of the pool's connections, for connections beside the pool. Leaves out settings that
 * mysql2 computes from other settings, because mysql2 warns of them as options.
 */
export function connectionOptions(pool: Pool): ConnectionOptions {
  const { config } = pool as unknown as { config: { connectionConfig: ConnectionOptions } }
  const { connectionConfig } = config
  const {
    pool: _,
    clientFlags: __,
    maxPacketSize: ___,
    ...options
  } = connectionConfig as ConnectionOptions & Record<'pool' | 'clientFlags' | 'maxPacketSize', unknown>
  return options
}

/** The longest wait for an answer. A connection without a network reports no error for many minutes. */
const ANSWER_TIMEOUT_MS = 10_000

/**
 * Runs a task of short queries on a connection of the pool. Ends the connection if the task fails, or takes
 * longer than the timeout.
 *
 * @param timeout the longest time of the task, in milliseconds
 */
export async function onConnection<T>(
  pool: Pool,
  task: (connection: PoolConnection) => Promise<T>,
  timeout = ANSWER_TIMEOUT_MS,
): Promise<T> {
  const connection = await promised(pool).getConnection()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`The server does not answer within ${timeout} ms`))
    timer = setTimeout(fail, timeout).unref()
  })
  try {
    const result = await Promise.race([task(connection), late])
    connection.release()
    return result
  } catch (error) {
    connection.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Returns the pool's interface with promises. */
export function promised(pool: Pool): PromisePool {
  return pool.promise() as unknown as PromisePool
}
