import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server as NetServer } from 'node:net'
import { endResponse } from '../delivery/sink.ts'

/** How often HTTP servers with open responses are asked whether they still listen, in milliseconds. */
const INTERVAL = 250

/**
 * Notices when an HTTP server was closed, and then ends the streams that came by it, and the requests whose
 * body is still awaited. An HTTP server tells that it was closed only once its last connection has ended,
 * which neither of these does by itself.
 */
export class Closing {
  /**
   * The servers that have been seen to listen; some never do: they are handed sockets that another process
   * accepted.
   */
  readonly #listened = new WeakSet<NetServer>()
  /** How each response is ended. */
  readonly #responses = new Map<NetServer, Map<ServerResponse, (response: ServerResponse) => void>>()
  /**
   * One listener for all streams, which Node calls on the response: a function for each would take memory
   * for each.
   */
  readonly #forget: (this: ServerResponse) => void
  #timer: NodeJS.Timeout | undefined

  constructor() {
    const forget = (response: ServerResponse) => this.forget(response)
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

  /**
   * Has a response ended when the HTTP server that it came by closes.
   * @param end how; default: as a stream. Another one takes the place of the one before.
   */
  watch(server: NetServer | undefined, response: ServerResponse, end = endResponse): void {
    if (!server || !this.#listened.has(server)) return
    const responses = this.#responses.get(server) ?? new Map()
    this.#responses.set(server, responses)
    if (!responses.has(response)) response.on('close', this.#forget)
    responses.set(response, end)
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref()
  }

  /** Leaves a response alone from now on. */
  forget(response: ServerResponse): void {
    for (const [server, responses] of this.#responses) {
      if (responses.delete(response) && responses.size === 0) this.#responses.delete(server)
    }
    if (this.#responses.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    for (const [server, responses] of this.#responses) {
      if (server.listening) continue
      this.#responses.delete(server)
      for (const [response, end] of responses) end(response)
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
