import { EventSource, type EventSourceFetchInit } from 'eventsource'
import type { OpenStream } from '../../../lib/client/http.ts'
import { Client } from '../../../lib/client/node.ts'
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
    const openStream: OpenStream = (address, token, fetch) => {
      const source = new EventSource(address, {
        fetch: (target: string | URL, init: EventSourceFetchInit) =>
          fetch(target, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
      })
      this.#look(source, new URL(address).searchParams.has('lastEventId'))
      return source
    }
    this.client = new Client({ url, identity, onError: (error) => this.errors.push(error) }, { openStream })
  }

  get status(): string {
    return this.client.status
  }

  close(): void {
    this.client.close()
  }

  #look(source: EventSource, presented: boolean): void {
    const visit: Visit = { presented, resets: [], ready: false }
    this.visits.push(visit)
    const on = <T>(name: string, take: (data: T) => void) =>
      source.addEventListener(name, (event: Event) => {
        const { data } = event as MessageEvent
        if (typeof data !== 'string') return
        take(JSON.parse(data))
        this.#heard = Date.now()
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
          if (before === undefined || now !== before + 1) this.leaps.push(`${key}: ${before}, ${now}`)
          this.#counters.set(key, now)
        }
      }
    })
  }
}
