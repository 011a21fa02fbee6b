import { randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import type { Document, Id, Json } from '../../../lib/model/document.ts'
import type { Operation, OperationName } from '../../../lib/model/operation.ts'
import {
  type CollectionOptions,
  type RedisAdapter,
  type RedisClient,
  type RedisOptions,
  redis,
} from '../../../lib/source/redis/index.ts'
import type { Writer } from '../../contract/source.contract.ts'

/** A connected client of the package, as an application makes it. */
export async function connect(url: string) {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  return client
}

export type Client = Awaited<ReturnType<typeof connect>>

/** The client, and what was sent by it, with the answers. */
export function watch(client: Client) {
  const sent: { args: readonly string[]; reply: unknown }[] = []
  const watched: RedisClient = {
    isOpen: true,
    options: client.options as RedisClient['options'],
    duplicate: (overrides) => client.duplicate(overrides) as never,
    connect: async () => {},
    destroy: () => {},
    sendCommand: async (args, options) => {
      const one = { args, reply: undefined as unknown }
      sent.push(one)
      one.reply = await client.sendCommand([...args], options as never)
      return one.reply
    },
    subscribe: async () => {},
    unsubscribe: async () => {},
    pSubscribe: async () => {},
    on: () => {},
  }
  return { watched, sent }
}

/** The same client, and how many connections that were made like it are open. */
export function counted(client: Client): { client: Client; connections(): number } {
  const made: RedisClient[] = []
  const duplicate: RedisClient['duplicate'] = (overrides) => {
    const one = client.duplicate(overrides) as unknown as RedisClient
    made.push(one)
    return one
  }
  return {
    client: Object.assign(Object.create(client) as Client, { duplicate }),
    connections: () => made.filter(({ isOpen }) => isOpen).length,
  }
}

/** A prefix that no other spec uses. */
export function freshPrefix(): string {
  return `particle-spec:${randomBytes(6).toString('hex')}:`
}

/** An adapter whose keys no other one uses; with a stream, unless told otherwise. */
export function freshAdapter(client: Client, options: RedisOptions = {}, stream = true): RedisAdapter {
  const prefix = options.prefix ?? freshPrefix()
  return redis(client, { ...options, prefix, ...(stream ? { stream: `${prefix}changes` } : {}) })
}

/** All documents of a collection, by the adapter's own reading. */
export async function readAll(adapter: RedisAdapter, collection: string, query = {}): Promise<Document[]> {
  const documents: Document[] = []
  await adapter.read(collection, query, (batch) => {
    documents.push(...batch)
  })
  return documents.sort((a, b) => (JSON.stringify(a._id) < JSON.stringify(b._id) ? -1 : 1))
}

/** Ids and fields of any kind, as JSON. */
const ANY: CollectionOptions = { id: 'json', fields: 'json' }

/** Writes as the MongoDB driver's methods do, by those of a Redis collection. */
export function writer(adapter: RedisAdapter, name: string, options: CollectionOptions): Writer {
  const collection = adapter.collection(name, { ...ANY, ...options })
  const idOf = (query: Record<string, unknown>) => query._id as Id
  return {
    insertOne: async (document) => await collection.set(document._id ?? null, document),
    updateOne: async (query, update) => await collection.update(idOf(query), operationsOf(update)),
    replaceOne: async (query, replacement) => {
      const [found] = (await adapter.lookup(name, [idOf(query)])).documents
      if (found) await collection.set(idOf(query), replacement)
    },
    deleteOne: async (query) => await collection.delete(idOf(query)),
    deleteMany: async (query) => {
      for (const { _id } of await readAll(adapter, name, query)) await collection.delete(_id ?? null)
    },
    find: () => ({ toArray: async () => await readAll(adapter, name) }),
    drop: async () => await collection.clear(),
  }
}

function operationsOf(update: Record<string, unknown>): Operation[] {
  return Object.entries(update).flatMap(([operator, fields]) =>
    Object.entries(fields as Record<string, Json>).map(([path, data]) => ({
      operation: operator.slice(1) as OperationName,
      path,
      ...(operator === '$unset' ? {} : { data }),
    })),
  )
}

/** Removes what a spec wrote. */
export async function removeAll(client: Client, prefix: string): Promise<void> {
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
    if (keys.length > 0) await client.unlink(keys)
  }
}
