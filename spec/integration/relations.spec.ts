import { expect } from 'chai'
import { related } from '../../lib/index.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { LocalClient, until } from '../support/local.ts'

const CACHE_CONFIG = {
  users: {},
  userstuffs: { userId: 'users._id', stuffId: 'stuffs._id' },
  stuffs: {},
}
const TEXT = '@userId|users._id>userstuffs._id>stuffs._id'

interface Store {
  store: ReturnType<typeof memory>
  /** How many follow the store now. */
  open: () => number
}

/** A memory store that counts who follows it. */
function counted(): Store {
  const store = memory()
  let open = 0
  const follow = store.open.bind(store)
  store.open = async (...given: Parameters<typeof follow>) => {
    const subscription = await follow(...given)
    open++
    return {
      ...subscription,
      position: subscription.position,
      close: async () => {
        open--
        await subscription.close()
      },
    }
  }
  return { store, open: () => open }
}

describe('Criteria that follow relations', () => {
  const servers: Server[] = []
  const clients: LocalClient[] = []
  const errors: Error[] = []
  let store: ReturnType<typeof memory>
  let open: () => number

  const serve = (options: Partial<ServerOptions> & Pick<ServerOptions, 'dataSources'>) => {
    const server = new Server({
      identityLookup: (given: unknown) => given,
      cacheConfig: CACHE_CONFIG,
      onError: (error) => errors.push(error),
      ...options,
    })
    servers.push(server)
    return server
  }
  const connect = async (server: Server, identity: unknown) => {
    const client = await LocalClient.connect(server, identity)
    clients.push(client)
    await until(() => client.ready)
    return client
  }
  const ids = (client: LocalClient, root = 'stuffs') =>
    (client.model[root] ?? []).map(({ _id }) => _id).sort()
  const shows = (client: LocalClient, expected: unknown[], root = 'stuffs') =>
    until(() => JSON.stringify(ids(client, root)) === JSON.stringify(expected), `${root}: ${expected}`)

  beforeEach(() => {
    ;({ store, open } = counted())
    errors.length = 0
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop()
    for (const server of servers.splice(0)) await server.disconnect()
    expect(errors).to.deep.equal([])
    expect(open()).to.equal(0)
  })

  for (const [form, relation] of [
    ['text', TEXT],
    ['related()', related('@userId').through('userstuffs', 'userId', 'stuffId')],
  ] as const) {
    describe(`as ${form}`, () => {
      let server: Server
      beforeEach(async () => {
        await store
          .collection('stuffs')
          .insertMany([1, 2, 3, 4].map((_id) => ({ _id, text: `stuff ${_id}` })))
        await store.collection('userstuffs').insertMany([
          { _id: 'l1', userId: 'ann', stuffId: 1 },
          { _id: 'l2', userId: 'ben', stuffId: 2 },
          { _id: 'l3', userId: 'ann', stuffId: 3 },
        ])
        server = serve({
          dataSources: {
            stuffs: {
              manifest: { text: true },
              collection: store.collection('stuffs'),
              criteria: { _id: relation },
            },
          },
        })
      })

      it('shows each client what it is related to, and nothing to one who is related to nothing', async () => {
        expect(ids(await connect(server, { userId: 'ann' }))).to.deep.equal([1, 3])
        expect(ids(await connect(server, { userId: 'ben' }))).to.deep.equal([2])
        expect(ids(await connect(server, { userId: 'cy' }))).to.deep.equal([])
        expect(ids(await connect(server, { name: 'nobody' }))).to.deep.equal([])
      })

      it('adds and removes documents with their links, at once', async () => {
        const ann = await connect(server, { userId: 'ann' })
        const links = store.collection('userstuffs')
        await links.insertOne({ _id: 'l4', userId: 'ann', stuffId: 4 })
        await shows(ann, [1, 3, 4])
        await links.deleteOne({ _id: 'l1' })
        await shows(ann, [3, 4])
        await links.updateOne({ _id: 'l3' }, { $set: { stuffId: 2 } })
        await shows(ann, [2, 4])
        await links.updateOne({ _id: 'l3' }, { $set: { userId: 'ben' } })
        await shows(ann, [4])
        await links.deleteMany({})
        await shows(ann, [])
        await store.collection('stuffs').updateOne({ _id: 2 }, { $set: { text: 'hidden' } })
        expect(JSON.stringify(ann.events)).not.to.contain('hidden')
      })
    })
  }
})
