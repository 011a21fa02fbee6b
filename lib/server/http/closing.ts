import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Server as NetServer } from 'node:net'
import { endResponse } from './response-sink.ts'

/** The time between two checks of HTTP servers with open responses or HTTP/2 sessions, in milliseconds. */
const INTERVAL = 250

/**
 * Detects the close of an HTTP server, and ends its streams, its requests with an unread body, and its HTTP/2
 * sessions. None of them ends by itself, and a server emits `close` only after its last connection has ended.
 */
export class Closing {
  /**
   * The servers that were seen to listen. Some never listen, but get sockets that another process accepted.
   */
  readonly #listened = new WeakSet<NetServer>()
  /** The function that ends each response, by server. */
  readonly #responses = new Map<NetServer, Map<ServerResponse, (response: ServerResponse) => void>>()
  /** The open HTTP/2 sessions, by server. Node ends the idle connections of HTTP/1 by itself. */
  readonly #sessions = new Map<NetServer, Set<ServerHttp2Session>>()
  /**
   * The one listener of all responses. Node calls it on the response, so that no stream needs its own
   * function.
   */
  readonly #forget: (this: ServerResponse) => void
  readonly #isDraining: () => boolean
  #timer: NodeJS.Timeout | undefined

  /**
   * @param isDraining whether the streams are being ended one after the other, so that they must not end here
   */
  constructor(isDraining: () => boolean) {
    this.#isDraining = isDraining
    const forget = (response: ServerResponse) => this.forget(response)
    this.#forget = function () {
      forget(this)
    }
  }

  /** Checks whether an HTTP server has been closed. */
  has(server: NetServer | undefined): boolean {
    if (!server) return false
    if (server.listening) this.#listened.add(server)
    return !server.listening && this.#listened.has(server)
  }

  /**
   * Ends a response when its HTTP server closes. A later call for the response replaces `end`.
   *
   * @param end ends the response; default: as a stream
   */
  watch(server: NetServer | undefined, response: ServerResponse, end = endResponse): void {
    if (!server || !this.#listened.has(server)) return
    const responses = this.#responses.get(server) ?? new Map()
    this.#responses.set(server, responses)
    if (!responses.has(response)) response.on('close', this.#forget)
    responses.set(response, end)
    this.#start()
  }

  /** Ends an HTTP/2 session, after its open streams, when its HTTP server closes. */
  watchSession(server: NetServer | undefined, session: ServerHttp2Session | undefined): void {
    if (!server || !session || session.closed || this.#sessions.get(server)?.has(session)) return
    if (server.listening) this.#listened.add(server)
    if (!this.#listened.has(server)) return
    const sessions = this.#sessions.get(server) ?? new Set()
    this.#sessions.set(server, sessions.add(session))
    session.once('close', () => {
      sessions.delete(session)
      if (sessions.size === 0 && this.#sessions.get(server) === sessions) this.#sessions.delete(server)
      this.#stopWhenIdle()
    })
    this.#start()
  }

  /** Stops watching a response. */
  forget(response: ServerResponse): void {
    for (const [server, responses] of this.#responses) {
      if (responses.delete(response) && responses.size === 0) this.#responses.delete(server)
    }
    this.#stopWhenIdle()
  }

  #start(): void {
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref()
  }

  /** Stops the checks when nothing is watched. */
  #stopWhenIdle(): void {
    if (this.#responses.size > 0 || this.#sessions.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    for (const [server, responses] of this.#responses) {
      if (server.listening || this.#isDraining()) continue
      this.#responses.delete(server)
      for (const [response, end] of responses) end(response)
    }
    for (const [server, sessions] of this.#sessions) {
      if (server.listening || this.#isDraining()) continue
      this.#sessions.delete(server)
      for (const session of sessions) session.close()
    }
  }
}

/**
 * Returns the HTTP server that accepted a request's socket. Call it early: over HTTP/2 the server is unknown
 * after the request. Node sets the property, but its types lack it.
 */
export function serverOf(request: IncomingMessage): NetServer | undefined {
  const { server } = (request.socket ?? {}) as { server?: NetServer }
  return typeof server?.listening === 'boolean' ? server : undefined
}
