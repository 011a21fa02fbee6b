import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { PROTOCOL } from '../../protocol/messages.ts'
import { addressOf, type Origin } from '../auth/address.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Granted } from '../auth/admitted.ts'
import { Revocations, StaleToken } from '../auth/revocations.ts'
import { EXCESS, excessEvent } from '../delivery/limit-events.ts'
import type { Sink } from '../delivery/sink.ts'
import { RouteHints } from '../hints/route-hint.ts'
import { Warnings } from '../hints/warnings.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { BodyReader } from './body.ts'
import { clientScript } from './client-script.ts'
import { Closing, serverOf } from './closing.ts'
import { browserCookie, browserValue, browserValues } from './cookie.ts'
import { allowCors } from './cors.ts'
import { beginStream, breakPipeline, guard, isOpen, owned, retire, sessionOf, unhook } from './response.ts'
import { splitTarget } from './target.ts'

/** A request handler for Express 4 and 5, connect, and `http.createServer`. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/** Describes the server, as far as the routes use it. */
export interface Backend {
  readonly options: ResolvedOptions
  /** Whether the server was closed and accepts no more clients. */
  readonly closing: boolean
  /** Counts streams. */
  readonly control: Pick<AdmissionControl, 'stream' | 'streamEnded'>
  /** Reports errors that clients can cause again and again. */
  readonly faults: { report(error: Error): void }
  /**
   * Answers a handshake with a token. `browser` is the value of the browser cookie; undefined when the client
   * wants no ticket.
   */
  grant(
    given: Json,
    request: IncomingMessage | undefined,
    token: string | undefined,
    browser?: string,
    at?: number,
  ): Promise<Granted>
  /**
   * Opens a stream by its token or ticket. `open` returns the client's sink; undefined when the client has
   * gone.
   */
  openStream(
    token: string | undefined,
    browsers: readonly string[],
    request: {
      origin: Origin
      position: string | undefined
      open(): Sink | undefined
      onClose(close: () => void): void
    },
  ): Promise<unknown>
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_MESSAGE: 400,
  UNAUTHORIZED: 401,
  TOKEN_STALE: 401,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  BODY_TOO_SLOW: 408,
  TOO_MANY_HANDSHAKES: 429,
  TOO_MANY_STREAMS: 429,
  UNAVAILABLE: 503,
  CLOSED: 503,
}

const CLOSING = 'The server is closing'

/** The seconds after which a client may retry when the server has no room. */
const RETRY_AFTER = '2'

