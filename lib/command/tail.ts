import type { Writable } from 'node:stream'
import { Client } from '../client/index.ts'
import type { ParticleError } from '../errors.ts'
import { counted } from '../model/count.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import { describeEvent, rootOf } from '../words/event.ts'
import { printable } from '../words/text.ts'
import type { TailTarget } from './tail-target.ts'

/** The time between two rates, in milliseconds. */
const RATE_MS = 10_000

/** A line of `--json`. */
type TailRecord =
  | { type: 'status'; status: string }
  | { type: 'event'; event: string; root?: string | undefined; words: string[]; data: unknown }
  | { type: 'rate'; events: number; operations: number; seconds: number }
  | { type: 'error'; code: string; message: string }
  | { type: 'debug'; message: string }

/** Configures {@link tail}. */
export interface TailOptions extends TailTarget {
  /** Whether each line is a JSON object. */
  json: boolean
  /** The time between two rates, in milliseconds; default: 10,000. */
  rateMs?: number
}

/**
 * Shows what a client gets, until the signal or the end of the output's reader. Returns the exit code: 0 when
 * the user has ended it, 1 when the server refuses the client.
 */
export async function tail(options: TailOptions, output: Writable, ended: AbortSignal): Promise<0 | 1> {
  const { url, identity, headers, watched, json, rateMs = RATE_MS } = options
  const counted = { events: 0, operations: 0 }
  let isBehind = false
  let end: (code: 0 | 1) => void = () => {}
  const over = new Promise<0 | 1>((resolve) => {
    end = resolve
  })
  const show = (record: TailRecord) => {
    if (output.destroyed || output.write(json ? jsonLine(record) : line(record)) || isBehind) return
    // Pauses the client of a slow reader, so that no lines pile up. The client continues by its position.
    isBehind = true
    output.once('drain', () => {
      isBehind = false
      client.resume()
    })
    client.pause()
  }
  const client = new Client({
    url,
    identity,
    notify: 'event',
    fetch: withHeaders(headers),
    onData: (_data, _event, events) => {
      for (const event of events) {
        counted.events++
        if (event.event === 'delta') counted.operations += event.data.oplist.length
        show(recordOf(event))
      }
    },
    onStatus: (status) => {
      if (!isBehind) show({ type: 'status', status })
      if (status === 'refused') end(1)
    },
    onError: ({ code, message }: ParticleError) => show({ type: 'error', code, message }),
    // Tells of each failed try at once. `onError` waits for several tries, as a page wants.
    onDebug: (message) => {
      if (client.status === 'connecting' || client.status === 'reconnecting') show({ type: 'debug', message })
    },
  })
  for (const { source, params } of watched) client.watch(source, params)
  const rates = setInterval(() => {
    if (counted.events > 0) show({ type: 'rate', ...counted, seconds: rateMs / 1_000 })
    Object.assign(counted, { events: 0, operations: 0 })
  }, rateMs)
  // Ends without an error when the reader has gone, as `| head` does.
  output.on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'EPIPE' ? 0 : 1))
  output.once('close', () => end(0))
  ended.addEventListener('abort', () => end(0))
  const code = await over
  clearInterval(rates)
  client.close()
  return code
}

function recordOf(event: ServerEvent): TailRecord {
  return {
    type: 'event',
    event: event.event,
    root: rootOf(event),
    words: describeEvent(event),
    data: event.data,
  }
}

function jsonLine(record: TailRecord): string {
  return `${printable(JSON.stringify({ time: new Date().toISOString(), ...record }))}\n`
}

function line(record: TailRecord): string {
  const time = new Date().toISOString().slice(11, 23)
  return sentencesOf(record)
    .map((sentence) => `${time}  ${sentence}\n`)
    .join('')
}

function sentencesOf(record: TailRecord): string[] {
  switch (record.type) {
    case 'status':
      return [`— ${record.status}`]
    case 'event':
      return record.words
    case 'rate':
      return [`— ${rateOf(record)}, ${counted(record.events, 'event')}`]
    case 'debug':
      return [`— ${printable(record.message)}`]
    case 'error':
      return [`! ${record.code}: ${printable(record.message)}`]
  }
}

/** Adds headers to the requests, but never in place of a header of the client, such as its token. */
function withHeaders(added: readonly (readonly [name: string, value: string])[]): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers)
    for (const [name, value] of added) if (!headers.has(name)) headers.set(name, value)
    return fetch(input, { ...init, headers })
  }
}

function rateOf({ operations, seconds }: { operations: number; seconds: number }): string {
  return `${(operations / seconds).toFixed(1)} operations/s`
}
