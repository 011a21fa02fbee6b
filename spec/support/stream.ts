import { parseData } from '../../lib/protocol/decode.ts'

interface StreamEvent {
  name: string
  // biome-ignore lint/suspicious/noExplicitAny: specs read the fields that they expect.
  data: any
  id: string | undefined
}

/** A stream that is read by hand, so that its headers are the spec's own. */
export interface StreamReader {
  readonly events: StreamEvent[]
  readonly status: number
  /** Whether the server has ended it. */
  ended(): boolean
  names(): string[]
  of(name: string): StreamEvent[]
  /** The position that a native EventSource would come back with. */
  lastId(): string
  close(): void
}

/** Opens a stream and notes its events. */
export async function readStream(url: string, headers: Record<string, string> = {}): Promise<StreamReader> {
  const events: StreamEvent[] = []
  const abort = new AbortController()
  const response = await fetch(url, { headers, signal: abort.signal })
  let rest = ''
  let ended = false
  const read = async () => {
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + Buffer.from(chunk as Uint8Array).toString()).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = new Map(
          block
            .split('\n')
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
        )
        const data = fields.get('data')
        if (data === undefined) continue
        const name = fields.get('event') ?? ''
        events.push({ name, data: parseData(name, data), id: fields.get('id') })
      }
    }
    ended = true
  }
  void read().catch(() => {})
  const of = (name: string) => events.filter((event) => event.name === name)
  return {
    events,
    status: response.status,
    ended: () => ended,
    names: () => events.map((event) => event.name),
    of,
    lastId: () => events.findLast((event) => event.id !== undefined)?.id ?? '',
    close: () => abort.abort(),
  }
}
