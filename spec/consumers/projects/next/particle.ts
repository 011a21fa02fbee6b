import particle from 'particle'
import { memory } from 'particle/memory'

const users = memory().collection<{ _id: number; name: string; password: string }>('users')
export const options = {
  path: '/api/particle',
  dataSources: { users: { collection: users, manifest: { name: true } } },
} as const

function start() {
  users.insertOne({ _id: 1, name: 'Ada', password: 'not for you' })
  return {
    server: new particle.Server(options),
    pages: new particle.Server({ ...options, path: '/api/pages' }),
    users,
  }
}

// One for all the bundles that Next makes of this file.
const global = globalThis as { particle?: ReturnType<typeof start> }
global.particle ??= start()
export const { server, pages, users: people } = global.particle
