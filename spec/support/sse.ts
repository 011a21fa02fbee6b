import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { parseData } from '../../lib/protocol/decode.ts'
import type { EventData, EventName } from '../../lib/protocol/messages.ts'

const PATIENCE = 4000

/** The headers of a stream's request: its token, and the position that the client comes back with. */
export function presenting(token: string | undefined, position?: string): Record<string, string> {
  return {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(position === undefined ? {} : { 'Last-Event-ID': position }),
  }
}

/** An event as it came over the wire; `id` is there (perhaps empty) where there was an `id:` line. */
export type SseEvent = { [N in EventName]: { event: N; data: EventData[N]; id?: string } }[EventName]
export type SseEventOf<N extends EventName> = Extract<SseEvent, { event: N }>

/** A raw reader of one stream: it neither reconnects nor hides anything. */
export class SseReader {
  /** All events, in the order in which they came. */
  readonly events: SseEvent[] = []
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Everything that came, as text. */
  raw = ''
  /** The value of the last `retry:` line. */
  retry: number | undefined
  /** Resolves when the stream has ended, in whatever way. */
  readonly ended: Promise<void>
  readonly #request: ClientRequest
  readonly #response: IncomingMessage
  #rest = ''
  #cursor = 0
  #over = false
  #wake: () => void = () => {}

  constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request
    this.#response = response
    this.status = response.statusCode ?? 0
    this.headers = response.headers
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#take(text))
    response.on('error', () => {})
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        this.#over = true
        this.#wake()
        resolve()
      })
    })
  }

  /** The next event of that name which neither `next` nor `until` has gone past. Rejects when it doesn't come in time (ms). */
  async next<N extends EventName>(name: N, patience = PATIENCE): Promise<SseEventOf<N>> {
    return (await this.until((event) => event.event === name, patience, name)) as SseEventOf<N>
  }

  /** The next event that satisfies the predicate. Rejects when it doesn't come in time (ms). */
  async until(
    predicate: (event: SseEvent) => boolean,
    patience = PATIENCE,
    what = 'what was awaited',
  ): Promise<SseEvent> {
    const deadline = Date.now() + patience
    for (;;) {
      for (let event = this.events[this.#cursor]; event; event = this.events[this.#cursor]) {
        this.#cursor++
        if (predicate(event)) return event
      }
      const left = deadline - Date.now()
      if (this.#over || left <= 0) {
        const how = this.#over ? 'the stream ended' : `${patience} ms went by`
        throw new Error(`${how} without ${what}; there came ${this.names().join(', ') || 'nothing'}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** The names of all events so far. */
  names(): string[] {
    return this.events.map(({ event }) => event)
  }

  /** Stops to read, so that what the server sends backs up. */
  pause(): void {
    this.#response.pause()
  }

  resume(): void {
    this.#response.resume()
  }

  /** Goes away, as a closed tab does. */
  close(): void {
    this.#request.destroy()
    this.#response.destroy()
  }

  #take(text: string): void {
    this.raw += text
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields: Record<string, string> = {}
      for (const line of block.split('\n')) {
        const at = line.indexOf(':')
        fields[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, '')
      }
      const { event, data, id, retry } = fields
      if (retry !== undefined) this.retry = Number(retry)
      if (event === undefined || data === undefined) continue
      this.events.push({
        event,
        data: parseData(event, data),
        ...(id === undefined ? {} : { id }),
      } as SseEvent)
    }
    this.#wake()
  }
}

/** Opens a stream; resolves when the head of the answer is there, whatever its status. */
export function openStream(url: string, headers: Record<string, string> = {}): Promise<SseReader> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers: { Accept: 'text/event-stream', ...headers }, agent: false })
    outgoing.once('response', (response) => resolve(new SseReader(outgoing, response)))
    outgoing.on('error', reject)
    outgoing.end()
  })
}
