import type { Mistaken } from '../../model/given.ts'
import type { CollectionHandle } from '../../source/source.ts'
import type { ServerOptions } from '../options/options.ts'

/** Lists values that are often given in place of `adapter.collection(name)`. */
export const MISTAKEN: readonly Mistaken[] = [
  [
    ({ open, collection }) => typeof open === 'function' && typeof collection === 'function',
    "the adapter itself: name one of its collections, adapter.collection('users')",
  ],
  [
    ({ modelName }) => typeof modelName === 'string',
    "a model of mongoose: give mongo(mongoose.connection.db).collection('users')",
  ],
  [
    ({ collectionName }) => typeof collectionName === 'string',
    "a collection of the MongoDB driver: give mongo(client.db('name')).collection('users')",
  ],
]

/** Checks whether a value is `adapter.collection(name)`. */
export function isHandle(value: unknown): value is CollectionHandle {
  const handle = value as Partial<CollectionHandle> | null | undefined
  return typeof handle?.adapter?.open === 'function' && typeof handle.collectionName === 'string'
}

/** Returns the collections of the server's sources. */
export function handlesOf(dataSources: ServerOptions['dataSources']): CollectionHandle[] {
  return Object.values(dataSources)
    .map((source) => (source as { collection?: unknown } | null)?.collection)
    .filter(isHandle)
}