/** Creates the handler of a server's routes. */
export function createHandler(server: Backend): RequestHandler {
  const { path } = server.options
  const closing = new Closing()
  const bodies = new BodyReader(server.options.limits, (error) => server.faults.report(error))
  const routes: Record<string, { methods: string[]; handle: (exchange: Exchange) => Promise<void> }> = {
    [`${path}/handshake`]: { methods: ['POST'], handle: handshake },
    [`${path}/stream`]: { methods: ['GET', 'POST'], handle: stream },
    [`${path}/client.js`]: { methods: ['GET', 'HEAD'], handle: clientScript },
  }
  const hints = new RouteHints(server.options, new Warnings(server.options))
  const handler = (
    request: IncomingMessage & { originalUrl?: string },
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => {
    if (breakPipeline(request)) return
    const [pathname = '', query = ''] = splitTarget(request.url ?? '/')
    const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined
    const [original = ''] = splitTarget(request.originalUrl ?? request.url ?? '/')
    if (route) hints.matched(request, response)
    else hints.unmatched(request, response, pathname, original)
    if (!route && next) {
      next()
      return
    }
    const base = original.endsWith(pathname) ? original.slice(0, original.length - pathname.length) : ''
    const httpServer = serverOf(request)
    const exchange: Exchange = {
      server,
      bodies,
      request,
      response,
      base: `${base}${path}`,
      query: new URLSearchParams(query),
      isStream: route?.handle === stream,
      isHandshake: route?.handle === handshake,
      isClosing: () => server.closing || closing.has(httpServer),
      endOnClosing: (end) => closing.watch(httpServer, response, end),
      outliveClosing: () => closing.forget(response),
    }
    if (exchange.isClosing()) retire(response)
    guard(response)
    if (!route) {
      sendError(exchange, 404, 'NOT_FOUND', 'There is nothing here')
      return
    }
    if (allowCors(request, response, server.options.allowOrigin)) return
    if (!route.methods.includes(request.method ?? '')) {
      const methods = route.methods.join(', ')
      response.setHeader('Allow', `${methods}, OPTIONS`)
      sendError(exchange, 405, 'METHOD_NOT_ALLOWED', `This route takes ${methods}`)
      return
    }
    route
      .handle(exchange)
      .catch((error: unknown) => fail(exchange, error))
      .finally(() => bodies.release(request))
  }
  return handler
}

interface Exchange {
  server: Backend
  bodies: BodyReader
  request: IncomingMessage
  response: ServerResponse
  /** The path of the routes as the client sees it. */
  base: string
  query: URLSearchParams
  /** Whether the request is for a stream. */
  isStream: boolean
  isHandshake: boolean
  /** Whether this server, or the HTTP server of the request, was closed. */
  isClosing(): boolean
  /** Ends the response when its HTTP server closes; default: as a stream. */
  endOnClosing(end?: (response: ServerResponse) => void): void
  /** Cancels `endOnClosing`, for a response that ends by itself. */
  outliveClosing(): void
}

/** Reads the JSON of a request, until its HTTP server closes. */
async function bodyOf(exchange: Exchange, fields: readonly string[]): Promise<unknown> {
  const closed = new AbortController()
  exchange.endOnClosing(() => closed.abort(new ParticleError('UNAVAILABLE', CLOSING)))
  try {
    return await exchange.bodies.json(exchange.request, fields, closed.signal)
  } finally {
    // Stops watching the response. A response that waits behind others on its socket never emits `close`.
    exchange.outliveClosing()
  }
}

async function handshake(exchange: Exchange): Promise<void> {
  const { server, request, response, base } = exchange
  const at = Revocations.now()
  // Waits for the connection first. A request behind a stream is never answered, and must cost no lookup and
  // no memory for its body.
  const turn = owned(response)
  if (turn) await turn
  refuseWhenClosing(exchange)
  const body = await bodyOf(exchange, ['identity', 'previous', 'carrier'])
  const {
    identity = null,
    previous,
    carrier = 'address',
  } = objectOf(body, '{ identity, previous?, carrier? }')
  if (carrier !== 'header' && carrier !== 'address') {
    throw new ParticleError('INVALID_MESSAGE', 'carrier must be "header" or "address"')
  }
  const token = textOf(previous, 'previous must be the text of a token')
  const browser = carrier === 'address' ? browserValue(request) : undefined
  const granted = await server.grant(identity as Json, request, token, browser, at)
  if (!isOpen(response)) return
  const { session, expiresAt, live, ticket } = granted
  if (browser !== undefined)
    response.appendHeader('Set-Cookie', browserCookie(request, browser, server.options))
  sendJson(exchange, 200, {
    token: granted.token,
    session,
    stream: `${base}/stream${ticket === undefined ? '' : `?token=${ticket}`}`,
    expiresAt: expiresAt.toISOString(),
    protocol: PROTOCOL,
    heartbeat: server.options.heartbeat,
    live,
  })
}

async function stream(exchange: Exchange): Promise<void> {
  const { server, request, response } = exchange
  const turn = owned(response)
  if (turn) await turn
  const { token, position } = await streamRequest(exchange)
  refuseWhenClosing(exchange)
  await server.openStream(token, browserValues(request), {
    origin: { request, address: addressOf(request) },
    position,
    open: () => openSink(exchange),
    onClose: (close) => response.on('close', close),
  })
}

/**
 * Reads the token and the position of a stream's request. A token that is too long for a header comes in the
 * body of a POST.
 */
async function streamRequest(
  exchange: Exchange,
): Promise<{ token: string | undefined; position: string | undefined }> {
  const { request, query } = exchange
  const isPost = request.method === 'POST'
  const body = isPost
    ? objectOf(await bodyOf(exchange, ['token', 'lastEventId']), '{ token, lastEventId? }')
    : {}
  const last = request.headers['last-event-id']
  return {
    token: textOf(body.token, 'token must be a text') ?? bearer(request) ?? query.get('token') ?? undefined,
    position:
      textOf(body.lastEventId, 'lastEventId must be a text') ||
      (typeof last === 'string' && last) ||
      query.get('lastEventId') ||
      undefined,
  }
}

/** @throws ParticleError `INVALID_MESSAGE` when the body is not an object */
function objectOf(body: unknown, form: string): Record<string, unknown> {
  if (isObject(body)) return body
  throw new ParticleError('INVALID_MESSAGE', `The body must be an object ${form}`)
}

/** @throws ParticleError `INVALID_MESSAGE` when the field is present and not a text */
function textOf(value: unknown, sentence: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw new ParticleError('INVALID_MESSAGE', sentence)
}

/**
 * Opens the sink in a function of its own, so that its listeners keep only what they need for the stream's
 * life.
 */
function openSink(exchange: Exchange): Sink | undefined {
  const { server, request, response, isClosing } = exchange
  if (response.socket === null || !isOpen(response)) return undefined
  refuseWhenClosing(exchange)
  const sink = beginStream(request, response, server.options.heartbeat)
  exchange.endOnClosing()
  const session = sessionOf(response)
  // Closes the HTTP/2 session, so that the client reconnects on a new connection, and so to another node.
  if (session) response.once('close', () => void (isClosing() && session.close()))
  return sink
}

function refuseWhenClosing({ isClosing }: Exchange): void {
  if (isClosing()) throw new ParticleError('UNAVAILABLE', CLOSING)
}

/**
 * Answers a failed request. Internal errors are reported to the application, and the client gets a plain
 * sentence.
 */
function fail(exchange: Exchange, error: unknown): void {
  const { server, request, response } = exchange
  const known = error instanceof ParticleError ? STATUS[error.code] : undefined
  const status = known ?? 503
  reportRefused(exchange, status, error)
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
    sendJson(exchange, status, { error: { code, message, token } })
  } else if (excessEvent(error)) sendError(exchange, status, 'LIMIT_EXCEEDED', EXCESS)
  else sendError(exchange, status, 'UNAVAILABLE', 'Something went wrong; try again later')
}

function reportRefused({ server, isStream, isHandshake }: Exchange, status: number, error: unknown): void {
  if (!isStream && !isHandshake) return
  const code = error instanceof ParticleError ? error.code : 'UNAVAILABLE'
  server.options.diagnostics.report(isStream ? 'stream.refused' : 'handshake.refused', { status, code })
}

function sendError(exchange: Exchange, status: number, code: ErrorCode, message: string): void {
  sendJson(exchange, status, { error: { code, message } })
}

function sendJson(exchange: Exchange, status: number, body: unknown): void {
  const { request, response, isClosing, isStream } = exchange
  if (isClosing()) retire(response)
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': bytes.length,
    'Cache-Control': 'private, no-store',
  })
  // Removes hooks of session middlewares, since the user may have logged out during the request.
  if (isStream) unhook(request, response)
  response.end(bytes)
}

function bearer(request: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}
