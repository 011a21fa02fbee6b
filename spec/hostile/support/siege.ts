import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { bundled } from '../../support/bundled.ts'
import { attackHttp, attackSocket } from './attack.ts'
import { type Figures, leaksIn, USERS } from './figures.ts'
import { Random } from './random.ts'
import { Visitor } from './visitor.ts'

const TARGET = new URL('target.ts', import.meta.url).pathname
/** How many attacks go on at a time: of more, a busy machine answers hardly one before it is given up. */
const ATTACKERS = 8
/** After so many requests, what a process holds in any case is there. */
const WARM_UP = 1_500
/** How much may be held after all requests beyond what was held when the process was warm, in bytes. */
const MAX_GROWTH = 12_000_000

/** How much longer a siege may take on a busy machine, in milliseconds. */
const BUSY_MS = 30_000

/** How long a siege goes on. */
interface Limits {
  requests: number
  seconds: number
  /** How many streams must have told their visitors something. */
  streams?: number
}

/** What came of a siege. */
export interface Report {
  requests: number
  /** Answers by their status. */
  statuses: Record<string, number>
  /** Streams that told the visitor its own row. */
  streams: number
  /** All that should not have been, as sentences. */
  faults: string[]
}

/** Sends random requests to a server in a process of its own, and looks at all that it answers. */
export class Siege {
  readonly #target: ChildProcess
  readonly #port: number
  readonly #visitors: Visitor[]
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 })
  readonly #report: Report = { requests: 0, statuses: {}, streams: 0, faults: [] }
  #stderr = ''

  private constructor(target: ChildProcess, port: number) {
    this.#target = target
    this.#port = port
    this.#visitors = [...USERS].map(([user, word]) => new Visitor(`http://127.0.0.1:${port}`, user, word))
    target.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk
    })
  }

  /**
   * Attacks until the requests are made or the time is over, and on a busy machine until it was told enough.
   * @param seed attack number n draws from `seed + n`; answers depend on time, so that a run is not the same again
   */
  static async run(seed: number, limits: Limits): Promise<Report> {
    const target = fork(await bundled(TARGET), {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const [port] = (await once(target, 'message')) as [number]
    const siege = new Siege(target, port)
    try {
      return await siege.#run(seed, limits)
    } finally {
      siege.#agent.destroy()
      target.kill()
    }
  }

  async #run(seed: number, { requests, seconds, streams = 0 }: Limits): Promise<Report> {
    const report = this.#report
    const deadline = Date.now() + seconds * 1000
    const goesOn = () =>
      Date.now() < deadline || (report.streams < streams && Date.now() < deadline + BUSY_MS)
    let attacks = 0
    const attack = async (enough: number, told: number) => {
      const isMissing = () => report.requests < enough || report.streams < told
      while (isMissing() && goesOn() && report.faults.length < 20) {
        if (this.#target.exitCode !== null) return
        await this.#attack(seed + attacks++)
      }
    }
    const besiege = (enough: number, told = 0) =>
      Promise.all(Array.from({ length: ATTACKERS }, () => attack(enough, told)))
    await besiege(Math.min(WARM_UP, requests))
    const before = await this.#rest()
    await besiege(requests, streams)
    const after = await this.#rest()
    if (before && after && after.held - before.held > MAX_GROWTH)
      report.faults.push(
        `the process held ${before.held} bytes when it was warm, and ${after.held} at the end`,
      )
    report.faults.push(...(after?.errors ?? []).map((error) => `onError was told ${error}`))
    if (this.#stderr !== '') report.faults.push(`the process wrote ${this.#stderr.slice(0, 2000)}`)
    return report
  }

  async #attack(seed: number): Promise<void> {
    const random = new Random(seed)
    const visitor = random.pick(this.#visitors)
    try {
      if (visitor.tokens.length === 1 || random.chance(0.02)) await visitor.shake()
    } catch (error) {
      this.#report.faults.push(`${visitor.user} can not present itself any more: ${error}`)
      return
    }
    const { requests, text } = random.chance(0.15)
      ? await attackHttp(random, visitor, this.#port, this.#agent)
      : await attackSocket(random, visitor, this.#port)
    const { statuses, faults } = this.#report
    this.#report.requests += requests
    for (const [, status = ''] of text.matchAll(/^HTTP\/1\.1 (\d+)/gm))
      statuses[status] = (statuses[status] ?? 0) + 1
    if (text.includes(`ROW-${visitor.user}-`)) this.#report.streams++
    visitor.learn(text, random)
    for (const leak of leaksIn(text, visitor.user)) faults.push(`attack ${seed}: ${leak}`)
  }

  /** Waits until no stream is open, and has the process say what it holds. */
  async #rest(): Promise<Figures | undefined> {
    const deadline = Date.now() + 10_000
    for (;;) {
      const [figures] = await Promise.race([this.#ask(), once(this.#target, 'exit').then(() => [undefined])])
      if (figures === undefined) {
        this.#report.faults.push(`the process ended with ${this.#target.exitCode}`)
        return undefined
      }
      if (figures.connections === 0) return figures
      if (Date.now() > deadline) {
        this.#report.faults.push(`${figures.connections} connections are left`)
        return figures
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async #ask(): Promise<[Figures | undefined]> {
    if (this.#target.exitCode !== null || !this.#target.connected) return [undefined]
    this.#target.send('figures')
    return (await once(this.#target, 'message')) as [Figures]
  }
}
