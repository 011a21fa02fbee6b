import { rm } from 'node:fs/promises'
import type { Program } from './process.ts'

/** Thrown when there is no server to be had. */
export class NoServer extends Error {}

/** A server of SQL for specs. */
export interface SqlServer<Kind extends string> {
  url: string
  /** The variable of the environment that has the URL, or the program that the specs started. */
  kind: Kind
  version: string
  /** Ends it; a server of the environment is left running, without the databases of specs. */
  stop(): Promise<void>
  /** Restarts it on the same port with the same data; left out for a server of the environment. */
  restart?(signal?: NodeJS.Signals): Promise<void>
  /** Freezes it by SIGSTOP, and lets it go on by SIGCONT; left out for a server of the environment. */
  signal?(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** The folder of its data, where it is at hand. */
  data?: string
}

/**
 * Returns a function for `before` hooks: it gives the server that all specs of this process share, or the one
 * that `start` starts. Where none is to be had, the specs are skipped with the reason, but fail in CI.
 */
export function serverOrSkip<S extends { stop(): Promise<unknown> }>(
  name: string,
  startShared: () => Promise<S>,
) {
  let shared: Promise<S> | undefined
  const share = async (): Promise<S> => {
    shared ??= startShared()
    return await shared
  }
  // At the top of a spec file this is a hook of the root suite.
  if (typeof after === 'function')
    after(async () => void (await shared?.then((server) => server.stop()).catch(() => {})))
  return async (context: Mocha.Context, start: () => Promise<S> = share): Promise<S> => {
    context.timeout(400_000)
    try {
      return await start()
    } catch (error) {
      if (process.env.CI || !(error instanceof NoServer)) throw error
      console.log(`${name}: skipped. ${error.message}`)
      return context.skip()
    }
  }
}

/** How a server is started, asked and ended. */
export interface ServerOptions {
  /** For the error of a server that does not answer. */
  name: string
  /** A folder that is removed when the server has ended. */
  folder: string
  /** Makes its data, before the first start. */
  prepare?(): Promise<unknown>
  start(): Program
  /** Asks it for its version; rejects until it answers. */
  version(): Promise<string>
  /** Ends it when its data may go, too. */
  endSignal: NodeJS.Signals
  /** Ends it before a restart with the same data, by default. */
  restartSignal: NodeJS.Signals
}

/** Starts a server, waits for its first answer, and can end and restart it. */
export async function startServer(options: ServerOptions) {
  const { folder, endSignal, restartSignal } = options
  let program: Program | undefined
  const start = async () => {
    program = options.start()
    return await answerOf(program, options)
  }
  const stop = async () => {
    await program?.stop(endSignal)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await options.prepare?.()
    const version = await start()
    return {
      version,
      stop,
      restart: async (signal: NodeJS.Signals = restartSignal) => {
        await program?.stop(signal)
        await start()
      },
      /** Returns the process that runs now. */
      child: () => program?.child,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function answerOf(program: Program, { name, version }: ServerOptions): Promise<string> {
  for (let tries = 0; tries < 300 && program.child.exitCode === null; tries += 1) {
    const answer = await version().catch(() => undefined)
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${name} did not answer: ${program.output()}`)
}
