import { join } from 'node:path'
import { bundled } from '../bundled.ts'
import { freePort, type Program, startProgram } from '../process.ts'
import { Balancer } from './balancer.ts'

/** What a node of a cluster is told. */
export interface NodeOptions {
  port: number
  /** Of the MongoDB server. */
  url: string
  database: string
  secret: string
  heartbeat: number
  /** How long clients may have been away, in milliseconds. */
  replay: number
}

const PROGRAM = join(import.meta.dirname, 'node.ts')
const PATIENCE = 20_000

/** Particle processes that share a secret and a database, behind a balancer. */
export class Cluster {
  /** Where clients find it: the balancer. */
  readonly url: string
  /** The ports of the nodes. */
  readonly ports: readonly number[]
  readonly #balancer: Balancer
  readonly #options: Omit<NodeOptions, 'port'>
  readonly #nodes: (Program | undefined)[] = []

  private constructor(balancer: Balancer, ports: readonly number[], options: Omit<NodeOptions, 'port'>) {
    this.#balancer = balancer
    this.#options = options
    this.ports = ports
    this.url = `http://127.0.0.1:${balancer.port}/particle`
  }

  /** Starts so many nodes. */
  static async start(size: number, options: Omit<NodeOptions, 'port'>): Promise<Cluster> {
    const ports: number[] = []
    while (ports.length < size) ports.push(await freePort())
    const cluster = new Cluster(await Balancer.start(ports), ports, options)
    await Promise.all(ports.map((_, index) => cluster.start(index)))
    return cluster
  }

  /** Starts a node (again); resolves once it serves. */
  async start(index: number): Promise<void> {
    const options = JSON.stringify({ ...this.#options, port: this.ports[index] })
    const node = startProgram(process.execPath, [await bundled(PROGRAM), options])
    this.#nodes[index] = node
    await new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error(`Node ${index} does not serve: ${node.output()}`))
      const timer = setTimeout(fail, PATIENCE)
      node.child.once('exit', fail)
      node.child.stdout?.on('data', () => {
        if (!node.output().includes('listening')) return
        clearTimeout(timer)
        node.child.off('exit', fail)
        resolve()
      })
    })
  }

  /** Ends a node without a word: SIGKILL. */
  async kill(index: number): Promise<void> {
    await this.#nodes[index]?.stop('SIGKILL')
  }

  /** What the nodes printed. */
  output(): string {
    return this.#nodes.map((node) => node?.output().replace('listening\n', '') ?? '').join('')
  }

  async stop(): Promise<void> {
    this.#balancer.close()
    await Promise.all(this.#nodes.map((node) => node?.stop('SIGKILL')))
  }
}
