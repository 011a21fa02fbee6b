import { randomBytes } from 'node:crypto'
import { type RedisAdapter, type RedisClient, redis } from '../../../lib/source/redis/index.ts'
import { COLLECTION, ROOTS, STORES, type StoreName } from '../../law/roots.ts'
import type { Setting, Way } from '../../law/setting.ts'
import { realTime } from '../../law/time.ts'
import { type Client, freshPrefix, removeAll } from './harness.ts'
import { LAW, type Place, RedisWriter } from './writer.ts'

/** To a history of less than that, whoever writes cuts the stream. */
const FEW = 100

/** Milliseconds within which a command reaches the server: meanwhile others write. */
const LONGEST_WAY = 12

/**
 * A Redis, by a stream or by keyspace notifications: each run has two prefixes of its own, each process connections of its own. With a
 * folder, the processes share what follows each stream.
 */
export function inRedis(client: Client, stream: boolean, oncePerHost?: string): Setting {
  return {
    name: `redis(client) by ${stream ? 'a stream' : 'notifications'}${oncePerHost ? ', once per host' : ''}`,
    roots: ROOTS,
    time: () => realTime(2),
    calm: 10,
    patience: 6_000,
    lags: true,
    expects: ({ message }) =>
      /Socket closed unexpectedly|ECONNRESET|connection to Redis ended|client is closed|Disconnects client/.test(
        message,
      ),
    async open(history) {
      const outer = freshPrefix()
      const place = (store: StoreName): Place => {
        const prefix = `${outer}${store}:`
        return {
          client,
          prefix,
          stream: stream ? `${prefix}changes` : undefined,
          cut: history < FEW ? history : undefined,
        }
      }
      const places = { first: place('first'), second: place('second') }
      const writer = (store: StoreName) =>
        new RedisWriter(
          places[store],
          COLLECTION,
          adapterOf(client, places[store]),
          adapterOf(named(client, 'texts'), places[store]),
        )
      const writers = { first: writer('first'), second: writer('second') }
      return {
        way: () => openWay(client, places, oncePerHost),
        collection: (store) => writers[store],
        // Notifications come one by one, without their MULTI.
        ...(stream ? { transact: (store, runs) => writers[store].transact(runs) } : {}),
        close: () => removeAll(client, outer),
      }
    },
  }
}

function adapterOf(client: RedisClient, { prefix, stream }: Place, oncePerHost = ''): RedisAdapter {
  return redis(client, { prefix, ...(stream ? { stream } : {}), ...(oncePerHost ? { oncePerHost } : {}) })
}

/** One process's adapters, whose connections can be cut. */
function openWay(client: Client, places: Record<StoreName, Place>, oncePerHost?: string): Way {
  const ends = Object.fromEntries(STORES.map((store) => [store, randomBytes(6).toString('hex')]))
  const follow = (store: StoreName) => {
    const adapter = adapterOf(named(client, ends[store] ?? ''), places[store], oncePerHost)
    adapter.collection(COLLECTION, LAW)
    return adapter
  }
  const adapters = { first: follow('first'), second: follow('second') }
  return {
    adapter: (store) => adapters[store],
    interrupt: (store, lost) => void cut(client, ends[store] ?? '', lost ? places[store].stream : undefined),
    close: async () => {},
  }
}

/** The same client, but that the connections that are made like it have a name, and a long way to the server. */
function named(client: Client, name: string): RedisClient {
  const own = Object.create(client) as Client
  const duplicate: RedisClient['duplicate'] = (overrides) => {
    const made = client.duplicate({ ...overrides, name })
    const send = made.sendCommand.bind(made)
    return Object.assign(made, {
      sendCommand: async (...given: Parameters<typeof send>) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * LONGEST_WAY))
        return await send(...given)
      },
    })
  }
  return Object.assign(own, { duplicate })
}

/** Cuts the connections of this name; before that, takes a stream away, so that nothing can be resumed. */
async function cut(client: Client, name: string, stream: string | undefined): Promise<void> {
  if (stream !== undefined) await client.del(stream)
  const all = await client.clientList()
  for (const one of all)
    if (one.name === name) await client.sendCommand(['CLIENT', 'KILL', 'ID', String(one.id)])
}
