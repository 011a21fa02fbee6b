import type { StartProgram } from '../candidate.ts'
import { deltaOf } from '../event.ts'
import { Program } from '../program.ts'

const ENV = {
  CENTRIFUGO_CLIENT_INSECURE: 'true',
  // The load would have to find a ping within other frames to answer it. By default, one comes after 25 s.
  CENTRIFUGO_CLIENT_PING_INTERVAL: '10m',
  CENTRIFUGO_HTTP_API_INSECURE: 'true',
  CENTRIFUGO_HTTP_SERVER_ADDRESS: '127.0.0.1',
  CENTRIFUGO_LOG_LEVEL: 'error',
}

/** Centrifugo with WebSockets that subscribe to a channel, published to by its HTTP API: several changes by one batch. */
export const start: StartProgram = async ({ people }) => {
  const program = await Program.start(
    'centrifugo',
    (port) => ({ args: [], env: { ...ENV, CENTRIFUGO_HTTP_SERVER_PORT: String(port) } }),
    '/health',
  )
  let number = 0
  const publication = () => ({ channel: 'people', data: deltaOf(number++, people) })
  return {
    program,
    wire: 'centrifugo',
    path: '/connection/websocket',
    change: async (count) => {
      if (count === 1) await program.request('POST', '/api/publish', publication())
      else {
        const commands = Array.from({ length: count }, () => ({ publish: publication() }))
        await program.request('POST', '/api/batch', { commands })
      }
    },
  }
}
