import { MongoClient } from 'mongodb'
import type { CollectionHandle } from 'particle'
import { mongo } from 'particle/mongo'
import { postgres } from 'particle/postgres'
import { redis } from 'particle/redis'
import { type Client, Pool } from 'pg'
import { LogicalReplicationService } from 'pg-logical-replication'
import { createClient } from 'redis'

export const SOURCES = ['mongo', 'postgres', 'redis'] as const
export type SourceName = (typeof SOURCES)[number]

/** Connects to a database as an application does, and makes its collections. */
export const CONNECTORS: Record<SourceName, (url: string) => Promise<(name: string) => CollectionHandle>> = {
  mongo: async (url) => {
    const client = await new MongoClient(url).connect()
    return (name) => mongo(client.db('bench')).collection(name)
  },
  postgres: async (url) => {
    const source = postgres(new Pool({ connectionString: url, max: 4 }))
    return (name) => source.collection(name)
  },
  redis: async (url) => {
    const client = await createClient({ url }).on('error', console.error).connect()
    return (name) => redis(client, { stream: 'changes' }).collection(name, { id: 'number', fields: 'json' })
  },
}

/** Reads the same changes with the driver alone, which is told to parse as little as it can. */
export const FLOORS: Record<SourceName, (url: string, count: () => void) => Promise<void>> = {
  mongo: async (url, count) => {
    const client = await new MongoClient(url).connect()
    const stream = client.db('bench').watch([], { maxAwaitTimeMS: 200 })
    await stream.tryNext()
    void (async () => {
      for (;;) if (await stream.tryNext()) count()
    })()
  },
  postgres: async (url, count) => {
    const acknowledge = { auto: false, timeoutSeconds: 0 } as const
    const service = new LogicalReplicationService({ connectionString: url }, { acknowledge })
    const started = new Promise<void>((resolve) => service.on('start', () => resolve()))
    service.on('data', (_lsn: string, bytes: Buffer) => {
      if (bytes[0] === 'U'.charCodeAt(0)) count()
    })
    const start = async (client: Client) => {
      await client.query('CREATE_REPLICATION_SLOT floor TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT')
      const options = "(proto_version '1', publication_names 'floor')"
      await client.query(`START_REPLICATION SLOT floor LOGICAL 0/0 ${options}`)
    }
    const plugin = { name: 'pgoutput', options: {}, start, parse: (bytes: Buffer) => bytes }
    service.subscribe(plugin as never, 'floor').catch(() => {})
    await started
  },
  redis: async (url, count) => {
    const client = await createClient({ url, RESP: 2 }).on('error', console.error).connect()
    const send = async (...args: string[]): Promise<unknown> => await client.sendCommand(args)
    type Entries = [id: string, fields: string[]][]
    let [[last]] = (await send('XREVRANGE', 'changes', '+', '-', 'COUNT', '1')) as [[string]]
    void (async () => {
      for (;;) {
        const reply = await send('XREAD', 'COUNT', '200', 'BLOCK', '1000', 'STREAMS', 'changes', last)
        for (const [id] of (reply as [[string, Entries]] | null)?.[0][1] ?? []) {
          last = id
          count()
        }
      }
    })()
  },
}
