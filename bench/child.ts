import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'

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
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  #calls = 0

  /**
   * @param file a TypeScript file of this folder that calls {@link serve}
   * @param core where it runs
   * @param prefix a command to start it by
   */
  constructor(file: string, args: readonly string[], core: number, prefix: readonly string[] = []) {
    const pin = PINNED ? ['taskset', '-c', String(core)] : []
    const node = [process.execPath, '--expose-gc', '--import', 'tsx', `${import.meta.dirname}/${file}`]
    const [command = '', ...rest] = [...prefix, ...pin, ...node, ...args]
    this.#process = spawn(command, rest, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      cwd: `${import.meta.dirname}/..`,
    })
    this.#process.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.call)
      this.#waiting.delete(answer.call)
      if (answer.error === undefined) waiting?.resolve(answer.result as never)
      else waiting?.reject(new Error(`${file} ${args.join(' ')}: ${answer.error}`))
    })
    this.#process.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`${file} ${args.join(' ')} ended with ${code ?? signal}`))
      this.#waiting.clear()
    })
    this.#process.once('error', (error) => {
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
    })
  }

  call<T>(method: string, argument?: unknown): Promise<T> {
    const call = this.#calls++
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject })
      this.#process.send({ call, method, argument }, (error) => error && reject(error))
    })
  }

  /** Stops the process for a time (SIGSTOP), or lets it go on (SIGCONT). */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal)
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    // Lets it end its own programs, as far as it is not too busy.
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), END_TIMEOUT_MS)
    if (this.#process.connected) this.#process.disconnect()
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
  // Node would map the stack of each request that a client breaks off to TypeScript, which no server does.
  process.setSourceMapsEnabled(false)
}
