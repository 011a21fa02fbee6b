import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { findOrInstall } from './debian.ts'
import { freePort, type Program, startProgram } from './process.ts'

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

/** Thrown when there is no server to be had. */
class NoRedis extends Error {}

const NAMES = ['redis-server', 'valkey-server']

/**
 * Starts a Redis server of this spec's own, with further arguments: one on the PATH, else Debian's, which is installed where it may be.
 * Throws {@link NoRedis} with the reason when none is to be had.
 */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  const command = findOrInstall(NAMES, 'redis-server')
  if (command === undefined) {
    throw new NoRedis('There is no Redis server: set REDIS_URL, or install the package redis-server.')
  }
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'particle-redis-'))
  const all = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...args]
  const url = `redis://127.0.0.1:${port}`
  let program = startProgram(command, all)
  const clean = () => rm(folder, { recursive: true, force: true })
  try {
    console.log(`redis: ${command} ${await answers(program, url)} on ${url}`)
  } catch (error) {
    await program.stop('SIGKILL')
    await clean()
    throw error
  }
  return {
    url,
    stop: async () => {
      await program.stop()
      await clean()
    },
    restart: async (signal) => {
      await program.stop(signal)
      program = startProgram(command, all)
      await answers(program, url)
    },
    signal: (signal) => void program.child.kill(signal),
  }
}

let shared: Promise<RedisServer> | undefined

// At the top of a spec file this is a hook of the root suite.
if (typeof after === 'function')
  after(async () => await shared?.then((server) => server.stop()).catch(() => {}))

/** The one server that specs of this process share: that of `REDIS_URL`, else one of {@link startRedis}. It ends after the last spec. */
async function sharedRedis(): Promise<RedisServer> {
  const url = process.env.REDIS_URL
  const restart = () => Promise.reject(new Error('The server of REDIS_URL is not restarted'))
  shared ??= url ? Promise.resolve({ url, stop: async () => {}, restart }) : startRedis()
  return await shared
}

/** For a `before` hook: the shared server, or the one that `start` starts. Where none is to be had, the specs are skipped with the reason, but fail in CI. */
export async function redisOrSkip(
  context: Mocha.Context,
  start: () => Promise<RedisServer> = sharedRedis,
): Promise<RedisServer> {
  context.timeout(400_000)
  try {
    return await start()
  } catch (error) {
    if (process.env.CI || !(error instanceof NoRedis)) throw error
    console.log(`redis: skipped. ${error.message}`)
    return context.skip()
  }
}

/** Waits until the server has loaded its data; its version. */
async function answers(program: Program, url: string): Promise<string> {
  for (let tries = 0; tries < 100 && program.child.exitCode === null; tries += 1) {
    const client = createClient({ url, socket: { reconnectStrategy: false } })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.ping()
      return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? ''
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      client.destroy()
    }
  }
  throw new Error(`${program.child.spawnfile} did not answer: ${program.output()}`)
}
