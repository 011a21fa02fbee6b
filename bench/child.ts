import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { bundled } from '../spec/support/bundled.ts'

/** Whether processes can be pinned to cores: the server to the first, the load to the second. */
export const PINNED = cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0

/** How long a process may take to end, in milliseconds. */
const END_TIMEOUT_MS = 5000

interface Answer {
  call: number
  result?: unknown
  error?: string
}

/** A process of its own that answers calls. */
export class Child {
  readonly #process: Promise<ChildProcess>
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  #calls = 0

  /**
   * @param file a TypeScript file of this folder that calls {@link serve}
   * @param core where it runs
   * @param prefix a command to start it by
   */
  constructor(file: string, args: readonly string[], core: number, prefix: readonly string[] = []) {
    this.#process = this.#start(file, args, core, prefix)
    this.#process.catch(() => {}) // each call rejects with it
  }

  async #start(
    file: string,
    args: readonly string[],
    core: number,
    prefix: readonly string[],
  ): Promise<ChildProcess> {
    const pin = PINNED ? ['taskset', '-c', String(core)] : []
    const node = [process.execPath, '--expose-gc', await bundled(`${import.meta.dirname}/${file}`)]
    const [command = '', ...rest] = [...prefix, ...pin, ...node, ...args]
    const child = spawn(command, rest, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      cwd: `${import.meta.dirname}/..`,
    })
    child.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.call)
      this.#waiting.delete(answer.call)
      if (answer.error === undefined) waiting?.resolve(answer.result as never)
      else waiting?.reject(new Error(`${file} ${args.join(' ')}: ${answer.error}`))
    })
    const fail = (error: Error) => {
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
    }
    child.once('exit', (code, signal) =>
      fail(new Error(`${file} ${args.join(' ')} ended with ${code ?? signal}`)),
    )
    child.once('error', fail)
    return child
  }

  async call<T>(method: string, argument?: unknown): Promise<T> {
    const child = await this.#process
    const call = this.#calls++
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject })
      child.send({ call, method, argument }, (error) => error && reject(error))
    })
  }

  /** Stops the process for a time (SIGSTOP), or lets it go on (SIGCONT). */
  async signal(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const child = await this.#process
    child.kill(signal)
  }

  async end(): Promise<void> {
    const child = await this.#process
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    // Lets it end its own programs, as far as it is not too busy.
    const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS)
    if (child.connected) child.disconnect()
    await exit
    clearTimeout(timer)
  }
}

/** Answers the calls of the process that started this one, and ends with it. */
// biome-ignore lint/suspicious/noExplicitAny: each method knows its own argument.
export function serve(methods: Record<string, (argument: any) => unknown>): void {
  process.on(
    'message',
    async ({ call, method, argument }: { call: number; method: string; argument: unknown }) => {
      try {
        process.send?.({ call, result: await methods[method]?.(argument) })
      } catch (error) {
        process.send?.({
          call,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        })
      }
    },
  )
  process.on('disconnect', () => process.exit())
}
