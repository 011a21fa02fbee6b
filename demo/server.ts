/** The sample application: one collection of people, shown live to a manager and to a member. `npm run demo` runs it. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import particle from 'particle'
import { api, seed, users } from './board.ts'
import { open } from './store.ts'

const { people, collection, close, name } = await open(process.env.MONGODB_URL)
await seed(people)

const live = particle.middleware({
  // The client claims to be someone; the server looks up what that means. Nothing else a client says is believed.
  identityLookup: (identity) => users.get((identity as { user?: unknown } | null)?.user),

  // Two views of one collection. `criteria` picks the documents: '@manages' is taken from the identity, and whoever has no
  // such field matches nothing. `manifest` picks the fields: what it does not name never leaves the server.
  dataSources: {
    staff: {
      collection,
      criteria: { team: '@manages' },
      manifest: { name: true, role: true, email: true, salary: true, notes: true, todos: true },
    },
    board: {
      collection,
      criteria: { team: '@worksIn' },
      manifest: { name: true, role: true, todos: { _id: true, title: true, done: true } },
    },
  },

  onError: (error) => console.error(error),
})

const app = express()
app.disable('x-powered-by')
app.use((_request, response, next) => {
  response.set('Content-Security-Policy', "default-src 'self'; base-uri 'none'; frame-ancestors 'none'")
  next()
})
app.use(live)
app.use('/api', api(people))
app.use(express.static(fileURLToPath(new URL('public', import.meta.url))))

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port)
try {
  await once(server, 'listening')
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(
    code === 'EADDRINUSE'
      ? `Port ${port} is taken by another program. Choose one that is free: PORT=3001 npm run demo`
      : `The demo cannot listen on port ${port}: ${message}`,
  )
  process.exit(1)
}
console.log(
  `The demo is at http://localhost:${(server.address() as AddressInfo).port} (data in ${name}; Ctrl+C ends it).`,
)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    server.close()
    await live.server.disconnect()
    server.closeAllConnections()
    await close()
    process.exit(0)
  })
}
