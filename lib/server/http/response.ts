import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import { ParticleError } from '../../errors.ts'
import { ResponseSink, streamOf } from '../delivery/sink.ts'

/** The methods of a response that middlewares put their own in front of. */
const HOOKED = ['writeHead', 'write', 'end'] as const

/** The HTTP/1 connections that carry a stream, which is their last response. */
const streaming = new WeakSet<Duplex>()
/** What the requests may weigh that wait for their turn on a connection: see {@link weightOf}. */
const MAX_PIPELINED = 256
/** How much of a body Node reads before anybody asks for it, in KiB. */
const READ_AHEAD = 64
/** What the requests weigh that wait for their turn on a connection. */
const waiting = new WeakMap<Duplex, number>()

/**
 * Waits until a response owns its connection. The response to a request that was pipelined behind another
 * has no connection before that other one has ended, and never tells that its client has gone.
 *
 * @returns undefined where it owns it by now: the body is to be read in this very step, before its chunks go
 *   to another listener. Never resolves where the connection closes first; nothing else holds the promise
 * then
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

/** Weighs a request by the memory that it takes while it waits: 1, and 1 for each KiB of its body. */
function weightOf({ headers }: IncomingMessage): number {
  const length = headers['transfer-encoding']
    ? Number.POSITIVE_INFINITY
    : Number(headers['content-length'] ?? 0)
  return 1 + Math.min(READ_AHEAD, Math.floor(length / 1024))
}

/**
 * Breaks the connection of a stream on which another request comes. It would never be answered, and be held
 * for as long as the stream lasts; no browser pipelines.
 *
 * @returns whether the request came behind a stream
 */
export function breakPipeline({ socket }: IncomingMessage): boolean {
  if (!streaming.has(socket)) return false
  socket.destroy()
  return true
}

/**
 * Whether a response can still be begun: its client is there, and no other middleware has answered.
 * @throws ParticleError `CALLBACK_FAILED` where another middleware has begun the answer and not ended it
 */
export function isOpen(response: ServerResponse): boolean {
  // The request's socket: a response that waits for its turn on the connection has none.
  if (response.req.socket.destroyed || response.destroyed || response.writableEnded) return false
  if (!response.headersSent) return true
  const cause = 'A middleware before Particle wrote the head of the answer and called next()'
  throw new ParticleError('CALLBACK_FAILED', `${cause}: it must do one or the other`)
}

/**
 * Makes a response the last on its connection; over HTTP/2, where no header says that, its session takes no
 * more requests.
 */
export function retire(response: ServerResponse): void {
  const session = sessionOf(response)
  if (session) session.close()
  else if (!response.headersSent) response.setHeader('Connection', 'close')
}

/** The headers that keep an answer from other pages, and its address from other servers. */
const GUARDS = {
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
}

/**
 * Sets headers that keep browsers from running an answer as something else, from handing it to a page that
 * asked without CORS, and from telling its address, where a ticket may stand, to others. The application's
 * own (Helmet's, say) stay as they are.
 */
export function guard(response: ServerResponse): void {
  for (const [name, value] of Object.entries(GUARDS))
    if (!response.headersSent && !response.hasHeader(name)) response.setHeader(name, value)
}

/**
 * Begins a stream of events. It is the last response on its connection, so that a server which closes has
 * no connection to wait for once its streams have ended.
 *
 * @param heartbeat milliseconds between two pings
 */
export function beginStream(
  request: IncomingMessage,
  response: ServerResponse,
  heartbeat: number,
): ResponseSink {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'private, no-store, no-transform',
    'X-Accel-Buffering': 'no',
    ...(request.httpVersionMajor === 1 ? { Connection: 'close' } : {}),
  })
  response.flushHeaders()
  response.on('error', ignore)
  if (request.httpVersionMajor === 1) streaming.add(request.socket)
  unhook(request, response)
  return new ResponseSink(response, heartbeat)
}

/** Made once: a function made for each stream would keep all that was at hand when it was made. */
function ignore(): void {}

/**
 * Removes what other middlewares hung on a response whose head is written. Their work was on the head; at
 * the end of a stream, hours later, express-session would save the session that it loaded at the beginning,
 * and so undo a logout.
 */
export function unhook(request: IncomingMessage, response: ServerResponse): void {
  const encoding = response.getHeader('Content-Encoding')
  if (encoding === undefined || encoding === 'identity') {
    for (const name of HOOKED) if (Object.hasOwn(response, name)) Reflect.deleteProperty(response, name)
    releaseSession(request)
    return
  }
  // A middleware encodes the stream in spite of its `no-transform`: the bytes must go through its methods.
  // express-session saves nothing by the id of no session.
  if (Object.hasOwn(request, 'sessionID')) Object.assign(request, { sessionID: undefined })
}

/**
 * Puts the data of the request's session in the place of the session, which then doesn't stay in memory for
 * as long as the stream. Loggers that read `request.session` when the request ends find its data as it was
 * at the beginning.
 */
function releaseSession(request: IncomingMessage & { session?: unknown }): void {
  let text: string | undefined
  try {
    text =
      typeof request.session === 'object' && request.session ? JSON.stringify(request.session) : undefined
  } catch {
    // What JSON can't hold stays as it is.
  }
  if (text !== undefined) Reflect.defineProperty(request, 'session', placeholder(text))
}

/** Makes the property by itself, where no session is at hand that its functions would hold. */
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

/** The HTTP/2 session that a response goes by. */
export function sessionOf(response: ServerResponse): ServerHttp2Session | undefined {
  return streamOf(response)?.session as ServerHttp2Session | undefined
}
