// One node of the chaos, forked by cluster.ts: it runs with --expose-gc, and gets its options as JSON.
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import express from 'express'
import pg from 'pg'
import { createClient } from 'redis'
import { ParticleError } from '../../lib/errors.ts'
import { Server, type Stats } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { postgres } from '../../lib/source/postgres/index.ts'
import { redis } from '../../lib/source/redis/index.ts'
import { type Holdings, measure } from '../support/soak/measure.ts'
import { type Identity, LEVELS, type NodeOptions, passwordOf, sourcesOf } from './world.ts'

/** What the cluster asks for. */
export type Order =
  | { order: 'measure' | 'rest' | 'work' | 'refresh' | 'drain' }
  | { order: 'revoke'; user: string }

/** What a node says of itself. */
export interface Account extends Holdings {
  stats: Stats
  site: { node: number; boot: string; turn: number }
  /** Counts what `onError` was told since the last account, by code. */
  errors: Record<string, number>
  /** Lists what `onError` was told and no chaos explains. */
  faults: string[]
}

/** Answers an order, by its name. */
export type Answer = { revoke: boolean } | { measure: Account }

const { index, port, secret, slot, ...urls }: NodeOptions = JSON.parse(process.argv[2] ?? '{}')

const pool = new pg.Pool({ connectionString: urls.postgres, max: 8, connectionTimeoutMillis: 5_000 })
pool.on('error', () => {})
const client = createClient({ url: urls.redis })
client.on('error', () => {})
await client.connect()

const local = memory()
const site = { node: index, boot: `${process.pid}`, turn: 0 }
const sites = local.collection('site')
await sites.insertOne({ _id: 'site', ...site })
let isResting = false
setInterval(() => {
  if (isResting) return
  site.turn++
  void sites.updateOne({ _id: 'site' }, { $set: { turn: site.turn } })
}, 250)

const errors: Record<string, number> = {}
const faults: string[] = []
function note(error: unknown): void {
  const code = error instanceof ParticleError ? error.code : 'none'
  errors[code] = (errors[code] ?? 0) + 1
  // What the application and the stores throw while they are down comes with these codes, and no other does.
  const isExpected = error instanceof ParticleError && EXPECTED.has(error.code)
  if (!isExpected && faults.length < 20) faults.push(inspect(error))
}
const EXPECTED: ReadonlySet<string> = new Set([
  'SOURCE_FAILED',
  'CALLBACK_FAILED',
  'MISCONFIGURED',
  'TOO_MANY_HANDSHAKES',
  'TOO_MANY_REQUESTS',
  'TOO_MANY_STREAMS',
  'LIMIT_EXCEEDED',
  'BODY_TOO_LARGE',
  'UNAVAILABLE',
])
process.on('unhandledRejection', (error) => faults.push(`unhandled: ${inspect(error)}`))

async function identityLookup(claim: unknown): Promise<Identity | null> {
  const { user, password } = Object(claim) as { user?: unknown; password?: unknown }
  if (typeof user !== 'string' || password !== passwordOf(user)) return null
  const { rows } = await pool.query('SELECT levels FROM people WHERE _id = $1', [user])
  return rows[0] ? { user, levels: LEVELS.slice(0, rows[0].levels) } : null
}

const adapter = postgres(pool, { ...(slot === undefined ? {} : { slot }), checkInterval: 2_000 })
const server = new Server({
  secret,
  identityLookup,
  dataSources: sourcesOf({ postgres: adapter, redis: redis(client, { stream: 'changes' }), site: sites }),
  dependsOn: [{ collection: adapter.collection('people'), criteria: { _id: '@user' } }],
  control: true,
  heartbeat: 3_000,
  sessionTtl: 30_000,
  maxBufferedBytes: 65_536,
  replay: { ms: 15_000, bytes: 1_048_576 },
  limits: {
    handshakesPerSecondPerAddress: 50,
    streamsPerIdentity: 10,
    key: (identity) => String(identity.user),
    streamMs: 40_000,
    maxWatched: 5,
    restingViews: 20,
    bodyMs: 2_000,
    bodyBytesWaiting: 200_000,
  },
  onError: note,
})

const app = express()
app.set('trust proxy', 'loopback')
app.get('/readyz', server.readyz())
app.use(server.middleware())
const listening = createServer(app)
listening.listen(port, '127.0.0.1', () => process.send?.('listening'))

async function end(): Promise<void> {
  listening.close()
  await server.drain({ ms: 1_000 })
  await server.disconnect()
  process.exit()
}

function answer(given: Answer): void {
  process.send?.(given)
}

process.on('message', async (message: Order) => {
  switch (message.order) {
    case 'rest':
      isResting = true
      break
    case 'work':
      isResting = false
      break
    case 'refresh':
      server.refresh({}).catch(note)
      break
    case 'revoke': {
      // The answer tells whether the store has the decision.
      const revoking = Promise.resolve(server.revoke({ user: message.user }, 'chaos'))
      answer({
        revoke: await revoking.then(
          () => true,
          () => false,
        ),
      })
      break
    }
    case 'drain':
      void end()
      break
    case 'measure': {
      const held = await measure({ listening })
      answer({ measure: { ...held, stats: server.stats(), site, errors, faults: faults.splice(0) } })
      for (const code of Object.keys(errors)) delete errors[code]
    }
  }
})
process.on('disconnect', () => process.exit())
