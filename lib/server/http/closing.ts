import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server as NetServer } from 'node:net'
import { endResponse } from '../delivery/sink.ts'

/** How often HTTP servers with open streams are asked whether they still listen, in milliseconds. */
const INTERVAL = 250

/**
 * Notices when an HTTP server was closed, and then ends the streams that came by it. An HTTP server tells
 * that it was closed only once its last connection has ended, which is what a stream never does by itself.
 */
export class Closing {
  /**
   * The servers that have been seen to listen; some never do: they are handed sockets that another process
   * accepted.
   */
  readonly #listened = new WeakSet<NetServer>()
  readonly #streams = new Map<NetServer, Set<ServerResponse>>()
  /**
   * One listener for all streams, which Node calls on the response: a function for each would take memory
   * for each.
   */
  readonly #forget: (this: ServerResponse) => void
  #timer: NodeJS.Timeout | undefined

  constructor() {
    const forget = (response: ServerResponse) => this.#delete(response)
    this.#forget = function () {
      forget(this)
    }
  }

  /** Whether an HTTP server has been closed. */
  has(server: NetServer | undefined): boolean {
    if (!server) return false
    if (server.listening) this.#listened.add(server)
    return !server.listening && this.#listened.has(server)
  }

  /** Has a stream ended when the HTTP server that it came by closes. */
  watch(server: NetServer | undefined, response: ServerResponse): void {
    if (!server || !this.#listened.has(server)) return
    const streams = this.#streams.get(server) ?? new Set()
    this.#streams.set(server, streams)
    streams.add(response)
    response.on('close', this.#forget)
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref()
  }

  #delete(response: ServerResponse): void {
    for (const [server, streams] of this.#streams) {
      if (streams.delete(response) && streams.size === 0) this.#streams.delete(server)
    }
    if (this.#streams.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    for (const [server, streams] of this.#streams) {
      if (server.listening) continue
      this.#streams.delete(server)
      for (const response of streams) endResponse(response)
    }
  }
}

/**
 * The HTTP server that accepted the socket of a request, to be asked for while the request lasts: over
 * HTTP/2 it is not known afterwards. Node sets the property, but its types don't have it.
 */
export function serverOf(request: IncomingMessage): NetServer | undefined {
  const { server } = (request.socket ?? {}) as { server?: NetServer }
  return typeof server?.listening === 'boolean' ? server : undefined
}
