import type { IncomingMessage } from 'node:http'
import type { Server as NetServer } from 'node:net'
import type { Sink } from './sink.ts'

/** How often HTTP servers with open streams are asked whether they still listen, in milliseconds. */
const INTERVAL = 200

/**
 * Notices when an HTTP server was closed, and then ends the streams that came by it. An HTTP server tells that it was
 * closed only once its last connection has ended, which is what a stream never does by itself.
 */
export class Closing {
  /** The servers that have been seen to listen; some never do: they are handed sockets that another process accepted. */
  readonly #listened = new WeakSet<NetServer>()
  readonly #sinks = new Map<NetServer, Set<Sink>>()
  #timer: NodeJS.Timeout | undefined

  /** Whether an HTTP server has been closed. */
  has(server: NetServer | undefined): boolean {
    if (!server) return false
    if (server.listening) this.#listened.add(server)
    return !server.listening && this.#listened.has(server)
  }

  /**
   * Has a stream ended when the HTTP server that it came by closes.
   *
   * @returns forgets the stream: to be called when the stream has ended
   */
  watch(server: NetServer | undefined, sink: Sink): () => void {
    if (!server || !this.#listened.has(server)) return () => {}
    const sinks = this.#sinks.get(server) ?? new Set()
    this.#sinks.set(server, sinks)
    sinks.add(sink)
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref()
    return () => this.#forget(server, sinks, sink)
  }

  #forget(server: NetServer, sinks: Set<Sink>, sink: Sink): void {
    sinks.delete(sink)
    if (sinks.size === 0 && this.#sinks.get(server) === sinks) this.#sinks.delete(server)
    if (this.#sinks.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    for (const [server, sinks] of this.#sinks) {
      if (server.listening) continue
      this.#sinks.delete(server)
      for (const sink of [...sinks]) sink.end()
    }
  }
}

/**
 * The HTTP server that accepted the socket of a request, to be asked for while the request lasts: over HTTP/2 it is not
 * known afterwards. Node sets the property, but its types don't have it.
 */
export function serverOf(request: IncomingMessage): NetServer | undefined {
  const { server } = (request.socket ?? {}) as { server?: NetServer }
  return typeof server?.listening === 'boolean' ? server : undefined
}
