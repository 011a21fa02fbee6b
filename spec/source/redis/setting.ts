import { RedisAdapter } from '../../../lib/source/redis/index.ts'
import { settingsOf } from '../../../lib/source/redis/options.ts'
import { COLLECTION, STORES, type StoreName } from '../../law/roots.ts'
import type { Setting } from '../../law/setting.ts'
import { realTime } from '../../law/time.ts'
import { type Client, freshPrefix, removeAll } from './harness.ts'
import { LAW, type Place, RedisWriter } from './writer.ts'

/** A Redis, by a stream or by keyspace notifications. Each node has adapters of its own, as processes have. */
export function inRedis(client: Client, stream: boolean): Setting {
  return {
    name: `redis(client) by ${stream ? 'a stream' : 'notifications'}`,
    time: realTime,
    calm: 6,
    patience: 400,
    async open(history) {
      const outer = freshPrefix()
      const places = Object.fromEntries(
        STORES.map((store) => [
          store,
          {
            client,
            prefix: `${outer}${store}:`,
            stream: stream ? `${outer}${store}:changes` : undefined,
            history,
          },
        ]),
      ) as Record<StoreName, Place>
      const adapterOf = (place: Place) => {
        const { prefix, stream: key } = place
        const settings = settingsOf(client, { prefix, ...(key ? { stream: key, maxLength: history } : {}) })
        return new RedisAdapter(client, settings)
      }
      const writers = Object.fromEntries(
        STORES.map((store) => {
          const place = places[store]
          return [store, new RedisWriter(place, COLLECTION, () => adapterOf(place))]
        }),
      ) as Record<StoreName, RedisWriter>
      return {
        adapter: (store) => {
          const adapter = adapterOf(places[store])
          adapter.collection(COLLECTION, LAW)
          return adapter
        },
        collection: (store) => writers[store],
        close: () => removeAll(client, outer),
      }
    },
  }
}
