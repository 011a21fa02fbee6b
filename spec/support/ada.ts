import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { listen } from './http.ts'

/** Serves one user, Ada, to anyone; returns where, how to change her and how to end. */
export async function serveAda() {
  const users = memory().collection<{ _id: number; name: string; password: string }>('users')
  await users.insertOne({ _id: 1, name: 'Ada', password: 'not for you' })
  const server = new Server({ dataSources: { users: { collection: users, manifest: { name: true } } } })
  const listening = await listen(server.middleware())
  return {
    origin: listening.url,
    url: `${listening.url}/particle`,
    rename: (name: string) => users.updateOne({ _id: 1 }, { $set: { name } }),
    close: async () => {
      await server.disconnect()
      await listening.close()
    },
  }
}
