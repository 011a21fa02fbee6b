// Serves roots for the tests against the real server: prints its port, and takes writes by POST /write.
import { createServer } from 'node:http'
import particle from '../../../dist/index.js'
import { memory } from '../../../dist/source/memory/index.js'

const store = memory()
const names = ['users', 'accounts', 'savings', 'messages', 'scores']
const collections = Object.fromEntries(names.map((name) => [name, store.collection(name)]))
const shown = (name, manifest, more) => ({ collection: collections[name], manifest, ...more })
const roots = {
  users: shown('users', { name: true, visits: true, tags: true }),
  accounts: shown('accounts', { money: true }),
  savings: shown('savings', { money: true }),
  scores: shown('scores', { points: true }, { sort: { points: -1 }, limit: 3 }),
  messages: shown(
    'messages',
    { room: true, text: true, at: true },
    {
      params: { room: 'number' },
      criteria: { room: ':room' },
      sort: { at: 1 },
      limit: 2,
      maxLimit: 5,
      allow,
    },
  ),
}

function allow(_identity, { room }) {
  return room < 100
}

const common = { secret: 'x'.repeat(40), heartbeat: 1000, onError: console.error }
const server = new particle.Server({
  ...common,
  identityLookup: ({ user }) => (user ? { user } : undefined),
  dataSources: roots,
  sessionTtl: 3000,
})
const open = new particle.Server({ ...common, path: '/open', dataSources: { users: roots.users } })
const routes = [server.middleware(), open.middleware()]

const commands = {
  async write({ writes }) {
    const run = ({ collection, method, args }) => collections[collection][method](...args)
    await Promise.all(store.transact(() => writes.map(run)))
    return { position: await server.position('users') }
  },
  async revoke(query) {
    return { ended: await server.revoke(query) }
  },
}

const http = createServer(async (request, response) => {
  const command = commands[request.url?.slice(1)]
  if (!command) return routes[0](request, response, () => routes[1](request, response))
  let body = ''
  for await (const chunk of request) body += chunk
  response.end(JSON.stringify(await command(JSON.parse(body))))
})
http.listen(0, '127.0.0.1', () => console.log(http.address().port))
