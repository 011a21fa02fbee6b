import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type GoProgramName, goProgram } from './go-programs.ts'

/** How long a program may take to answer, in milliseconds. */
const START_TIMEOUT_MS = 60_000
/** How long /proc counts as one: Linux tells programs of 100 ticks a second. */
const TICK_US = 10_000

interface Run {
  args: readonly string[]
  env?: Record<string, string>
}

/** A server that is no Node process. It shares this process' core, and ends with it. */
export class Program {
  readonly port: number
  readonly #process: ChildProcess

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#process = child
  }

  /**
   * Starts a program on a free port.
   *
   * @param run tells how, from its port and a folder of its own
   * @param probe a path that answers once it serves
   */
  static async start(
    name: GoProgramName,
    run: (port: number, folder: string, file: string) => Run,
    probe: string,
  ): Promise<Program> {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'particle-bench-'))
    const file = goProgram(name)
    const { args, env } = run(port, folder, file)
    const child = spawn(file, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    process.once('exit', () => {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    })
    const program = new Program(port, child)
    await program.#answer(name, probe)
    return program
  }

  /** Returns its CPU time so far, in microseconds. */
  cpu(): number {
    const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'latin1')
    // The name of the program, which may hold spaces, ends with the last bracket.
    const [user = '', system = ''] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
    return (Number(user) + Number(system)) * TICK_US
  }

  /** Resolves once it has no more to do. */
  async idle(): Promise<void> {
    for (let before = -1; before !== this.cpu(); await wait(100)) before = this.cpu()
  }

  /** Sends a request with a JSON body, or with a form. Returns the answer's JSON. */
  async request(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<unknown> {
    const form = body instanceof URLSearchParams
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: { ...(form ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: form ? body : JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text
  }

  async #answer(name: string, probe: string): Promise<void> {
    for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end; await wait(50)) {
      const response = await fetch(`http://127.0.0.1:${this.port}${probe}`).catch(() => undefined)
      await response?.body?.cancel()
      if (response) return
      const { exitCode } = this.#process
      if (exitCode !== null) throw new Error(`${name} ended with ${exitCode}`)
    }
    throw new Error(`${name} does not answer`)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
