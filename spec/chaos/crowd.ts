import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { bundled } from '../support/bundled.ts'
import type { CrowdMessage, CrowdReport } from './reports.ts'
import type { CrowdOrder, Shown } from './visitors.ts'

/** A process of clients: those that must always be right, or those that misbehave. */
export class Crowd {
  readonly counts: Record<string, number> = {}
  readonly #child: ChildProcess
  readonly #waiting: ((message: CrowdMessage) => void)[] = []
  readonly #ended: Promise<never>

  private constructor(child: ChildProcess, take: (report: CrowdReport) => void) {
    this.#child = child
    this.#ended = once(child, 'exit').then(([code]) => {
      throw new Error(`A process of clients ended with ${code}`)
    })
    this.#ended.catch(() => {})
    child.on('message', (message: CrowdMessage) => {
      if (!('report' in message)) {
        this.#waiting.shift()?.(message)
        return
      }
      for (const [what, times] of Object.entries(message.report.counts))
        this.counts[what] = (this.counts[what] ?? 0) + times
      take(message.report)
    })
  }

  /**
   * @param program `visitors` or `intruders`
   * @param take gets what the clients saw, several times a second
   */
  static async start(
    program: 'visitors' | 'intruders',
    args: readonly string[],
    take: (report: CrowdReport) => void,
  ): Promise<Crowd> {
    const child = fork(await bundled(join(import.meta.dirname, `${program}.ts`)), args)
    await once(child, 'message')
    return new Crowd(child, take)
  }

  open(users: string[] = []): void {
    this.#order({ order: 'open', users })
  }

  /** Resolves to what each client shows now. */
  async models(): Promise<Shown[]> {
    const answer = this.#answer()
    this.#order({ order: 'models' })
    const message = await answer
    return 'models' in message ? message.models : []
  }

  /** Closes all clients. */
  async close(): Promise<void> {
    const answer = this.#answer()
    this.#order({ order: 'close' })
    await answer
  }

  stop(): void {
    this.#child.kill()
  }

  #order(order: CrowdOrder): void {
    this.#child.send(order)
  }

  #answer(): Promise<CrowdMessage> {
    const answer = new Promise<CrowdMessage>((resolve) => this.#waiting.push(resolve))
    return Promise.race([answer, this.#ended])
  }
}
