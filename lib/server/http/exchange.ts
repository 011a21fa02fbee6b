import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server as NetServer } from 'node:net'
import { type ErrorCode, ParticleError } from '../../errors.ts'
import { addressOf } from '../auth/address.ts'
import { StaleToken } from '../auth/revocations.ts'
import { EXCESS, excessEvent } from '../delivery/limit-events.ts'
import type { Backend } from './backend.ts'
import type { BodyReader } from './body.ts'
import { type Closing, serverOf } from './closing.ts'
import { retire, sessionOf, unhook } from './response.ts'

const STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_MESSAGE: 400,
  UNAUTHORIZED: 401,
  TOKEN_STALE: 401,
  FORBIDDEN: 403,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  BODY_TOO_SLOW: 408,
  TOO_MANY_HANDSHAKES: 429,
  TOO_MANY_REQUESTS: 429,
  TOO_MANY_STREAMS: 429,
  UNAVAILABLE: 503,
  CLOSED: 503,
}

const CLOSING = 'The server is closing'

/** The seconds after which a client may retry when the server has no room. */
const RETRY_AFTER = '2'

/** Holds the parts that all requests of one server share. */
interface Shared {
  readonly server: Backend
  readonly bodies: BodyReader
  readonly closing: Closing
}

/** Names the route of a request. */
type Purpose = 'stream' | 'handshake' | 'other'

/** Answers one request. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The path of the routes as the client sees it. */
  readonly base: string
  readonly #shared: Shared
  readonly #query: string
  #parameters: URLSearchParams | undefined
  readonly #purpose: Purpose
  readonly #began = performance.now()
  readonly #httpServer: NetServer | undefined

  constructor(
    shared: Shared,
    request: IncomingMessage,
    response: ServerResponse,
    base: string,
    query: string,
    purpose: Purpose,
  ) {
    this.#shared = shared
    this.request = request
    this.response = response
    this.base = base
    this.#query = query
    this.#purpose = purpose
    this.#httpServer = serverOf(request)
    shared.closing.watchSession(this.#httpServer, sessionOf(response))
  }

  get server(): Backend {
    return this.#shared.server
  }

  /** Returns the parameters of the query. */
  get query(): URLSearchParams {
    this.#parameters ??= new URLSearchParams(this.#query)
    return this.#parameters
  }

  /** Whether connections are to end: this server drains or was closed, or the request's HTTP server was. */
  get isClosing(): boolean {
    return this.server.shutdown.begun || this.#shared.closing.has(this.#httpServer)
  }

  /** Ends the response when its HTTP server closes; default: as a stream. */
  endOnClosing(end?: (response: ServerResponse) => void): void {
    this.#shared.closing.watch(this.#httpServer, this.response, end)
  }

  /**
   * Refuses a client that must use another node. A server that drains still answers the clients of its open
   * streams.
   *
   * @throws ParticleError `UNAVAILABLE` when the server is closing
   */
  refuseWhenClosing(): void {
    const { begun, closing } = this.server.shutdown
    const isOfOpenStream = begun && !closing && this.#purpose === 'other'
    if (this.isClosing && !isOfOpenStream) throw new ParticleError('UNAVAILABLE', CLOSING)
  }

  /** Reads the JSON of the request, until its HTTP server closes. */
  async body(fields: readonly string[]): Promise<unknown> {
    const { bodies, closing } = this.#shared
    const closed = new AbortController()
    this.endOnClosing(() => closed.abort(new ParticleError('UNAVAILABLE', CLOSING)))
    try {
      return await bodies.json(this.request, fields, closed.signal)
    } finally {
      // Stops watching the response. A response that waits behind others on its socket never emits `close`.
      closing.forget(this.response)
    }
  }

  /** Stops counting the bytes of the body. */
  releaseBody(): void {
    this.#shared.bodies.release(this.request)
  }

  /** Answers a failed request. The client gets a plain sentence in place of an internal error. */
  fail(error: unknown): void {
    const { server, request, response } = this
    const known = error instanceof ParticleError ? STATUS[error.code] : undefined
    const status = known ?? 503
    this.#reportRefused(status, error)
    if (known === undefined) server.faults.report(error instanceof Error ? error : new Error(String(error)))
    if (response.writableEnded) return
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (status === 503 || status === 429) response.setHeader('Retry-After', RETRY_AFTER)
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer')
    // Closes the connection without waiting for the rest of the body.
    if ([408, 413, 503].includes(status) && !request.complete && request.httpVersionMajor === 1) {
      retire(response)
      response.once('finish', () => request.destroy())
    }
    if (known !== undefined) {
      const { code, message } = error as ParticleError
      const token = error instanceof StaleToken ? error.token : undefined
      this.sendJson(status, { error: { code, message, token } })
    } else if (excessEvent(error)) this.sendError(status, 'LIMIT_EXCEEDED', EXCESS)
    else this.sendError(status, 'UNAVAILABLE', 'Something went wrong; try again later')
  }

  sendError(status: number, code: ErrorCode, message: string): void {
    this.sendJson(status, { error: { code, message } })
  }

  sendJson(status: number, body: unknown): void {
    const { request, response } = this
    if (this.isClosing) retire(response)
    const bytes = Buffer.from(JSON.stringify(body))
    response.writeHead(status, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': bytes.length,
      'Cache-Control': 'private, no-store',
    })
    // Removes hooks of session middlewares, since the user may have logged out during the request.
    if (this.#purpose === 'stream') unhook(request, response)
    response.end(bytes)
  }

  #reportRefused(status: number, error: unknown): void {
    const purpose = this.#purpose
    const code = error instanceof ParticleError ? error.code : 'UNAVAILABLE'
    const { diagnostics } = this.server.options
    if ([401, 403, 429].includes(status)) {
      const address = addressOf(this.request)
      diagnostics.traces.report('audit', { action: 'refusal', at: Date.now(), code, address })
    }
    if (purpose === 'other') return
    if (purpose === 'stream') diagnostics.report('stream.refused', { status, code })
    else {
      diagnostics.report('handshake.refused', {
        status,
        code,
        ms: Math.round(performance.now() - this.#began),
      })
    }
  }
}
