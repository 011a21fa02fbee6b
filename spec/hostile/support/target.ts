// Serves users who must not see each other's rows, in a process of its own, so that its end and its memory show.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { ParticleError } from '../../../lib/errors.ts'
import { createHandler } from '../../../lib/server/http/middleware.ts'
import { Server } from '../../../lib/server/server.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { type Claim, type Figures, INTERNAL, USERS } from './figures.ts'

const store = memory()
const rows = store.collection('rows')
const news = store.collection('news')
/** Codes of what `onError` must be told of attackers: a bad setup, and a session that asks for too much at once. */
const WARNINGS: readonly unknown[] = ['MISCONFIGURED', 'TOO_MANY_HANDSHAKES']
/** What `onError` was told and nobody planned. */
const errors: string[] = []

/** Finds who a client is by its password; some claims make it fail, wait, or answer with what the client sent. */
async function identityLookup(claim: unknown): Promise<object | null> {
  const { user, password, fail, slow, raw } = Object(claim) as Claim
  if (fail !== undefined) throw new Error(`${INTERNAL}: the database at 10.0.0.1 is down`)
  if (slow !== undefined) await new Promise((resolve) => setTimeout(resolve, 20))
  if (raw !== undefined && typeof raw !== 'string') return { user: raw, teams: raw }
  return typeof user === 'string' && USERS.get(user) === password ? { user, teams: [user] } : null
}

const server = new Server({
  secret: `${INTERNAL}: a secret of more than 16 characters`,
  allowOrigin: ['https://a.example.com'],
  heartbeat: 200,
  // What the log keeps by design must not pass for what is left behind.
  replay: { bytes: 500_000 },
  identityLookup,
  dataSources: {
    rows: { collection: rows, criteria: { owner: '@user' }, manifest: { owner: true, note: true } },
    shared: { collection: rows, criteria: { owner: { $in: '@teams' } }, manifest: true },
    news: { collection: news, sort: { at: -1 }, limit: 3, manifest: { at: true } },
  },
  onError: (error) => {
    const planned =
      error instanceof ParticleError && error.code === 'CALLBACK_FAILED' && inspect(error).includes(INTERNAL)
    const warning = error instanceof ParticleError && WARNINGS.includes(error.code)
    if (!planned && !warning && errors.length < 20) errors.push(inspect(error))
  },
})

for (const user of USERS.keys()) {
  await rows.insertOne({ _id: `row of ${user}`, owner: user, note: `ROW-${user}-0`, count: 0 })
}
let turn = 0
setInterval(() => {
  turn++
  const owner = [...USERS.keys()][turn % USERS.size] ?? ''
  void rows.updateOne({ _id: `row of ${owner}` }, { $set: { note: `ROW-${owner}-${turn}` } })
  void news.insertOne({ _id: turn, at: turn, hidden: INTERNAL })
  void news.deleteOne({ _id: turn - 5 })
  if (turn % 100 === 0) server.revoke((identity) => identity.user === 'eve', 'a spec')
  if (turn % 150 === 0) void server.refresh((identity) => identity.user === 'ben')
}, 10)

const http = createServer(createHandler(server))
process.on('message', () => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  const figures: Figures = { connections: server.stats().connections, held: heapUsed + external, errors }
  process.send?.(figures)
})
process.on('disconnect', () => process.exit())
http.listen(0, '127.0.0.1', () => process.send?.((http.address() as AddressInfo).port))
