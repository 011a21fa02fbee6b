import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http2'
import type { Start } from '../candidate.ts'
import { startHandler } from './particle.ts'

/** Particle behind `node:http2`, without TLS. Express does not serve HTTP/2. */
export const start: Start = async (setting) => {
  const { handler, ...rest } = await startHandler(setting)
  const server = createServer()
  // The request and the response of HTTP/2 have what a handler needs, but are of other types.
  server.on('request', (request: unknown, response: unknown) =>
    handler(request as IncomingMessage, response as ServerResponse, () => {
      throw new Error('The benchmark asked for another path')
    }),
  )
  return { ...rest, server, wire: 'http2' }
}
