import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import { ParticleError } from '../../errors.ts'
import type { Sink } from '../delivery/sink.ts'
import { isAccepted } from './encodings.ts'
import { GzipSink } from './gzip-sink.ts'
import { ResponseSink, streamOf } from './response-sink.ts'

/** The methods of a response that middlewares replace. */
const HOOKED = ['writeHead', 'write', 'end'] as const

/** The HTTP/1 connections with a stream, which is their last response. */
const streaming = new WeakSet<Duplex>()
/** Limits the weight of the requests that wait on one connection: see {@link weightOf}. */
const MAX_PIPELINED = 256
/** The part of a body that Node reads in advance, in KiB. */
const READ_AHEAD = 64
/** The weight of the waiting requests, by connection. */
const waiting = new WeakMap<Duplex, number>()

/**
 * Waits until a response owns its connection. The response to a pipelined request has no connection before
 * the earlier response has ended, and does not emit `close` when its client goes.
 *
 * @returns undefined when the response owns its connection already. The caller must then read the body in the
 *   same step, before another listener takes its chunks. The promise never resolves when the connection
 *   closes first; nothing else refers to it then
 */
export function owned(response: ServerResponse): Promise<void> | undefined {
  if (response.socket !== null || response.writableEnded) return undefined
  const { socket } = response.req
  const weight = weightOf(response.req)
  const sum = (waiting.get(socket) ?? 0) + weight
  waiting.set(socket, sum)
  if (sum > MAX_PIPELINED) socket.destroy()
  return new Promise<void>((resolve) => {
    response.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? weight) - weight)
      resolve()
    })
  })
}

/** Weighs a waiting request by its memory: 1, and 1 for each KiB of its body. */
function weightOf({ headers }: IncomingMessage): number {
  const length = headers['transfer-encoding']
    ? Number.POSITIVE_INFINITY
    : Number(headers['content-length'] ?? 0)
  return 1 + Math.min(READ_AHEAD, Math.floor(length / 1024))
}

/**
 * Breaks the connection of a stream when another request comes on it. The request would wait for the end of
 * the stream. No browser pipelines requests.
 *
 * @returns whether the request came behind a stream
 */
export function breakPipeline({ socket }: IncomingMessage): boolean {
  if (!streaming.has(socket)) return false
  socket.destroy()
  return true
}

/**
 * Checks whether a response can still begin: its client is present, and no other middleware has answered.
 *
 * @throws ParticleError `CALLBACK_FAILED` when another middleware has begun the response and not ended it
 */
export function isOpen(response: ServerResponse): boolean {
  // Reads the request's socket, since a response that waits on its connection has none.
  if (response.req.socket.destroyed || response.destroyed || response.writableEnded) return false
  if (!response.headersSent) return true
  const cause = 'A middleware before Particle wrote the head of the answer and called next()'
  throw new ParticleError('CALLBACK_FAILED', `${cause}: it must do one or the other`)
}

/**
 * Makes a response the last on its connection. Over HTTP/2, which has no such header, the session accepts no
 * more requests.
 */
export function retire(response: ServerResponse): void {
  const session = sessionOf(response)
  if (session) session.close()
  else if (!response.headersSent) response.setHeader('Connection', 'close')
}

/** The headers that protect an answer and its address from other pages and servers. */
const GUARDS = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Referrer-Policy', 'no-referrer'],
] as const

/**
 * Sets headers against three risks: browsers that guess another content type, pages that read the answer
 * without CORS, and links that reveal the address, which may contain a ticket. Headers of the application
 * (Helmet, for example) stay unchanged.
 */
export function guard(response: ServerResponse): void {
  if (response.headersSent) return
  for (const [name, value] of GUARDS) if (!response.hasHeader(name)) response.setHeader(name, value)
}

/** The headers of a stream. */
const HEAD = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'private, no-store, no-transform',
  'X-Accel-Buffering': 'no',
}
/** The headers of a stream over HTTP/1, which is the last on its connection. */
const LAST_HEAD = { ...HEAD, Connection: 'close' }

/**
 * Begins a stream of events. The response is the last on its connection, so that a closing server has no
 * connection to wait for after its streams have ended.
 *
 * @param heartbeat milliseconds between two pings
 * @param compression whether to compress for a client that accepts it
 */
export function beginStream(
  request: IncomingMessage,
  response: ServerResponse,
  heartbeat: number,
  compression = false,
): Sink {
  const isCompressed =
    compression &&
    !response.hasHeader('Content-Encoding') &&
    isAccepted(request.headers['accept-encoding'], 'gzip')
  if (compression) response.appendHeader('Vary', 'Accept-Encoding')
  if (isCompressed) response.setHeader('Content-Encoding', 'gzip')
  response.writeHead(200, request.httpVersionMajor === 1 ? LAST_HEAD : HEAD)
  response.on('error', ignore)
  if (request.httpVersionMajor === 1) streaming.add(request.socket)
  unhook(request, response, isCompressed)
  const sink = new ResponseSink(response, heartbeat)
  return isCompressed ? new GzipSink(sink) : sink
}

/** Created once. A function for each stream would keep the variables around it in memory. */
function ignore(): void {}

/**
 * Removes the hooks of other middlewares from a response whose head is written. Their work was on the head.
 * At the end of a stream, hours later, express-session would save the session of its beginning, and undo a
 * logout.
 *
 * @param isCompressed whether Particle itself encodes the stream
 */
export function unhook(request: IncomingMessage, response: ServerResponse, isCompressed = false): void {
  const encoding = response.getHeader('Content-Encoding')
  if (isCompressed || encoding === undefined || encoding === 'identity') {
    for (const name of HOOKED) if (Object.hasOwn(response, name)) Reflect.deleteProperty(response, name)
    releaseSession(request)
    return
  }
  // Clears the session's id, since the hooks must stay: they encode the stream in spite of `no-transform`.
  // Without an id, express-session saves no session.
  if (Object.hasOwn(request, 'sessionID')) Object.assign(request, { sessionID: undefined })
}

/**
 * Replaces the request's session by a copy of its data, so that the session doesn't stay in memory for the
 * life of the stream. Loggers that read `request.session` at the end of the request find the data of the
 * beginning.
 */
function releaseSession(request: IncomingMessage & { session?: unknown }): void {
  let text: string | undefined
  try {
    text =
      typeof request.session === 'object' && request.session ? JSON.stringify(request.session) : undefined
  } catch {
    // Keeps a session that JSON can't hold.
  }
  if (text !== undefined) Reflect.defineProperty(request, 'session', placeholder(text))
}

/** Creates the property in a function of its own, so that its accessors don't keep the session in memory. */
function placeholder(text: string): PropertyDescriptor {
  return {
    configurable: true,
    enumerable: true,
    get: () => JSON.parse(text),
    set(this: object, value: unknown) {
      Object.defineProperty(this, 'session', { configurable: true, enumerable: true, writable: true, value })
    },
  }
}

/** Returns the HTTP/2 session of a response. */
export function sessionOf(response: ServerResponse): ServerHttp2Session | undefined {
  return streamOf(response)?.session as ServerHttp2Session | undefined
}
