import type { Exchange } from './exchange.ts'
import { inspectorPage } from './inspector-page.ts'
import { beginStream, isOpen } from './response.ts'

/** Answers `GET {path}/inspect` with the inspector's page. */
export async function inspect(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  if (!(await isAdmitted(exchange))) return
  const { bytes, policy } = await inspectorPage()
  if (!isOpen(response)) return
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': bytes.length,
    'Content-Security-Policy': policy,
    'X-Frame-Options': 'DENY',
    'Cache-Control': 'private, no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** Answers `GET {path}/inspect/events` with the stream of the inspector's page. */
export async function inspectEvents(exchange: Exchange): Promise<void> {
  const { server, request, response, query } = exchange
  if (!(await isAdmitted(exchange)) || response.socket === null || !isOpen(response)) return
  const tail = query.get('tail')
  const sink = beginStream(request, response, server.options.heartbeat)
  exchange.endOnClosing()
  const close = server.inspector?.open(sink, {
    tail: tail === null ? undefined : Number(tail),
    find: query.get('find') ?? undefined,
  })
  if (close) response.on('close', close)
}

/** Runs the guard. Returns false when the client has gone meanwhile, or the guard itself has answered. */
async function isAdmitted(exchange: Exchange): Promise<boolean> {
  const { server, request, response } = exchange
  exchange.refuseWhenClosing()
  await server.inspector?.admit(request)
  exchange.refuseWhenClosing()
  return isOpen(response)
}
