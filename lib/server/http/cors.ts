import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Whether the request comes from a page of another origin that is let in with its cookies. Where `Host` is
 * not what the browser sent (a proxy's doing), the own pages look foreign too; but those need not be
 * allowed.
 */
export function isCrossOrigin(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin } = request.headers
  if (!origin || !allowed.includes(origin)) return false
  try {
    return new URL(origin).host !== hostOf(request)
  } catch {
    return true
  }
}

/** The host that a request is for: HTTP/2 has `:authority`, and a `Host` only where a client sends both. */
function hostOf({ headers }: IncomingMessage): string | undefined {
  const authority = headers[':authority']
  return typeof authority === 'string' ? authority : headers.host
}

/**
 * Whether a request came over TLS. Over HTTP/2, Node shows the socket by a proxy that has no keys of its
 * own.
 */
export function isEncrypted({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket || Reflect.get(socket, 'encrypted') === true
}

/**
 * Lets pages of the allowed origins in (the Fetch standard's CORS protocol). True when the request was a
 * preflight and is answered.
 */
export function allowCors(
  request: IncomingMessage,
  response: ServerResponse,
  allowed: readonly string[],
): boolean {
  const { origin } = request.headers
  const preflight = request.method === 'OPTIONS'
  if (allowed.length > 0) response.appendHeader('Vary', 'Origin')
  const named = origin !== undefined && allowed.includes(origin)
  if (origin !== undefined && (named || allowed.includes('*'))) {
    response.setHeader('Access-Control-Allow-Origin', named ? origin : '*')
    if (named) response.setHeader('Access-Control-Allow-Credentials', 'true')
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After')
    if (preflight) {
      response.setHeader('Access-Control-Allow-Methods', 'GET, POST')
      response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type, Last-Event-ID')
      response.setHeader('Access-Control-Max-Age', '600')
    }
  }
  if (!preflight) return false
  response.writeHead(204).end()
  return true
}
