import type { CandidateName, Wire } from './candidate.ts'
import { Child } from './child.ts'

interface Address {
  port: number
  path: string
  wire: Wire
}

/** A candidate's server on the first core, and the load on the second. */
export class Pair {
  readonly server: Child
  readonly load: Child
  readonly address: Address

  private constructor(server: Child, load: Child, address: Address) {
    this.server = server
    this.load = load
    this.address = address
  }

  static async start(name: CandidateName, people: number, prefix: readonly string[] = []): Promise<Pair> {
    const server = new Child('server.ts', [name, String(people)], 0, prefix)
    const load = new Child('load.ts', [], 1, prefix)
    try {
      return new Pair(server, load, await server.call<Address>('address'))
    } catch (error) {
      await Promise.all([server.end(), load.end()])
      throw error
    }
  }

  /** Opens so many clients. */
  async open(clients: number): Promise<void> {
    await this.load.call('open', { ...this.address, clients })
    const connections = await this.server.call<number>('connections')
    if (connections !== clients) throw new Error(`The server has ${connections} of ${clients} clients`)
  }

  async end(): Promise<void> {
    // Reset, so that tens of thousands of closed connections don't go on to occupy ports.
    await this.load.call('close').catch(() => {})
    await Promise.all([this.server.end(), this.load.end()])
  }
}

/** Runs something with a pair, which then ends whatever came of it. */
export async function withPair<T>(
  name: CandidateName,
  people: number,
  run: (pair: Pair) => Promise<T>,
  prefix: readonly string[] = [],
): Promise<T> {
  const pair = await Pair.start(name, people, prefix)
  try {
    return await run(pair)
  } finally {
    await pair.end()
  }
}
