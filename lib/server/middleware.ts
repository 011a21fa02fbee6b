import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import { PROTOCOL } from '../protocol/messages.ts'
import { readJson } from './body.ts'
import { Closing } from './closing.ts'
import { allowCors, isCrossOrigin, isEncrypted } from './cors.ts'
import type { ResolvedOptions } from './options.ts'
import { beginStream, isOpen, owned, retire, sessionOf, unhook } from './response.ts'
import type { Server } from './server.ts'
import type { Sink } from './sink.ts'

/** A handler for Express 4 and 5, connect, and `http.createServer`. */
export interface Handler {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  /** The server behind the handler. */
  readonly server: Server
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_MESSAGE: 400,
  UNAUTHORIZED: 401,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  TOO_MANY_HANDSHAKES: 429,
  UNAVAILABLE: 503,
  CLOSED: 503,
}

/** Seconds after which a client that was turned away for want of room may come back. */
const RETRY_AFTER = '2'
/** Browsers keep cookies of up to 4,096 bytes, name and attributes included (RFC 6265, 6.1). */
const MOST_COOKIE = 3_900

/** The routes of a server, as a handler. */
export function createHandler(server: Server): Handler {
  const { path } = server.options
  const closing = new Closing()
  const routes: Record<string, { method: string; handle: (exchange: Exchange) => Promise<void> }> = {
    [`${path}/handshake`]: { method: 'POST', handle: handshake },
    [`${path}/stream`]: { method: 'GET', handle: stream },
    [`${path}/client.js`]: { method: 'GET', handle: clientScript },
  }
  const handler = (
    request: IncomingMessage & { originalUrl?: string },
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => {
    const [pathname = '', query = ''] = split(request.url ?? '/')
    const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined
    if (!route && next) {
      next()
      return
    }
    const [original = ''] = split(request.originalUrl ?? request.url ?? '/')
    const base = original.endsWith(pathname) ? original.slice(0, original.length - pathname.length) : ''
    const exchange: Exchange = {
      server,
      request,
      response,
      base: `${base}${path}`,
      query: new URLSearchParams(query),
      isStream: route?.handle === stream,
      isClosing: () => server.closing || closing.has(request),
      onClosing: (sink) => closing.watch(request, sink),
    }
    if (exchange.isClosing()) retire(response)
    if (!route) {
      sendError(exchange, 404, 'NOT_FOUND', 'There is nothing here')
      return
    }
    if (allowCors(request, response, server.options.allowOrigin)) return
    if (request.method !== route.method && !(request.method === 'HEAD' && pathname.endsWith('.js'))) {
      response.setHeader('Allow', `${route.method}, OPTIONS`)
      sendError(exchange, 405, 'METHOD_NOT_ALLOWED', `This route takes ${route.method}`)
      return
    }
    route.handle(exchange).catch((error: unknown) => fail(exchange, error))
  }
  return Object.assign(handler, { server })
}

interface Exchange {
  server: Server
  request: IncomingMessage
  response: ServerResponse
  /** The path of the routes as the client sees it. */
  base: string
  query: URLSearchParams
  /** Whether the request is for a stream, whatever the answer is. */
  isStream: boolean
  /** Whether this server, or the HTTP server that the request came by, was closed. */
  isClosing(): boolean
  /** Has a stream ended when that HTTP server is closed; what is returned forgets the stream. */
  onClosing(sink: Sink): () => void
}

function split(url: string): [string, string] {
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

async function handshake(exchange: Exchange): Promise<void> {
  const { server, request, response, base } = exchange
  refuseWhenClosing(exchange)
  const body = await readJson(request, ['identity', 'previous', 'carrier'])
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ParticleError('INVALID_MESSAGE', 'The body must be an object { identity, previous? }')
  }
  const { identity = null, previous } = body as { identity?: Json; previous?: unknown }
  if (previous !== undefined && previous !== null && typeof previous !== 'string') {
    throw new ParticleError('INVALID_MESSAGE', 'previous must be the text of a token')
  }
  const granted = await server.grant(identity, request, previous ?? undefined)
  if (!isOpen(response)) return
  const { token, session, expiresAt } = granted
  const cookie = cookieOf(request, base, session, token, server.options)
  if (cookie.length <= MOST_COOKIE) response.setHeader('Set-Cookie', cookie)
  else {
    server.options.onError(
      new ParticleError(
        'UNAVAILABLE',
        `What identityLookup found seals to ${cookie.length} bytes, too many for a cookie: browsers can't connect with it`,
      ),
    )
  }
  sendJson(exchange, 200, {
    token,
    session,
    stream: `${base}/stream?session=${session}`,
    expiresAt: expiresAt.toISOString(),
    protocol: PROTOCOL,
    heartbeat: server.options.heartbeat,
  })
}

async function stream(exchange: Exchange): Promise<void> {
  const { server, request, response, query } = exchange
  await owned(response)
  refuseWhenClosing(exchange)
  const session = query.get('session')
  const token =
    bearer(request) ??
    query.get('token') ??
    (session === null ? undefined : cookieNamed(request, cookieName(session)))
  const admitted = await server.admit(token ?? undefined)
  if (admitted.admission && session !== null && admitted.admission.session !== session) {
    throw new ParticleError('UNAUTHORIZED', 'The token is not of this session')
  }
  const last = request.headers['last-event-id']
  const position = (typeof last === 'string' && last) || query.get('lastEventId') || undefined
  if (!response.socket || !isOpen(response)) return
  server.attach(
    admitted,
    position,
    () => openSink(exchange),
    (close) => response.on('close', close),
  )
}

/** Apart from the stream's route, so that the listeners hold no more than what they need for as long as the stream lasts. */
function openSink(exchange: Exchange): Sink {
  const { server, request, response, isClosing, onClosing } = exchange
  refuseWhenClosing(exchange)
  const sink = beginStream(request, response, server.options.heartbeat)
  response.once('close', onClosing(sink))
  const session = sessionOf(response)
  // Over HTTP/2 the client is to come back by another connection, and so to another node.
  if (session) response.once('close', () => void (isClosing() && session.close()))
  return sink
}

function refuseWhenClosing({ isClosing }: Exchange): void {
  if (isClosing()) throw new ParticleError('UNAVAILABLE', 'The server is closing')
}

const SCRIPT = new URL('../../dist/browser/client.js', import.meta.url)
let script: Promise<{ bytes: Buffer; etag: string }> | undefined

async function clientScript({ request, response }: Exchange): Promise<void> {
  script ??= readFile(SCRIPT).then((bytes) => ({
    bytes,
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 20)}"`,
  }))
  const { bytes, etag } = await script.catch((cause: unknown) => {
    script = undefined
    throw cause
  })
  response.setHeader('ETag', etag)
  response.setHeader('Cache-Control', 'no-cache')
  if (isKnown(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end()
    return
  }
  response.writeHead(200, {
    'Content-Type': 'text/javascript; charset=utf-8',
    'Content-Length': bytes.length,
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** The weak comparison of RFC 9110, 13.1.2: a proxy that compresses makes tags weak. */
function isKnown(tags: string | undefined, etag: string): boolean {
  return (tags ?? '').split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()))
}

function fail(exchange: Exchange, error: unknown): void {
  const { server, request, response } = exchange
  const known = error instanceof ParticleError ? STATUS[error.code] : undefined
  if (known === undefined) server.options.onError(error instanceof Error ? error : new Error(String(error)))
  if (response.writableEnded) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const status = known ?? 503
  if (status === 503 || status === 429) response.setHeader('Retry-After', RETRY_AFTER)
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer')
  if (status === 413 && request.httpVersionMajor === 1) {
    retire(response)
    response.once('finish', () => request.destroy())
  }
  if (known !== undefined)
    sendError(exchange, status, (error as ParticleError).code, (error as ParticleError).message)
  else sendError(exchange, status, 'UNAVAILABLE', 'Something went wrong; try again later')
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
    'Cache-Control': 'no-store',
  })
  // It may have waited for its rights while the user logged out.
  if (isStream) unhook(request, response)
  response.end(bytes)
}

function bearer(request: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

function cookieName(session: string): string {
  return `particle_${session}`
}

function cookieNamed(request: IncomingMessage, name: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}

function cookieOf(
  request: IncomingMessage,
  path: string,
  session: string,
  token: string,
  { sessionTtl, allowOrigin }: Pick<ResolvedOptions, 'sessionTtl' | 'allowOrigin'>,
): string {
  const secure =
    isEncrypted(request) ||
    String(request.headers['x-forwarded-proto'] ?? '')
      .split(',')[0]
      ?.trim() === 'https'
  // A page of another site sends the cookie only with SameSite=None, which browsers take only when it is Secure as well.
  const site = isCrossOrigin(request, allowOrigin)
    ? 'SameSite=None; Secure'
    : `SameSite=Strict${secure ? '; Secure' : ''}`
  return `${cookieName(session)}=${token}; Path=${path}; Max-Age=${Math.ceil(sessionTtl / 1000)}; HttpOnly; ${site}`
}
