/** A process of Particle over a store that others serve too: `worker.ts <mongo|redis|postgres> <url> <folder of the sockets, or nothing>`. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import particle from 'particle'
import { mongo } from 'particle/mongo'
import { postgres } from 'particle/postgres'
import { redis } from 'particle/redis'
import pg from 'pg'
import { createClient } from 'redis'
import type { EventData } from '../lib/protocol/messages.ts'
import { serve } from './child.ts'

const [kind = '', url = '', folder = ''] = process.argv.slice(2)
const oncePerHost = folder === '' ? false : folder

async function collections() {
  if (kind === 'mongo') {
    const db = mongo((await new MongoClient(url).connect()).db('cores'), { oncePerHost })
    return [db.collection('people'), db.collection('marks')] as const
  }
  if (kind === 'redis') {
    const db = redis((await createClient({ url }).connect()) as never, { stream: 'changes', oncePerHost })
    const options = { type: 'json', id: 'number' } as const
    return [db.collection('people', options), db.collection('marks', options)] as const
  }
  const db = postgres(new pg.Pool({ connectionString: url }), { changes: 'replication', oncePerHost })
  return [db.collection('people'), db.collection('marks')] as const
}

const [people, marks] = await collections()
const server = new particle.Server({
  limits: { streamsPerAddress: 20_000 },
  dataSources: {
    // The clients of the load watch it, and the one that waits for marks does not.
    people: {
      collection: people,
      manifest: { name: true, note: true },
      params: { shown: 'boolean' },
      criteria: { shown: ':shown' },
    },
    marks: { collection: marks, manifest: true },
  },
})
const http = createServer(server.middleware()).listen(0, '127.0.0.1')
await once(http, 'listening')

/** The numbers of the marks that have come: all changes before them have come too. */
const seen = new Set<number>()
await server.register({}, (name, data) => {
  if (name === 'payload') for (const { _id } of (data as EventData['payload']).data) seen.add(Number(_id))
  if (name === 'delta') for (const { id } of (data as EventData['delta']).oplist) seen.add(Number(id))
})

serve({
  address: () => ({
    port: (http.address() as AddressInfo).port,
    wire: 'sse',
    path: `/particle/stream?watch=${encodeURIComponent('["people?{\\"shown\\":true}"]')}`,
  }),
  /** The CPU time so far, in microseconds. */
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Resolves once a mark has come. */
  marked: async (mark: number) => {
    for (const end = Date.now() + 120_000; !seen.has(mark); await wait(2))
      if (Date.now() > end) throw new Error(`The mark ${mark} did not come`)
  },
})
