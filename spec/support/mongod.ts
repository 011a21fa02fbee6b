import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { MongoClient } from 'mongodb'
import { freePort, type Program, startProgram } from './process.ts'
import { SECANTUS_VERSION, secantusCommand } from './secantus.ts'
import { NoServer, serverOrSkip } from './server.ts'

export type MongoKind = 'MONGODB_URL' | 'mongod' | 'mongodb-memory-server-core' | 'SecantusDB'

/** A MongoDB server for specs. */
export interface MongoServer {
  url: string
  kind: MongoKind
  version?: string
  /** Ends it; a server of `MONGODB_URL` is left running. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Stops it and, after so many milliseconds, starts it again on the same port with the same data, where that is possible. */
  restart?(signal?: NodeJS.Signals, downMs?: number): Promise<void>
}

export interface MongoServerOptions {
  /** Further arguments, for a server of the kind `kind` only (the default is SecantusDB's). */
  args?: string[]
  /** Start it without a replica set. */
  standalone?: boolean
  /** Keep the data through `restart()`, also when it is killed. Default: in memory where the server can. */
  durable?: boolean
  /** Keep so many entries of history at most where that makes streams open faster: SecantusDB looks at all it has, 20 µs each. */
  history?: number
  /** The port of a server with `args`. Default: a free port. */
  port?: number
}

const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache')
const DAY_MS = 86_400_000

/**
 * Starts a MongoDB server: `MONGODB_URL`; else a `mongod` on the PATH; else mongodb-memory-server-core's; else SecantusDB.
 * With `args`, which are SecantusDB's, it is always SecantusDB. Throws {@link NoServer} with the reasons when none is to be had.
 */
export async function startMongo(options: MongoServerOptions = {}): Promise<MongoServer> {
  const reasons: string[] = []
  const ways = options.args ? [secantus] : [givenUrl, installedMongod, memoryServer, secantus]
  for (const way of ways) {
    const server = await way(options).catch((error: unknown) => {
      reasons.push(error instanceof Error ? error.message : String(error))
      return undefined
    })
    if (server) {
      const what = [server.kind, server.version].filter(Boolean).join(' ')
      console.log(
        `mongo: ${what} on ${server.url.replace(/\/\/[^@/]*@/, '//')}${options.standalone ? ' (standalone)' : ''}`,
      )
      return server
    }
  }
  throw new NoServer(`No MongoDB server is to be had for the specs. ${reasons.join(' ')}`)
}

/** For a `before` hook: the shared server, or the one that a second parameter starts. */
export const mongoOrSkip = serverOrSkip('mongo', startMongo)

async function givenUrl({ standalone }: MongoServerOptions): Promise<MongoServer | undefined> {
  const url = process.env.MONGODB_URL
  return url && !standalone ? { url, kind: 'MONGODB_URL', stop: async () => {} } : undefined
}

async function installedMongod({ standalone }: MongoServerOptions): Promise<MongoServer | undefined> {
  const path = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'mongod'))
  const command = path.find((file) => existsSync(file))
  if (!command) return undefined
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'particle-mongod-'))
  const args = ['--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', folder]
  if (!standalone) args.push('--replSet', 'rs0')
  const initiate = async () => {
    if (!standalone)
      await ask(port, { replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: `127.0.0.1:${port}` }] } })
  }
  const clean = () => rm(folder, { recursive: true, force: true })
  return await supervised('mongod', [command, ...args], port, initiate, clean)
}

async function memoryServer({ standalone }: MongoServerOptions): Promise<MongoServer | undefined> {
  const failed = join(CACHE, 'mongodb-memory-server-core.failed')
  const worked = join(CACHE, 'mongodb-memory-server-core.worked')
  const failedAt = await stat(failed).then(
    (file) => file.mtimeMs,
    () => 0,
  )
  if (Date.now() - failedAt < DAY_MS) return undefined
  await mkdir(CACHE, { recursive: true })
  try {
    if (!existsSync(worked)) {
      await fetch('https://fastdl.mongodb.org/', { method: 'HEAD', signal: AbortSignal.timeout(3000) })
      console.log('mongo: mongodb-memory-server-core gets a mongod (once)')
    }
    const { MongoMemoryReplSet, MongoMemoryServer } = await import('mongodb-memory-server-core')
    const starting = standalone
      ? MongoMemoryServer.create()
      : MongoMemoryReplSet.create({ replSet: { count: 1, storageEngine: 'wiredTiger' } })
    const server = await within<{ getUri(): string; stop(): Promise<unknown> }>(starting, 240_000)
    await writeFile(worked, '')
    const url = server.getUri()
    process.once('exit', () => void server.stop())
    return {
      url,
      kind: 'mongodb-memory-server-core',
      version: await versionOf(url),
      stop: async () => void (await server.stop()),
    }
  } catch (error) {
    await writeFile(failed, String(error))
    throw new Error('mongodb-memory-server-core could not download a mongod.', { cause: error })
  }
}

async function secantus({
  args = [],
  standalone,
  durable,
  history,
  port: given,
}: MongoServerOptions): Promise<MongoServer> {
  const command = await secantusCommand()
  const port = given ?? (await freePort())
  const folder = durable ? await mkdtemp(join(tmpdir(), 'particle-secantus-')) : undefined
  const all = [...command, '--host', '127.0.0.1', '--port', String(port), '--log-level', 'ERROR']
  all.push('--storage-path', folder ?? ':memory:', ...(standalone ? ['--standalone'] : []), ...args)
  // Without it, a write that was acknowledged, and told to streams, may be gone after SIGKILL.
  if (durable) all.push('--sync-on-commit')
  if (history !== undefined) all.push('--oplog-max-entries', String(history))
  const clean = async () => {
    if (folder) await rm(folder, { recursive: true, force: true })
  }
  const server = await supervised('SecantusDB', all, port, async () => {}, clean)
  return { ...server, version: SECANTUS_VERSION }
}

async function supervised(
  kind: MongoKind,
  [command = '', ...args]: string[],
  port: number,
  initiate: () => Promise<void>,
  clean: () => Promise<void>,
): Promise<MongoServer> {
  let program = startProgram(command, args)
  try {
    await answers(program, port)
    await initiate()
    await answers(program, port, kind === 'mongod' && args.includes('--replSet'))
  } catch (error) {
    await program.stop('SIGKILL')
    await clean()
    throw error
  }
  const url = `mongodb://127.0.0.1:${port}/?directConnection=true`
  return {
    url,
    kind,
    version: await versionOf(url),
    stop: async (signal) => {
      await program.stop(signal)
      await clean()
    },
    restart: async (signal, downMs = 0) => {
      await program.stop(signal)
      await new Promise((resolve) => setTimeout(resolve, downMs))
      program = startProgram(command, args)
      await answers(program, port)
    },
  }
}

async function answers(program: Program, port: number, asPrimary = false): Promise<void> {
  for (let tries = 0; tries < 150; tries += 1) {
    if (program.child.exitCode !== null) break
    const hello = await ask(port, { hello: 1 }).catch(() => undefined)
    if (hello && (!asPrimary || hello.isWritablePrimary)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${program.child.spawnfile} did not answer: ${program.output()}`)
}

async function ask(port: number, command: object): Promise<Record<string, unknown>> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 500,
  })
  try {
    return await client.db('admin').command(command)
  } finally {
    await client.close()
  }
}

async function versionOf(url: string): Promise<string> {
  const client = new MongoClient(url)
  try {
    return String((await client.db('admin').command({ buildInfo: 1 })).version)
  } finally {
    await client.close()
  }
}

async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Took longer than ${milliseconds} ms`)), milliseconds)
  })
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
