import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import { type Listening, listen } from '../http.ts'

/** What a server with a mistake does to an answer of the right one. */
export interface Tampering {
  /** Changes an event of a stream. */
  frame?: (frame: string) => string
  /** Changes the JSON of any other answer. */
  json?: (body: Record<string, unknown>, route: string) => object
  /** Changes the status of a refusal; 200 opens a stream without events. */
  status?: (status: number, route: string) => number
  /** Changes the headers of a request. */
  headers?: (headers: IncomingMessage['headers']) => void
  /** Changes the address of a request. */
  url?: (url: string) => string
}

/** Serves a server of the protocol through a proxy that makes mistakes. */
export async function tampered(target: string, tampering: Tampering): Promise<Listening> {
  return await listen(
    createServer((from, to) => pass(target, tampering, from, to)).listeners('request')[0] as never,
  )
}

function pass(target: string, tampering: Tampering, from: IncomingMessage, to: ServerResponse): void {
  const address = from.url ?? '/'
  const route = /\/(\w+)(?:\?|$)/.exec(address)?.[1] ?? ''
  tampering.headers?.(from.headers)
  const url = `${target}${tampering.url?.(address) ?? address}`
  const forward = request(
    url,
    { method: from.method, headers: from.headers, agent: false },
    async (answer) => {
      const status = answer.statusCode ?? 0
      answer.on('error', () => {})
      if (
        answer.headers['content-type'] === 'text/event-stream' ||
        !/json/.test(answer.headers['content-type'] ?? '')
      ) {
        to.writeHead(status, answer.headers)
        answer.pipe(events(tampering)).pipe(to)
        return
      }
      let text = ''
      for await (const chunk of answer) text += chunk
      const { 'content-length': _, ...headers } = answer.headers
      const body =
        status === 200 && tampering.json ? tampering.json(JSON.parse(text), route) : JSON.parse(text)
      const changed = status === 200 ? status : (tampering.status?.(status, route) ?? status)
      to.writeHead(
        changed,
        changed === 200 && status !== 200 ? { 'content-type': 'text/event-stream' } : headers,
      )
      to.end(JSON.stringify(body))
    },
  )
  forward.on('error', () => to.destroy())
  to.on('close', () => forward.destroy())
  from.pipe(forward)
}

/** Passes the events of a stream through the mistake. */
function events({ frame }: Tampering): Transform {
  let rest = ''
  return new Transform({
    transform(chunk, _encoding, done) {
      const frames = (rest + chunk).split('\n\n')
      rest = frames.pop() ?? ''
      done(null, frames.map((each) => `${frame?.(each) ?? each}\n\n`).join(''))
    },
    flush(done) {
      done(null, rest)
    },
  })
}
