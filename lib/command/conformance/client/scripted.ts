import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isObject } from '../../../model/json.ts'
import { PROTOCOL } from '../../../protocol/messages.ts'
import { Mistake } from '../case.ts'
import { Exchange } from './exchange.ts'

/** The routes of the protocol that a client asks for. */
export type Route = 'handshake' | 'stream' | 'watch' | 'reached'

/** Plays the server of the protocol to a client, request by request, as a case says. */
export class ScriptedServer {
  /** Answers the requests of a route as they come, in place of the steps of a case. */
  readonly on: Partial<Record<string, (exchange: Exchange, count: number) => void>> = {
    handshake: (exchange) => this.grant(exchange),
  }
  /** All requests so far. */
  readonly requests: Exchange[] = []
  /** The heartbeat that handshakes are answered with, in milliseconds. */
  heartbeat = 60_000
  /** How long the tokens of handshakes are valid, in milliseconds. */
  ttl = 3_600_000
  readonly #server: Server
  readonly #timeout: number
  readonly #taken = new Set<Exchange>()
  readonly #waiting: { route: Route; resolve: (exchange: Exchange) => void }[] = []

  /** @param timeout limits the time to an expected request, in milliseconds */
  constructor(timeout: number) {
    this.#timeout = timeout
    this.#server = createServer(async (request, response) => {
      const exchange = new Exchange(request, response, await bodyOf(request))
      this.requests.push(exchange)
      this.on[exchange.route]?.(exchange, this.of(exchange.route).length)
      this.#offer(exchange)
    })
  }

  /** Listens on a free port, and resolves to the address for the client. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/particle`
  }

  /** Lists the requests of a route. */
  of(route: string): Exchange[] {
    return this.requests.filter((exchange) => exchange.route === route)
  }

  /** Resolves to the next request of a route that no case step has taken yet. */
  async next(route: Route, what: string, timeout = this.#timeout): Promise<Exchange> {
    const there = this.of(route).find((exchange) => !this.#taken.has(exchange))
    if (there) {
      this.#taken.add(there)
      return there
    }
    return await new Promise((resolve, reject) => {
      const waiting = {
        route,
        resolve: (exchange: Exchange) => {
          clearTimeout(timer)
          resolve(exchange)
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(new Mistake(`the client did not ask for "${route}" within ${timeout} ms: ${what}`))
      }, timeout)
      this.#waiting.push(waiting)
    })
  }

  /** Answers a handshake with the next token: `t1`, `t2` and so on. */
  grant(exchange: Exchange, { live = false }: { live?: boolean } = {}): void {
    const token = `t${this.of('handshake').length}`
    exchange.answer(200, {
      token,
      session: 's1',
      stream: exchange.body.carrier === 'header' ? '/particle/stream' : `/particle/stream?token=${token}`,
      expiresAt: new Date(Date.now() + this.ttl).toISOString(),
      protocol: PROTOCOL,
      heartbeat: this.heartbeat,
      live,
    })
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #offer(exchange: Exchange): void {
    const index = this.#waiting.findIndex(({ route }) => route === exchange.route)
    const [waiting] = index < 0 ? [] : this.#waiting.splice(index, 1)
    if (!waiting) return
    this.#taken.add(exchange)
    waiting.resolve(exchange)
  }
}

async function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = ''
  request.setEncoding('utf8')
  try {
    for await (const chunk of request) text += chunk
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
