import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fetchHandler } from '../../lib/fetch/index.ts'
import type { HandshakeAnswer } from '../../lib/protocol/messages.ts'
import { bridge, peerOf } from './bridge.ts'

/** A server that listens on a free port of this machine. */
export interface Listening {
  /** Without a trailing slash. */
  readonly url: string
  readonly port: number
  /** Closes it, and all of its connections. */
  close(): Promise<void>
}

/**
 * Serves a handler (or an Express or connect application) on a free port. With SERVED_BY=fetch, a bare handler of
 * Particle is served by `particle/fetch`, so that spec/fetch/scenes.spec.ts runs the scenes of other specs.
 */
export async function listen(handler: RequestListener): Promise<Listening> {
  const isFetched = process.env.SERVED_BY === 'fetch' && Object.hasOwn(handler, 'server')
  const server = createServer(isFetched ? bridge(fetchHandler(handler, { address: peerOf })) : handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A handshake that must succeed: its answer, and the browser cookie as a client sends it back. */
export async function shake(
  url: string,
  identity: unknown = null,
  previous?: string,
): Promise<HandshakeAnswer & { cookie: string }> {
  const response = await fetch(`${url}/handshake`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ identity, previous }),
  })
  if (response.status !== 200)
    throw new Error(`The handshake was answered with ${response.status}: ${await response.text()}`)
  const [cookie = ''] = (response.headers.get('set-cookie') ?? '').split(';')
  return { ...((await response.json()) as HandshakeAnswer), cookie }
}

/** Resolves once the condition holds; rejects when it doesn't in time (ms). */
export async function eventually(condition: () => boolean, what: string, patience = 4000): Promise<void> {
  for (const deadline = Date.now() + patience; !condition(); ) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${patience} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
