/** The source that `--source` names: this process's memory, or a database server, by its URL or started for the demo alone. */

import { parseArgs } from 'node:util'
import type { Store } from './board.ts'

interface Server {
  url: string
  stop(): Promise<void>
}

/** How to open a board on each server, and to get a server of one's own: what is on the PATH, else what may be installed, as the specs have it. */
const SERVERS = {
  mongo: {
    variable: 'MONGODB_URL',
    open: async (url: string) => (await import('./stores/mongo.ts')).openMongo(url),
    start: async (): Promise<Server> => (await import('../spec/support/mongod.ts')).startMongo(),
  },
  redis: {
    variable: 'REDIS_URL',
    open: async (url: string) => (await import('./stores/redis.ts')).openRedis(url),
    start: async (): Promise<Server> => (await import('../spec/support/redis.ts')).startRedis(),
  },
  postgres: {
    variable: 'POSTGRES_URL',
    open: async (url: string) => (await import('./stores/postgres.ts')).openPostgres(url),
    start: async (): Promise<Server> => (await import('../spec/support/postgres.ts')).startPostgres(),
  },
  mariadb: {
    variable: 'MARIADB_URL',
    open: async (url: string) => (await import('./stores/mariadb.ts')).openMariadb(url),
    start: async (): Promise<Server> => (await import('../spec/support/mariadb.ts')).startMariadb(),
  },
}

const USAGE = 'npm run demo -- --source memory|mongo|redis|postgres|mariadb'

/** Opens the board that the command line asks for. Throws a sentence where that can't be. */
export async function openSource(args: string[]): Promise<Store> {
  const source = sourceOf(args)
  if (source === 'memory') return (await import('./stores/mongo.ts')).openMemory()
  const { variable, open } = SERVERS[source]
  const url = process.env[variable]
  if (url) {
    return await open(url).catch((error: NodeJS.ErrnoException) => {
      throw new Error(`The server of ${variable} can't be used: ${error.message || error.code}`)
    })
  }
  const server = await SERVERS[source].start()
  try {
    const store = await open(server.url)
    const close = () => store.close().finally(() => server.stop())
    return { ...store, name: `${store.name}, of a server that ends with the demo`, close }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Gives several nodes one database: the variables of their environment that name it. Throws for a source that nodes can't share. */
export async function shareSource(
  args: string[],
): Promise<{ env: Record<string, string>; stop(): Promise<void> }> {
  const source = sourceOf(args)
  if (source === 'memory')
    throw new Error('Two nodes need a database: npm run demo:nodes -- --source mongo|redis|postgres|mariadb')
  const { variable, start } = SERVERS[source]
  const url = process.env[variable]
  if (url) return { env: { [variable]: url }, stop: async () => {} }
  const server = await start()
  return { env: { [variable]: server.url }, stop: () => server.stop() }
}

function sourceOf(args: string[]): keyof typeof SERVERS | 'memory' {
  const { values, tokens } = parseArgs({
    args,
    options: { source: { type: 'string' } },
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'option' && token.name === 'source') continue
    const what = token.kind === 'option' ? `option ${token.rawName}` : `argument ${args[token.index]}`
    throw new Error(`The demo has no ${what}. It takes one option: ${USAGE}`)
  }
  const source = values.source ?? (process.env.MONGODB_URL ? 'mongo' : 'memory')
  if (source === 'memory' || isServer(source)) return source
  const what = typeof source === 'string' && source ? `There is no source ${source}` : 'Name a source'
  throw new Error(`${what}: ${USAGE}`)
}

function isServer(source: unknown): source is keyof typeof SERVERS {
  return typeof source === 'string' && Object.hasOwn(SERVERS, source)
}
