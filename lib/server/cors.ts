import type { IncomingMessage, ServerResponse } from 'node:http'

/** Whether the request comes from a page of another origin, as far as its headers tell. */
export function isCrossOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers
  if (!origin) return false
  try {
    return new URL(origin).host !== host
  } catch {
    return true
  }
}

/** Lets pages of the allowed origins in (the Fetch standard's CORS protocol). True when the request was a preflight and is answered. */
export function allowCors(
  request: IncomingMessage,
  response: ServerResponse,
  allowed: readonly string[],
): boolean {
  const { origin } = request.headers
  if (origin && allowed.length > 0) {
    response.setHeader('Vary', 'Origin')
    if (allowed.includes(origin)) {
      response.setHeader('Access-Control-Allow-Origin', origin)
      response.setHeader('Access-Control-Allow-Credentials', 'true')
    } else if (allowed.includes('*')) response.setHeader('Access-Control-Allow-Origin', '*')
  }
  if (request.method !== 'OPTIONS') return false
  response.setHeader('Access-Control-Allow-Methods', 'GET, POST')
  response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type, Last-Event-ID')
  response.setHeader('Access-Control-Max-Age', '600')
  response.writeHead(204).end()
  return true
}
