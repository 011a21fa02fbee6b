import { createServer } from 'node:http'
import { memory } from '../../lib/source/memory/index.ts'

// A node whose clock is off by CLOCK_SKEW milliseconds: run as a process of its own. Its lookup reads the
// request: whoever brings a `user` header is that user, unless the header `banned` is there.
const skew = Number(process.env.CLOCK_SKEW)
const { now } = Date
const steady = performance.now.bind(performance)
Date.now = () => now() + skew
performance.now = () => steady() + skew

const { Server } = await import('../../lib/server/server.ts')
const server = new Server({
  secret: 'a secret that both nodes share, of 32 bytes',
  dataSources: { notes: { collection: memory().collection('notes'), manifest: true } },
  identityLookup: async (_given, _done, request) => {
    const user = request?.headers.user
    return typeof user === 'string' && request?.headers.banned === undefined ? { user } : null
  },
})
const http = createServer(server.middleware()).listen(0, '127.0.0.1', () => {
  const address = http.address()
  console.log(typeof address === 'object' && address ? address.port : 0)
})
process.on(
  'message',
  async ({ id, call, user }: { id: number; call: 'revoke' | 'refresh'; user: string }) => {
    const isMeant = (identity: { user?: string }) => identity.user === user
    await server[call](isMeant as never)
    process.send?.({ id })
  },
)
