import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Mistake, Skip, shown, within } from '../case.ts'

/** A line to the driver, without its id. */
export type Command =
  | { do: 'connect'; url: string; identity: unknown }
  | { do: 'state' }
  | { do: 'watch' | 'unwatch'; source: string; params: Record<string, unknown> }
  | { do: 'reached'; position: string }
  | { do: 'close' }

/** A line from the driver. */
export interface Answer {
  id: number
  error?: unknown
  unsupported?: unknown
  status?: unknown
  data?: unknown
  errors?: unknown
}

/** Limits the time to end of a driver whose input has ended, in milliseconds. */
const END_MS = 2_000
/** Limits the kept output of a driver's standard error, in characters. */
const MAX_LOG = 2_000
/** Limits a line of a driver, in bytes. */
const MAX_LINE = 67_108_864

/** Talks to a process that drives the client under test, by lines of JSON. */
export class Driver {
  /** The last output on standard error. */
  log = ''
  readonly #child: ChildProcess
  readonly #timeout: number
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>()
  readonly #ended: Promise<void>
  #count = 0
  #over: Error | undefined

  /**
   * @param command runs in a shell
   * @param timeout limits the time to an answer, in milliseconds
   */
  constructor(command: string, timeout: number) {
    this.#timeout = timeout
    // Gives the process a group of its own, so that `kill` reaches what the shell has started.
    const child = spawn(command, { shell: true, stdio: 'pipe', detached: process.platform !== 'win32' })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()))
    child.once('error', ({ message }) => this.#end(`The driver could not be started: ${message}`))
    child.once('close', (code, signal) =>
      this.#end(`The driver has ended (${signal ?? `exit code ${code}`})`),
    )
    // Reports the end of the process by `close`, and not by this event.
    child.stdin.on('error', () => {})
    child.stderr.on('data', (chunk) => {
      this.log = (this.log + chunk).slice(-MAX_LOG)
    })
    let length = 0
    createInterface({ input: child.stdout }).on('line', (line) => {
      length = 0
      this.#take(line)
    })
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_LINE) this.#refuse(`a line of more than ${MAX_LINE} bytes`)
    })
  }

  /** Whether the process has ended, or has written what is no answer. */
  get isOver(): boolean {
    return this.#over !== undefined
  }

  /**
   * Sends a command, and resolves to its answer.
   *
   * @throws Skip when the driver does not support the command, Mistake when it fails
   */
  async send(command: Command, timeout = this.#timeout): Promise<Answer> {
    const answer = await within(timeout, this.#ask(command), `The answer of the driver to "${command.do}"`)
    if (answer.unsupported) throw new Skip(`the driver answers "${command.do}" with unsupported`)
    return answer
  }

  /** Ends the process in order. Kills it when it takes too long. */
  async end(): Promise<void> {
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.kill(), END_MS)
    await this.#ended
    clearTimeout(timer)
  }

  /** Ends the process at once. */
  kill(): void {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    if (process.platform === 'win32') this.#child.kill('SIGKILL')
    else process.kill(-pid, 'SIGKILL')
  }

  #ask(command: Command): Promise<Answer> {
    if (this.#over) return Promise.reject(this.#over)
    const id = ++this.#count
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`)
    })
  }

  #take(line: string): void {
    if (this.#over || line.trim() === '') return
    let answer: Answer | undefined
    try {
      answer = JSON.parse(line)
    } catch {}
    const waiting = this.#waiting.get(Number(answer?.id))
    if (answer && waiting) {
      this.#waiting.delete(answer.id)
      waiting.resolve(answer)
    } else this.#refuse(`a line that is no answer to a command: ${shown(line)}`)
  }

  /** Ends a driver at once that has written what is no answer. It may never stop to write. */
  #refuse(what: string): void {
    this.#end(`The driver has written ${what}`)
    this.kill()
  }

  #end(reason: string): void {
    this.#over ??= new Mistake(reason)
    for (const { reject } of this.#waiting.values()) reject(this.#over)
    this.#waiting.clear()
  }
}
