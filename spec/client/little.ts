import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CLOCK, type Clock } from '../../lib/client/transport.ts'
import { encode } from '../../lib/protocol/encode.ts'
import { PROTOCOL } from '../../lib/protocol/messages.ts'
import { manifest, payload, TIMESTAMP } from './fakes.ts'

/** Real time, a hundred times as fast where the client waits. */
export const FAST: Clock = {
  ...CLOCK,
  after: (milliseconds, callback) => CLOCK.after(milliseconds / 100, callback),
}

/**
 * Real time, that many times as fast, also as the clock shows it; notes the delays that it was asked for, in
 * milliseconds.
 */
export class FastClock implements Clock {
  readonly delays: number[] = []
  readonly #speed: number
  readonly #start = Date.now()

  constructor(speed: number) {
    this.#speed = speed
  }

  now(): number {
    return this.#start + (Date.now() - this.#start) * this.#speed
  }

  after(milliseconds: number, callback: () => void): () => void {
    this.delays.push(milliseconds)
    return CLOCK.after(milliseconds / this.#speed, callback)
  }
}

/** What answers a request in place of the server's usual answer. */
export type LittleAnswer = (response: ServerResponse, request: IncomingMessage) => void

/** An answer as proxies, firewalls, captive portals and catch-all routes give it. */
export const html =
  (status: number, headers: Record<string, string> = {}): LittleAnswer =>
  (response) => {
    response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', ...headers })
    response.end('<!doctype html><title>Not Particle</title>')
  }

/** An answer of Particle's own form. */
export const refusal =
  (status: number, code: string, headers: Record<string, string> = {}): LittleAnswer =>
  (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers })
    response.end(JSON.stringify({ error: { code, message: 'No.' } }))
  }

/** No answer: the connection is reset. */
export const reset: LittleAnswer = (_response, request) => void request.socket.destroy()

interface Handshake {
  identity: unknown
  previous?: string
  carrier?: string
}

interface StreamRequest {
  request: IncomingMessage
  response: ServerResponse
  url: URL
  /** The token that it came with, and the position. */
  token: string | undefined
  position: string | undefined
}

/** A little server that does as it is told, on a real socket. */
export class LittleServer {
  readonly handshakes: Handshake[] = []
  readonly streams: StreamRequest[] = []
  /** What answers the next handshakes, and the next streams, in place of the usual. */
  readonly handshakeAnswers: LittleAnswer[] = []
  readonly streamAnswers: LittleAnswer[] = []
  /** Tokens that open no stream. */
  readonly refused = new Set<string>()
  heartbeat = 10_000
  /** Further fields of the answers to handshakes. */
  more: object = {}
  onStream: () => void = () => this.load()
  url = ''
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => void this.#handle(request, response))
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/particle`
    return this.url
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** Gives a stream, the usual way. */
  stream(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    response.flushHeaders()
    this.onStream()
  }

  send(event: string, data: object, id?: string): void {
    const text = encode({ event, data, ...(id === undefined ? {} : { id }) } as Parameters<typeof encode>[0])
    this.streams.at(-1)?.response.write(text)
  }

  /** Sends all of a model, up to a position. */
  load(): void {
    this.send('manifest', manifest())
    this.send('payload', payload([{ _id: 1, name: 'Ann' }]))
    this.send('ready', { timestamp: TIMESTAMP }, 'p1')
  }

  /** Goes on from the client's position. */
  goOn(): void {
    this.send('manifest', manifest({ users: true }, true))
    this.send('ready', { timestamp: TIMESTAMP })
  }

  /** Resets the connection of the last stream. */
  drop(): void {
    this.streams.at(-1)?.request.socket.destroy()
  }

  /** Ends the last stream in order. */
  end(): void {
    this.streams.at(-1)?.response.end()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://localhost')
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const body = text ? JSON.parse(text) : {}
    if (url.pathname.endsWith('/handshake')) {
      this.handshakes.push(body)
      this.#greet(request, response)
      return
    }
    if (!url.pathname.endsWith('/stream')) {
      html(200)(response, request)
      return
    }
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? body.token
    const last = request.headers['last-event-id']
    const position = typeof last === 'string' ? last : body.lastEventId
    this.streams.push({ request, response, url, token, position })
    const answer = this.streamAnswers.shift()
    if (answer) answer(response, request)
    else if (this.refused.has(token)) refusal(401, 'UNAUTHORIZED')(response, request)
    else this.stream(response)
  }

  #greet(request: IncomingMessage, response: ServerResponse): void {
    const answer = this.handshakeAnswers.shift()
    if (answer) {
      answer(response, request)
      return
    }
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(
      JSON.stringify({
        token: `token-${this.handshakes.length}`,
        session: 's',
        stream: '/elsewhere/stream?session=s',
        expiresAt: new Date(Date.now() + 3600_000).toISOString(),
        protocol: PROTOCOL,
        heartbeat: this.heartbeat,
        ...this.more,
      }),
    )
  }
}
