import { type DataSource, Server } from '../../../lib/server/index.ts'
import type { CollectionHandle } from '../../../lib/source/source.ts'
import { LocalClient, until } from '../../support/local.ts'

/** Returns what a server says of its sources while a client loads them. */
export async function reportsOf(
  dataSources: Record<string, DataSource>,
  identity: object = {},
): Promise<{ errors: string[]; hints: string[] }> {
  const errors: string[] = []
  const hints: string[] = []
  const server = new Server({
    dataSources,
    identityLookup: (given) => given as object,
    onError: ({ message }) => errors.push(message),
    onDebug: (message) => hints.push(message),
  })
  const client = await LocalClient.connect(server, identity)
  await until(() => client.ready, 'the client is ready', 20_000)
  client.stop()
  await server.disconnect()
  return { errors, hints: hints.filter((message) => message.includes('dataSources.')) }
}

/** Makes a source of each criteria, by its number. */
export function sourcesOf(
  collection: CollectionHandle,
  criteria: readonly object[],
): Record<string, DataSource> {
  return Object.fromEntries(
    criteria.map((one, index) => [`n${index}`, { manifest: true, collection, criteria: one } as DataSource]),
  )
}
