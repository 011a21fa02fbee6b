/** The sample application: a board of two teams, shown live to a manager and to a member. `npm run demo` runs it. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import particle, { related } from 'particle'
import { api } from './api.ts'
import { users } from './board.ts'
import { openRows } from './rows.ts'
import { openSource } from './source.ts'

/** Who a client says it is. The server looks up what that means, and believes nothing else that a client says. */
type Claim = { user?: unknown } | null

/** Which of several nodes this is, and their common secret: nodes.ts sets both. Alone, the process makes its own. */
const { NODE_NAME: node, PARTICLE_SECRET: secret } = process.env
const HERE = fileURLToPath(new URL('.', import.meta.url))

/** What ends the demo, in the reverse order: a signal that comes while a server still starts waits for it. */
const closers: (() => unknown)[] = []
let ending: Promise<never> | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(0)) // npm sends a Ctrl+C again

const opening = openSource(process.argv.slice(2))
closers.push(async () => (await opening).close())
const { name, board, collections } = await opening.catch((error: Error) => {
  console.error(error.message)
  process.exit(1)
})
await ending

// Who is in a team sees its people: from the user's id through the memberships to teams. Joining a team opens its people at once, leaving it closes them.
const criteria = { teams: related('@id').through(collections.memberships, 'user', 'team') }
const shared = {
  teams: { collection: collections.teams, sort: { name: 1 }, manifest: { name: true } },
  memberships: { collection: collections.memberships, criteria: { user: '@id' }, manifest: { team: true } },
} as const

// Two views of the people. `criteria` picks the documents, for what the server knows of the user: '@id' is taken from that, and who is in no team
// matches nothing. `manifest` picks the fields: what it does not name never leaves the server.
// The sample begins.
const members = particle.middleware({
  path: '/particle',
  secret,
  identityLookup: (identity: Claim) => users.get(identity?.user),
  dataSources: {
    ...shared,
    people: {
      collection: collections.people,
      criteria,
      sort: { added: 1 },
      manifest: { name: true, role: true, todos: { _id: true, title: true, done: true } },
    },
  },
})

// The sample ends.

// The same for managers, at its own address: others are refused, and don't even learn the names of the fields. The private
// fields are a root of their own. A manager without the right to them has no id in '@sees', so that no document matches.
const staff = particle.middleware({
  path: '/staff',
  secret,
  identityLookup: (identity: Claim) => {
    const user = users.get(identity?.user)
    return user?.manager ? { ...user, sees: user.seesPrivate ? user.id : '' } : null
  },
  dataSources: {
    ...shared,
    people: {
      collection: collections.people,
      criteria,
      sort: { added: 1 },
      manifest: { name: true, role: true, todos: true },
    },
    private: {
      collection: collections.people,
      criteria: { teams: related('@sees').through(collections.memberships, 'user', 'team') },
      manifest: { email: true, salary: true, notes: true },
    },
  },
})

const rows = openRows()
closers.push(rows.stop)

const app = express()
app.disable('x-powered-by')
app.use((_request, response, next) => {
  response.set({
    'Content-Security-Policy': "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    ...(node ? { 'X-Node': node } : {}),
  })
  next()
})
app.use(members, staff, rows.middleware)
// Looks the user up again: the open streams lose, or get, what the changed rights say.
const refresh = (id: string) => staff.server.refresh({ id })
app.use('/api', api(board, { refresh, setRate: rows.setRate }))
app.use('/source', (request, response, next) => {
  // The page shows its own code, as text.
  if (!/^\/[\w/-]+\.(ts|js|css|html)$/.test(request.path)) return next()
  response.sendFile(
    `.${request.path}`,
    { root: HERE, headers: { 'Content-Type': 'text/plain; charset=utf-8' } },
    next,
  )
})
app.use(express.static(`${HERE}public`))

const port = Number(process.env.PORT ?? 3000)
const server = createServer(app)
closers.push(async () => {
  server.close()
  await Promise.all([members, staff, rows.middleware].map((each) => each.server.disconnect()))
  server.closeAllConnections()
})
try {
  await once(server.listen(port), 'listening')
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(
    code === 'EADDRINUSE'
      ? `Port ${port} is taken by another program. Choose one that is free: PORT=3001 npm run demo`
      : `The demo cannot listen on port ${port}: ${message}`,
  )
  await end(1)
}
process.send?.((server.address() as AddressInfo).port)
console.log(
  `The demo is at http://localhost:${(server.address() as AddressInfo).port} (data in ${name}; Ctrl+C ends it).`,
)

function end(code: number): Promise<never> {
  ending ??= (async () => {
    setTimeout(() => process.exit(1), 10_000).unref()
    for (const close of closers.reverse()) await close()
    process.exit(code)
  })()
  return ending
}
