import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type Listening, listen } from './http.ts'

/** A balancer that sends each request to the next of its nodes, so that nothing is sticky. */
export class Balancer {
  readonly url: string
  readonly #listening: Listening
  readonly #ports: number[]
  #next = 0

  private constructor(listening: Listening, ports: number[]) {
    this.#listening = listening
    this.#ports = ports
    this.url = listening.url
  }

  static async open(ports: number[]): Promise<Balancer> {
    let balancer: Balancer | undefined
    const listening = await listen((incoming, outgoing) => balancer?.pass(incoming, outgoing))
    balancer = new Balancer(listening, [...ports])
    return balancer
  }

  /** Sends nothing more to a node. */
  remove(port: number): void {
    this.#ports.splice(this.#ports.indexOf(port), 1)
  }

  pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const port = this.#ports[this.#next++ % this.#ports.length]
    const { method, url, headers } = incoming
    const onward = request({ port, host: '127.0.0.1', method, path: url, headers, agent: false })
    onward.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
      response.on('close', () => outgoing.destroy())
    })
    // As a proxy whose node is gone in the middle of an answer, or cannot be reached.
    onward.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()))
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }

  close(): Promise<void> {
    return this.#listening.close()
  }
}
