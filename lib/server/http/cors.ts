import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Checks whether a request comes from an allowed page of another origin. A proxy that changes `Host` makes
 * the application's own pages look foreign too, but these need not be allowed.
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

/** Returns the host of a request. HTTP/2 has `:authority`, and `Host` only if a client sends both. */
function hostOf({ headers }: IncomingMessage): string | undefined {
  const authority = headers[':authority']
  return typeof authority === 'string' ? authority : headers.host
}

/**
 * Checks whether a request came over TLS. Over HTTP/2, Node shows the socket through a Proxy without own
 * keys.
 */
export function isEncrypted({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket || Reflect.get(socket, 'encrypted') === true
}

/**
 * Sets the CORS headers for pages of the allowed origins (Fetch standard). Answers a preflight request, and
 * then returns true.
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
