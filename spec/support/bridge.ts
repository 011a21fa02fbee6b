import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FetchHandler } from '../../lib/fetch/index.ts'

/** Serves a handler of web requests by Node, as the adapters of frameworks do: one read at a time, each awaited. */
export function bridge(handler: FetchHandler): RequestListener {
  return (request, response) => {
    answer(handler, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)))
    })
  }
}

/** Returns the address of the client of a bridged request. */
export function peerOf(_request: Request, incoming: unknown): string | undefined {
  return (incoming as IncomingMessage).socket.remoteAddress
}

async function answer(
  handler: FetchHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  const found = await handler(webRequest(request, gone.signal), request)
  const { status, headers, body } = found
  const cookies = headers.getSetCookie()
  headers.delete('Set-Cookie')
  for (const [name, value] of headers) response.setHeader(name, value)
  if (cookies.length > 0) response.setHeader('Set-Cookie', cookies)
  response.writeHead(status).flushHeaders()
  const reader = body?.getReader()
  gone.signal.addEventListener('abort', () => void reader?.cancel().catch(() => {}))
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done || response.destroyed) break
    if (value && !response.write(value)) await new Promise((resolve) => response.once('drain', resolve))
  }
  response.end()
}

function webRequest(request: IncomingMessage, signal: AbortSignal): Request {
  const { method = 'GET', headers, url = '/' } = request
  const lists = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  )
  const hasBody = method !== 'GET' && method !== 'HEAD'
  return new Request(new URL(url, `http://${headers.host ?? 'localhost'}`), {
    method,
    headers: lists,
    signal,
    ...(hasBody && {
      body: Readable.toWeb(request) as ReadableStream<Uint8Array<ArrayBuffer>>,
      duplex: 'half',
    }),
  } as RequestInit)
}
