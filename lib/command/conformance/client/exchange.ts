import type { IncomingMessage, ServerResponse } from 'node:http'
import { encode } from '../../../protocol/encode.ts'
import type { EventData, EventName } from '../../../protocol/messages.ts'
import type { WatchEntry } from '../../../protocol/watched-root.ts'

/** The time of all events of scripted streams: no case is about time. */
export const TIMESTAMP = '2026-01-01T00:00:00.000Z'

/** The data of an event, without the fields that are the same in each. */
export type Fields<Name extends EventName> = Omit<EventData[Name], 'timestamp'>

/** A request of the client under test, and the means to answer it. */
export class Exchange {
  /** When the request arrived: `performance.now()`. */
  readonly at = performance.now()
  readonly route: string
  readonly method: string
  readonly contentType: string
  /** The body, if it is a JSON object. */
  readonly body: Readonly<Record<string, unknown>>
  /** Whether the client has closed the connection, or it was broken. */
  isClosed = false
  protected readonly response: ServerResponse
  readonly #request: IncomingMessage
  readonly #query: URLSearchParams

  constructor(request: IncomingMessage, response: ServerResponse, body: Readonly<Record<string, unknown>>) {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    this.route = pathname.replace(/^.*\//, '')
    this.method = request.method ?? ''
    this.contentType = request.headers['content-type'] ?? ''
    this.body = body
    this.response = response
    this.#request = request
    this.#query = searchParams
    response.on('close', () => {
      this.isClosed = true
    })
    // A client may be gone before its answer.
    response.on('error', () => {})
  }

  /** The token, from each place that rules R3 and R8 name. */
  get token(): string | undefined {
    const [, bearer] = /^Bearer (.+)$/i.exec(this.#request.headers.authorization ?? '') ?? []
    return bearer ?? this.#text('token')
  }

  /** The position that the client comes back with, from each place that rule R5 names. */
  get position(): string {
    return String(this.#request.headers['last-event-id'] ?? '') || (this.#text('lastEventId') ?? '')
  }

  /** The watched roots that the client asks for. */
  get watch(): WatchEntry[] {
    return this.#list('watch') ?? []
  }

  /** The watched roots of the client's position; undefined where the client does not name them. */
  get held(): WatchEntry[] | undefined {
    return this.#list('held')
  }

  /** The positions of writes that the client waits for. */
  get reached(): string[] {
    const { reached, position } = this.body
    return [reached, position, this.#query.getAll('reached')]
      .flat()
      .filter((each) => typeof each === 'string')
  }

  /** Answers with JSON, or with a text as HTML. */
  answer(status: number, body: unknown, headers: Record<string, string> = {}): void {
    const isText = typeof body === 'string'
    this.response.writeHead(status, { 'Content-Type': isText ? 'text/html' : 'application/json', ...headers })
    this.response.end(isText ? body : JSON.stringify(body))
  }

  /** Refuses the request, as rules R2 and R3 say. */
  refuse(status: number, code: string, more: { token?: string; retryAfter?: number } = {}): void {
    const { retryAfter, ...fields } = more
    const headers = retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }
    this.answer(status, { error: { code, message: 'Refused by the case', ...fields } }, headers)
  }

  /** Opens the stream that the request asks for. */
  open(): void {
    this.response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    this.response.flushHeaders()
  }

  /** Sends an event. `id` is its position. */
  send<Name extends EventName>(event: Name, fields: Fields<Name>, id?: string): void {
    // Dates no delta, as a server does with changes that are new.
    const data = event === 'delta' ? fields : { timestamp: TIMESTAMP, ...fields }
    this.write(encode({ event, data, ...(id === undefined ? {} : { id }) }))
  }

  /** Sends text or bytes of a stream as they are. */
  write(part: string | Uint8Array): void {
    this.response.write(part)
  }

  /** Ends the stream in order. */
  end(): void {
    this.response.end()
  }

  /** Breaks the connection, as a lost network does. */
  break(): void {
    this.response.socket?.destroy()
  }

  #text(name: string): string | undefined {
    const value = this.body[name] ?? this.#query.get(name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }

  #list(name: string): WatchEntry[] | undefined {
    const text = this.#query.get(name)
    const value: unknown = this.body[name] ?? (text === null ? undefined : JSON.parse(text))
    return Array.isArray(value) ? value : undefined
  }
}
