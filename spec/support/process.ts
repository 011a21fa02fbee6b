import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createServer } from 'node:net'

/**
 * Ends a program when this process is gone, however it went: a shell that waits for the end of its input, which this process holds open.
 * SIGTERM, so that a server can clear up its temporary folder.
 */
function watchOver(pid: number): () => void {
  const script = 'cat >/dev/null; kill -TERM "$1"'
  const watch = spawn('sh', ['-c', script, 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watch.on('error', () => {})
  watch.stdin.on('error', () => {})
  watch.unref()
  return () => {
    try {
      if (watch.pid !== undefined && watch.exitCode === null) process.kill(-watch.pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
}

/** A program that was started, and how to end it. */
export interface Program {
  child: ChildProcess
  /** What it wrote last, for error messages. */
  output(): string
  /** Ends it (SIGTERM, after 5 s SIGKILL) and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts a program that ends with this process at the latest. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> = {},
): Program {
  // In a group of its own, so that Ctrl+C at a terminal is not sent to it as well: this process ends it, when it is done with it.
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const unwatch = child.pid === undefined ? () => {} : watchOver(child.pid)
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  child.on('error', (error) => keep(Buffer.from(String(error))))
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      unwatch()
      resolve()
    })
    child.once('error', () => resolve())
  })
  return {
    child,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
      await ended
      clearTimeout(timer)
    },
  }
}

/** Runs a program to its end, and resolves to the end of its output; rejects with it when it fails or takes too long. */
export async function runProgram(
  command: string,
  args: readonly string[],
  timeoutMs: number,
  options: Pick<SpawnOptions, 'cwd' | 'env'> = {},
): Promise<string> {
  const program = startProgram(command, args, options)
  const { pid } = program.child
  // Ends the whole group, since mocha runs specs in a process of its own, which would go on beside the second try.
  const timer = setTimeout(() => pid !== undefined && process.kill(-pid, 'SIGKILL'), timeoutMs)
  const code = await new Promise<number | null>((resolve) => {
    program.child.once('close', resolve)
    program.child.once('error', () => resolve(null))
  })
  clearTimeout(timer)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${program.output()}`)
  return program.output()
}

/** Tells whether a process runs. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A TCP port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('No free port')
  return address.port
}
