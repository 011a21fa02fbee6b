import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { findOrInstall } from './debian.ts'
import { freePort, startProgram } from './process.ts'
import { NoServer, serverOrSkip, startServer } from './server.ts'

/** A Redis server for specs. */
export interface RedisServer {
  url: string
  /** Ends it; a server of `REDIS_URL` is left running. */
  stop(): Promise<void>
  /** Stops it and starts it again on the same port with the same data: with SIGKILL, with what its append-only file has. */
  restart(signal?: NodeJS.Signals): Promise<void>
  /** Freezes it by SIGSTOP, and lets it go on by SIGCONT; left out for a server of `REDIS_URL`. */
  signal?(signal: 'SIGSTOP' | 'SIGCONT'): void
}

const NAMES = ['redis-server', 'valkey-server']

/**
 * Starts a Redis server of this spec's own, with further arguments: one on the PATH, else Debian's, which is installed where it may be.
 * Throws {@link NoServer} with the reason when none is to be had.
 */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  const command = findOrInstall(NAMES, 'redis-server')
  if (command === undefined) {
    throw new NoServer('There is no Redis server: set REDIS_URL, or install the package redis-server.')
  }
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'particle-redis-'))
  const all = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...args]
  const url = `redis://127.0.0.1:${port}`
  const started = await startServer({
    name: command,
    folder,
    start: () => startProgram(command, all),
    version: () => versionOf(url),
    endSignal: 'SIGTERM',
    restartSignal: 'SIGTERM',
  })
  const { version, stop, restart, child } = started
  console.log(`redis: ${command} ${version} on ${url}`)
  return { url, stop, restart, signal: (signal) => void child()?.kill(signal) }
}

/**
 * For a `before` hook: the server of `REDIS_URL`, else one of {@link startRedis}, which all specs of this process
 * share; or the one that a second parameter starts.
 */
export const redisOrSkip = serverOrSkip('redis', async (): Promise<RedisServer> => {
  const url = process.env.REDIS_URL
  const restart = () => Promise.reject(new Error('The server of REDIS_URL is not restarted'))
  return url ? { url, stop: async () => {}, restart } : await startRedis()
})

/** Asks a server for its version; rejects until it has loaded its data. */
async function versionOf(url: string): Promise<string> {
  const client = createClient({ url, socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.ping()
    return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? ''
  } finally {
    client.destroy()
  }
}
