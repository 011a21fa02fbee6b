import { Client } from '../../lib/client/client.ts'
import type { Internals } from '../../lib/client/internals.ts'
import type { ClientOptions } from '../../lib/client/options.ts'
import type { Clock } from '../../lib/client/transport.ts'
import { PROTOCOL } from '../../lib/protocol/messages.ts'

/** A clock that goes on only when it is told to. */
export class FakeClock implements Clock {
  time = Date.parse('2026-01-01T00:00:00Z')
  readonly timers = new Set<{ at: number; callback: () => void }>()

  now(): number {
    return this.time
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.time + milliseconds, callback }
    this.timers.add(timer)
    return () => {
      this.timers.delete(timer)
    }
  }

  /** How long until the next timer, in milliseconds. */
  get next(): number {
    return Math.min(...[...this.timers].map(({ at }) => at)) - this.time
  }

  async pass(milliseconds: number): Promise<void> {
    this.time += milliseconds
    for (const timer of [...this.timers].filter(({ at }) => at <= this.time)) {
      if (this.timers.delete(timer)) timer.callback()
    }
    await settle()
  }
}

/** A page's frames, which are painted when the spec says so. */
export class FakeFrames {
  visible: boolean
  readonly #callbacks = new Set<() => void>()

  constructor(visible = true) {
    this.visible = visible
  }

  /** How many callbacks wait for a frame. */
  get waiting(): number {
    return this.#callbacks.size
  }

  readonly request = (callback: () => void): (() => void) | undefined => {
    if (!this.visible) return undefined
    const entry = () => callback()
    this.#callbacks.add(entry)
    return () => {
      this.#callbacks.delete(entry)
    }
  }

  paint(): void {
    for (const callback of [...this.#callbacks]) if (this.#callbacks.delete(callback)) callback()
  }
}

/** Lets all promises that are due have their say. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** An EventSource that does what the spec tells it to. */
export class FakeEventSource extends EventTarget {
  static all: FakeEventSource[] = []
  static get last(): FakeEventSource {
    const last = FakeEventSource.all.at(-1)
    if (!last) throw new Error('no stream was opened')
    return last
  }

  readonly url: URL
  readonly options: { withCredentials?: boolean } | undefined
  closed = false

  constructor(url: string, options?: { withCredentials?: boolean }) {
    super()
    this.url = new URL(url)
    this.options = options
    FakeEventSource.all.push(this)
  }

  close(): void {
    this.closed = true
  }

  open(): void {
    this.dispatchEvent(new Event('open'))
  }

  fail(): void {
    this.dispatchEvent(new Event('error'))
  }

  send(name: string, data: object | string, lastEventId = ''): void {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    this.dispatchEvent(new MessageEvent(name, { data: text, lastEventId }))
  }
}

export const TIMESTAMP = '2026-01-01T00:00:00.000Z'

export const manifest = (sources: object = { users: true }, resumed = false) => ({
  protocol: PROTOCOL,
  timestamp: TIMESTAMP,
  resumed,
  sources,
})
export const payload = (data: object[], part = 0, last = true, root = 'users') => ({
  root,
  timestamp: TIMESTAMP,
  data,
  part,
  last,
})
export const delta = (oplist: object[], root = 'users') => ({ root, timestamp: TIMESTAMP, oplist })
export const set = (id: unknown, path: string, data: unknown) => ({ operation: 'set', id, path, data })

/** An answer to a handshake, given by its status and body. */
export type Answer = [status: number, body?: unknown, headers?: Record<string, string>] | Error

export const welcome = (token = 'token-1', more: object = {}): Answer => [
  200,
  {
    token,
    session: 's',
    stream: `/particle/stream?token=ticket-of-${token}`,
    expiresAt: '2026-01-01T01:00:00.000Z',
    protocol: PROTOCOL,
    heartbeat: 10_000,
    ...more,
  },
]

type BenchModel = Record<string, { _id: unknown; [field: string]: unknown }[]>

/** A client whose network and clock are in the spec's hands. */
export class Bench {
  readonly clock = new FakeClock()
  readonly answers: Answer[] = []
  readonly requests: {
    url: string
    init: RequestInit
    body: { identity: unknown; previous?: string; carrier?: string; add?: unknown; remove?: unknown }
  }[] = []
  readonly statuses: string[] = []
  readonly errors: { code: string; message: string }[] = []
  readonly events: string[] = []
  readonly client: Client<BenchModel>

  constructor(options: ClientOptions<BenchModel> = {}, internals: Internals = {}) {
    FakeEventSource.all = []
    this.client = new Client(
      {
        url: 'http://localhost:3000/particle',
        EventSource: FakeEventSource,
        fetch: async (input, init = {}) => {
          this.requests.push({ url: String(input), init, body: JSON.parse(String(init.body)) })
          const usual: Answer = String(input).endsWith('/watch') ? [200, { live: true }] : welcome()
          const answer = this.answers.shift() ?? usual
          if (answer instanceof Error) throw answer
          const [status, body, headers] = answer
          return typeof body === 'string'
            ? new Response(body, { status, headers: { 'Content-Type': 'text/html', ...headers } })
            : Response.json(body ?? {}, { status, headers: headers ?? {} })
        },
        onStatus: (status) => this.statuses.push(status),
        onError: (error) => this.errors.push(error),
        notify: 'event',
        onData: (_, { event }) => this.events.push(event),
        ...options,
      },
      { clock: this.clock, random: () => 0.5, ...internals },
    )
  }

  get stream(): FakeEventSource {
    return FakeEventSource.last
  }

  /** The changes of the watched roots that the server was asked for. */
  get watchRequests(): object[] {
    return this.requests
      .filter(({ url }) => url.endsWith('/watch'))
      .map(({ body: { add, remove } }) => ({ add, remove }))
  }

  /** Brings the client to `ready` with these documents in `users`. */
  async ready(documents: object[] = [{ _id: 1, name: 'Ann' }]): Promise<this> {
    await settle()
    this.stream.open()
    this.stream.send('manifest', manifest())
    this.stream.send('payload', payload(documents))
    this.stream.send('ready', { timestamp: TIMESTAMP }, 'p1')
    return this
  }
}
