import { createParser } from 'eventsource-parser'
import { Client } from '../../../lib/client/client.ts'
import { parseData } from '../../../lib/protocol/decode.ts'
import type { EventData } from '../../../lib/protocol/messages.ts'

/** One stream of a client, and how it began. */
export interface Visit {
  /** Whether the client presented a position. */
  presented: boolean
  /** Whether the server took it; undefined before the server said so. */
  resumed?: boolean
  reason?: string | undefined
  /** The roots that were reset, with their reasons. */
  resets: string[]
  ready: boolean
  /** For how long the client had heard nothing when the server answered, in milliseconds. */
  away?: number
}

/** The client of an application, with its streams looked at. */
export class Visitor {
  readonly client: Client
  readonly visits: Visit[] = []
  readonly errors: Error[] = []
  /** Counters that went on by anything but one, though nothing was loaded anew: what was shown before, what came. */
  readonly leaps: string[] = []
  #heard = Date.now()
  readonly #counters = new Map<string, number>()

  constructor(url: string, identity: unknown) {
    const look = async (address: string | URL | Request, init: RequestInit = {}) => {
      const response = await fetch(address, init)
      if (!response.ok || !String(address).endsWith('/stream')) return response
      return this.#look(response, new Headers(init.headers).has('Last-Event-ID'))
    }
    this.client = new Client({ url, identity, fetch: look, onError: (error) => this.errors.push(error) })
  }

  get status(): string {
    return this.client.status
  }

  close(): void {
    this.client.close()
  }

  #look(response: Response, presented: boolean): Response {
    const visit: Visit = { presented, resets: [], ready: false }
    this.visits.push(visit)
    const takes = new Map<string, (data: never) => void>()
    const on = <T>(name: string, take: (data: T) => void) => takes.set(name, take)
    const parser = createParser({
      onEvent: ({ event = '', data }) => {
        takes.get(event)?.(parseData(event, data) as never)
        this.#heard = Date.now()
      },
    })
    const text = new TextDecoder()
    const through = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, controller) => {
        parser.feed(text.decode(bytes, { stream: true }))
        controller.enqueue(bytes)
      },
    })
    on<EventData['manifest']>('manifest', ({ resumed, reason }) => {
      visit.resumed = resumed
      visit.away = Date.now() - this.#heard
      visit.reason = reason
    })
    on<EventData['reset']>('reset', ({ root, reason }) => visit.resets.push(`${root}: ${reason}`))
    on('ready', () => {
      visit.ready = true
    })
    on<EventData['payload']>('payload', ({ root, data, part }) => {
      if (part === 0) {
        for (const key of this.#counters.keys()) if (key.startsWith(`${root} `)) this.#counters.delete(key)
      }
      for (const { _id, n } of data) this.#counters.set(`${root} ${_id}`, Number(n))
    })
    on<EventData['delta']>('delta', ({ root, oplist }) => {
      for (const { id, path, data } of oplist) {
        const key = `${root} ${id}`
        if (path === '.') {
          const n = (data as { n?: number } | undefined)?.n
          if (n === undefined) this.#counters.delete(key)
          else this.#counters.set(key, n)
        } else if (path === 'n') {
          const before = this.#counters.get(key)
          const now = Number(data)
          // A replacement is told by what differs, and begins anew.
          if (now !== 0 && (before === undefined || now !== before + 1))
            this.leaps.push(`${key}: ${before}, ${now}`)
          this.#counters.set(key, now)
        }
      }
    })
    return new Response(response.body?.pipeThrough(through), response)
  }
}
