/** The sample application: a board of two teams, shown live to a manager and to a member. `npm run demo` runs it. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import particle, { related } from 'particle'
import { api, seed, users } from './board.ts'
import { open } from './store.ts'

/** Who a client says it is. The server looks up what that means, and believes nothing else that a client says. */
type Claim = { user?: unknown } | null

const { tables, collections, close, name } = await open(process.env.MONGODB_URL).catch((error: Error) => {
  console.error(`The MongoDB of MONGODB_URL cannot be reached: ${error.message}`)
  process.exit(1)
})
await seed(tables)

// Who is in a team sees its people: from the user's id through the memberships to teams. Joining a team opens its people at once, leaving it closes them.
const criteria = { teams: related('@id').through(collections.memberships, 'user', 'team') }
const shared = {
  teams: { collection: collections.teams, manifest: { name: true } },
  memberships: { collection: collections.memberships, criteria: { user: '@id' }, manifest: { team: true } },
} as const

// Two views of the people. `criteria` picks the documents, for what the server knows of the user: '@id' is taken from that, and who is in no team
// matches nothing. `manifest` picks the fields: what it does not name never leaves the server.
const board = particle.middleware({
  path: '/particle',
  identityLookup: (identity: Claim) => users.get(identity?.user),
  dataSources: {
    ...shared,
    people: {
      collection: collections.people,
      criteria,
      manifest: { name: true, role: true, todos: { _id: true, title: true, done: true } },
    },
  },
})

// The same for managers, at its own address: others are refused, and don't even learn the names of the fields.
const staff = particle.middleware({
  path: '/staff',
  identityLookup: (identity: Claim) => {
    const user = users.get(identity?.user)
    return user?.manager ? user : null
  },
  dataSources: {
    ...shared,
    people: {
      collection: collections.people,
      criteria,
      manifest: { name: true, role: true, todos: true, email: true, salary: true, notes: true },
    },
  },
})

const app = express()
app.disable('x-powered-by')
app.use((_request, response, next) => {
  response.set('Content-Security-Policy', "default-src 'self'; base-uri 'none'; frame-ancestors 'none'")
  next()
})
app.use(board, staff)
app.use('/api', api(tables))
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
    await Promise.all([board.server.disconnect(), staff.server.disconnect()])
    server.closeAllConnections()
    await close()
    process.exit(0)
  })
}
