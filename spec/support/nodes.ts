import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { type Listening, listen } from './http.ts'
import { presenting } from './sse.ts'
import { readStream, type StreamReader } from './stream.ts'

/** The nodes of a suite and their streams, which end after each of its tests. */
export class Nodes {
  readonly #nodes: { server: Server; listening: Listening }[] = []
  readonly #streams: StreamReader[] = []

  constructor() {
    afterEach(() => this.end())
  }

  /** Ends all nodes and streams. */
  async end(): Promise<void> {
    for (const stream of this.#streams.splice(0)) stream.close()
    for (const { server, listening } of this.#nodes.splice(0)) {
      await server.disconnect()
      await listening.close()
    }
  }

  /** Starts a node; `url` is where Particle is. */
  async start(options: ServerOptions): Promise<{ server: Server; url: string }> {
    const server = new Server(options)
    const listening = await listen(server.middleware())
    this.#nodes.push({ server, listening })
    return { server, url: `${listening.url}/particle` }
  }

  async open(url: string, token?: string, position?: string): Promise<StreamReader> {
    const stream = await readStream(`${url}/stream`, presenting(token, position))
    this.#streams.push(stream)
    return stream
  }
}
