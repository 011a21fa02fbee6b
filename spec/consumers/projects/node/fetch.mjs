import particle, { middleware, ParticleError } from 'particle'
import { Client } from 'particle/client'
import { fetchHandler } from 'particle/fetch'
import { memory } from 'particle/memory'
import { parsePath } from 'particle/protocol'
import live from '../live.cjs'

/** Serves a handler by the run-time's own server of web requests. */
async function serve(handler) {
  if ('Bun' in globalThis) {
    const listener = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 60,
      fetch: fetchHandler(handler, { address: (request, server) => server.requestIP(request)?.address }),
    })
    return { port: listener.port, close: () => listener.stop() }
  }
  const listener = Deno.serve(
    { port: 0, hostname: '127.0.0.1', onListen: () => {} },
    fetchHandler(handler, { address: (_request, { remoteAddr }) => remoteAddr.hostname }),
  )
  return { port: listener.addr.port, close: () => listener.shutdown() }
}

console.log(await live({ particle, middleware, ParticleError, Client, memory, parsePath, serve }))
