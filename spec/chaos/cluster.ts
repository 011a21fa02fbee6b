import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { on, once } from 'node:events'
import { join } from 'node:path'
import { guideConfiguration, startNginx } from '../support/nginx.ts'
import { freePort } from '../support/process.ts'
import type { Account, Answer, Order } from './node.ts'
import type { Stores } from './stores.ts'
import type { NodeOptions } from './world.ts'

const PROGRAM = join(import.meta.dirname, 'node.ts')
const PATIENCE_MS = 60_000

/** A node that runs, with what it wrote to stderr. */
interface Node {
  child: ChildProcess
  stderr: string
}

/** Particle nodes behind nginx, which are killed, replaced and frozen. */
export class Cluster {
  readonly ports: readonly number[]
  readonly port: number
  /** Lists what nodes wrote before they ended, which is nothing. */
  readonly faults: string[] = []
  readonly #stores: Stores
  readonly #slot: string | undefined
  readonly #secret: string = randomUUID()
  readonly #nodes: Node[] = []
  readonly #turns: Promise<unknown>[] = []
  #nginx: { stop(): Promise<void> } | undefined
  #proxy: Promise<void> = Promise.resolve()

  private constructor(stores: Stores, ports: readonly number[], port: number, slot: string | undefined) {
    this.#stores = stores
    this.#slot = slot
    this.ports = ports
    this.port = port
  }

  /** Starts so many nodes. Resolves to the reason instead where there is no nginx. */
  static async start(size: number, stores: Stores, slot?: string): Promise<Cluster | { missing: string }> {
    const ports: number[] = []
    while (ports.length < size) ports.push(await freePort())
    const cluster = new Cluster(stores, ports, await freePort(), slot)
    const nginx = await cluster.#startNginx()
    if ('missing' in nginx) return nginx
    for (const index of ports.keys()) await cluster.#start(index)
    return cluster
  }

  /** Returns where clients find the cluster. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/particle`
  }

  urlOf(index: number): string {
    return `http://127.0.0.1:${this.ports[index]}/particle`
  }

  /** Ends a node without a word, and starts it again. */
  kill(index: number): Promise<void> {
    return this.#inTurn(index, async () => {
      await this.#end(index, () => this.#nodes[index]?.child.kill('SIGKILL'))
      await this.#start(index)
    })
  }

  /** Has a node end its streams and itself, as a deploy does, and starts it again. */
  replace(index: number): Promise<void> {
    return this.#inTurn(index, async () => {
      await this.#end(index, () => this.order(index, { order: 'drain' }))
      await this.#start(index)
    })
  }

  freeze(index: number, ms: number): Promise<void> {
    return this.#inTurn(index, async () => {
      this.#nodes[index]?.child.kill('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, ms))
      this.#nodes[index]?.child.kill('SIGCONT')
    })
  }

  restartNginx(): Promise<void> {
    this.#proxy = this.#proxy.then(async () => {
      await this.#nginx?.stop()
      await this.#startNginx()
    })
    return this.#proxy
  }

  order(index: number, order: Order): void {
    const { child } = this.#nodes[index] ?? {}
    if (child?.connected) child.send(order)
  }

  /** Ends the streams of a user by one node's `revoke`; resolves to whether the store has the decision. */
  async revoke(index: number, user: string): Promise<boolean> {
    return (await this.#ask(index, { order: 'revoke', user }, 'revoke')) ?? false
  }

  /** Has a node say what it holds: with its memory, or at a `look` without. */
  async measure(index: number, order: 'measure' | 'look'): Promise<Account> {
    const account = await this.#ask(index, { order }, 'measure')
    if (account) return account
    const { child, stderr } = this.#nodes[index] ?? {}
    throw new Error(`Node ${index} does not answer (${child?.exitCode ?? child?.signalCode}): ${stderr}`)
  }

  /** Resolves when every node runs and nothing is done to one. */
  async settled(): Promise<void> {
    await Promise.all([...this.#turns, this.#proxy])
  }

  async stop(): Promise<void> {
    await this.settled().catch(() => {})
    for (const index of this.#nodes.keys())
      await this.#end(index, () => this.#nodes[index]?.child.kill('SIGKILL'))
    await this.#nginx?.stop()
  }

  async #startNginx(): Promise<{ missing: string } | { stop(): Promise<void> }> {
    const nginx = await startNginx(await guideConfiguration(this.ports, this.port), this.port)
    if (!('missing' in nginx)) this.#nginx = nginx
    return nginx
  }

  async #start(index: number): Promise<void> {
    const options: NodeOptions = {
      index,
      port: this.ports[index] ?? 0,
      secret: this.#secret,
      ...this.#stores.urlsOf(index),
      ...(this.#slot === undefined ? {} : { slot: this.#slot }),
    }
    const child = fork(PROGRAM, [JSON.stringify(options)], {
      execArgv: ['--expose-gc', '--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const node: Node = { child, stderr: '' }
    child.stderr?.on('data', (chunk: Buffer) => {
      node.stderr = (node.stderr + chunk).slice(-4000)
    })
    this.#nodes[index] = node
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`Node ${index} ended with ${code}: ${node.stderr}`)
    })
    await Promise.race([once(child, 'message'), ended])
    ended.catch(() => {})
  }

  /** Ends a node, and keeps what it wrote. */
  async #end(index: number, end: () => void): Promise<void> {
    const node = this.#nodes[index]
    if (!node) return
    if (node.child.exitCode !== null) this.faults.push(`node ${index} ended by itself: ${node.stderr}`)
    else {
      const ended = once(node.child, 'exit')
      end()
      const timer = setTimeout(() => {
        this.faults.push(`node ${index} did not end in time: ${node.stderr}`)
        node.child.kill('SIGKILL')
      }, PATIENCE_MS)
      await ended
      clearTimeout(timer)
      if (node.stderr !== '') this.faults.push(`node ${index} wrote ${node.stderr}`)
    }
  }

  async #ask<Name extends 'revoke' | 'measure'>(
    index: number,
    order: Order,
    name: Name,
  ): Promise<Extract<Answer, Record<Name, unknown>>[Name] | undefined> {
    const { child } = this.#nodes[index] ?? {}
    if (!child?.connected) return undefined
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const messages = on(child, 'message', { signal, close: ['exit'] })
    child.send(order)
    try {
      for await (const [answer] of messages) if (name in Object(answer)) return answer[name]
    } catch {
      // The node was stopped for too long.
    }
    return undefined
  }

  #inTurn(index: number, act: () => Promise<void>): Promise<void> {
    const acting = (this.#turns[index] ?? Promise.resolve()).then(act)
    this.#turns[index] = acting
    return acting
  }
}
