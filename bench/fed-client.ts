import { Client } from 'particle/client'

/** An EventSource with no network behind it: events are handed to it as their texts. */
class Stream {
  static last: Stream
  readonly #listeners = new Map<string, (event: Event) => void>()

  constructor() {
    Stream.last = this
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#listeners.set(type, listener)
  }

  receive(type: string, data: string, lastEventId: string): void {
    this.#listeners.get(type)?.({ type, data, lastEventId } as MessageEvent)
  }

  close(): void {}
}

async function handshake(): Promise<Response> {
  return Response.json({
    token: 'token',
    stream: '/particle/stream',
    expiresAt: '2100-01-01',
    heartbeat: 60_000,
  })
}

/** Makes a client that is ready, holds the documents as its root `people`, and is handed the texts of events. */
export async function fedClient(documents: readonly object[], onData?: () => void) {
  const client = new Client({
    url: 'http://localhost/particle',
    fetch: handshake,
    EventSource: Stream,
    ...(onData ? { notify: 'event' as const, onData } : {}),
  })
  while (!Stream.last) await new Promise((resolve) => setTimeout(resolve, 5))
  const timestamp = new Date().toISOString()
  const send = (type: string, text: string, id = '') => Stream.last.receive(type, text, id)
  const sources = { people: true }
  send('open', '{}')
  send('manifest', JSON.stringify({ protocol: 2, timestamp, resumed: false, sources }))
  const sent = 10_000
  for (let part = 0, at = 0; part === 0 || at < documents.length; part++, at += sent) {
    const data = documents.slice(at, at + sent)
    const last = at + sent >= documents.length
    send('payload', JSON.stringify({ root: 'people', timestamp, data, part, last }))
  }
  send('ready', JSON.stringify({ timestamp }), 'id')
  await client.ready()
  return { client, send }
}
