import { createServer, type Server as HttpServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client } from '../../lib/client/client.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { until } from './local.ts'

/** What lies in the account at first. */
const MONEY = 100_000

/** As often, at least, something breaks: each kind twice. */
const FAULTS = 12

/** Two accounts and a count, each in a collection of its own: a move takes 1 from the one, puts it to the other, and is counted. */
export interface Bank {
  /** The sources of a node, by an adapter of its own where processes have their own. */
  dataSources(): Promise<ServerOptions['dataSources']> | ServerOptions['dataSources']
  /** Makes one move, in one transaction. */
  move(): Promise<unknown>
}

export const BANK = { account: { _id: 1, n: MONEY }, savings: { _id: 1, n: 0 }, moves: { _id: 1, n: 0 } }
export type BankName = keyof typeof BANK
export const BANK_NAMES = Object.keys(BANK) as BankName[]

/** One process that serves the bank, and can be replaced by another one at the same address. */
class Branch {
  readonly http: HttpServer
  readonly #bank: Bank
  #handler: RequestListener | undefined
  #server: Server | undefined

  constructor(bank: Bank) {
    this.#bank = bank
    this.http = createServer((request, response) => {
      if (this.#handler) this.#handler(request, response)
      else request.destroy()
    })
  }

  async start(): Promise<string> {
    const dataSources = await this.#bank.dataSources()
    this.#server = new Server({
      dataSources,
      secret: 'a secret of all branches',
      retry: 5,
      replay: { bytes: 20_000 },
    })
    this.#handler = this.#server.middleware()
    if (!this.http.listening) await new Promise<void>((resolve) => this.http.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}/particle`
  }

  /** Breaks all connections. */
  cut(): void {
    this.http.closeAllConnections()
  }

  /** Kills the process. */
  async stop(): Promise<void> {
    this.#handler = undefined
    this.cut()
    await this.#server?.disconnect()
  }

  refresh(): unknown {
    return this.#server?.refresh(() => true)
  }
}

interface Tally {
  /** How many states clients have shown, and how many of them never were. */
  shown: number
  torn: string[]
  /** How often a client began a stream after its first one. */
  returns: number
}

/** Makes moves while connections break and nodes are killed, and counts the states that clients show meanwhile. */
export async function tally(bank: Bank, moves: number, clients = 3): Promise<Tally> {
  const branches = [new Branch(bank), new Branch(bank)]
  const urls: string[] = []
  for (const branch of branches) urls.push(await branch.start())
  const result: Tally = { shown: 0, torn: [], returns: 0 }
  let requests = 0
  const all = Array.from({ length: clients }, () => {
    let wasReady = false
    const look = (model: unknown) => {
      if (!wasReady) return
      result.shown++
      const texts = BANK_NAMES.map((name) => (model as Record<BankName, { n: number }[]>)[name]?.[0]?.n)
      const [account = 0, savings = 0, count] = texts
      if (account + savings !== MONEY || count !== savings) result.torn.push(texts.join(', '))
    }
    const client: Client = new Client(
      {
        url: urls[0] ?? '',
        notify: 'event',
        // The balancer leads each request to any node.
        fetch: (input, init) => fetch(String(input).replace(urls[0] ?? '', urls[requests++ % 2] ?? ''), init),
        onData: (data) => {
          look(data)
          look(client.getSnapshot())
        },
        onStatus: (status) => {
          if (status === 'ready') wasReady = true
          if (status === 'reconnecting') result.returns++
        },
        onError: () => {},
      },
      { random: () => 0 },
    )
    return client
  })
  try {
    for (const client of all) await client.ready()
    let faults = 0
    let made = 0
    for (let since = 0; made < moves || faults < FAULTS; since++) {
      await bank.move()
      made++
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (since < 10 || all.some(({ status }) => status !== 'ready')) continue
      since = 0
      const branch = branches[faults % 2]
      const kind = (faults++ >> 1) % 3
      if (kind === 0) branch?.cut()
      else if (kind === 1) await branch?.refresh()
      else {
        await branch?.stop()
        await branch?.start()
      }
    }
    const last = (client: Client) => client.data.moves?.[0]?.n
    await until(() => all.every((client) => last(client) === made), 'the last move', 30_000)
  } finally {
    for (const client of all) client.close()
    for (const branch of branches) {
      await branch.stop()
      branch.http.close()
    }
  }
  return result
}
