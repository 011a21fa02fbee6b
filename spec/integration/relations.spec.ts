import { expect } from 'chai'
import { related } from '../../lib/index.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import type { memory } from '../../lib/source/memory/index.ts'
import { counted } from '../support/counted.ts'
import { LocalClient, until } from '../support/local.ts'

const CACHE_CONFIG = {
  users: {},
  userstuffs: { userId: 'users._id', stuffId: 'stuffs._id' },
  stuffs: {},
}
const TEXT = '@userId|users._id>userstuffs._id>stuffs._id'

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

  const teams = (): ServerOptions['dataSources'] => ({
    boards: {
      manifest: { title: true },
      collection: store.collection('boards'),
      criteria: {
        _id: related('@user')
          .through(store.collection('members'), 'user', 'team')
          .through(store.collection('grants'), 'team', 'board')
          .through(store.collection('links'), 'board', 'target'),
      },
    },
  })
  const insert = (collection: string, ...documents: object[]) =>
    store.collection(collection).insertMany(documents as never)

  it('chain', async () => {
    await insert('boards', { _id: 1, title: 'a' }, { _id: 2, title: 'b' }, { _id: 3, title: 'c' })
    await insert('members', { _id: 1, user: 'ann', team: 'x' })
    await insert('grants', { _id: 1, team: 'x', board: 'p' }, { _id: 2, team: 'y', board: 'q' })
    await insert('links', { _id: 1, board: 'p', target: 1 }, { _id: 2, board: 'q', target: [2, 3] })
    const ann = await connect(serve({ dataSources: teams() }), { user: 'ann' })
    expect(ids(ann, 'boards')).to.deep.equal([1])
    await insert('members', { _id: 2, user: 'ann', team: 'y' })
    await shows(ann, [1, 2, 3], 'boards')
    await store.collection('members').deleteOne({ _id: 1 })
    await shows(ann, [2, 3], 'boards')
    await store.collection('links').updateOne({ _id: 2 }, { $pull: { target: 2 } })
    await shows(ann, [3], 'boards')
    await store.collection('grants').updateOne({ _id: 2 }, { $set: { team: 'x' } })
    await shows(ann, [], 'boards')
    await store.collection('members').updateOne({ _id: 2 }, { $set: { team: 'x' } })
    await shows(ann, [1, 3], 'boards')
  })

  it('stand beside each other and other conditions in one source, and in several', async () => {
    await insert(
      'stuffs',
      { _id: 1, open: true },
      { _id: 2 },
      { _id: 3 },
      { _id: 4 },
      { _id: 5, hidden: true },
    )
    await insert('userstuffs', { _id: 1, userId: 'ann', stuffId: 2 }, { _id: 2, userId: 'ann', stuffId: 5 })
    await insert('shares', { _id: 1, to: ['ann', 'ben'], stuff: 3 })
    const shares = related('@userId').through(store.collection('shares'), 'to', 'stuff')
    const ann = await connect(
      serve({
        dataSources: {
          stuffs: {
            manifest: true,
            collection: store.collection('stuffs'),
            criteria: {
              $or: [{ _id: TEXT }, { _id: { $in: [shares, 4] } }, { open: true }],
              hidden: { $ne: true },
            },
          },
          shares: { manifest: true, collection: store.collection('stuffs'), criteria: { _id: shares } },
        },
      }),
      { userId: 'ann' },
    )
    expect([ids(ann), ids(ann, 'shares')]).to.deep.equal([[1, 2, 3, 4], [3]])
    await store.collection('shares').updateOne({ _id: 1 }, { $pull: { to: 'ann' } })
    await shows(ann, [1, 2, 4])
    await shows(ann, [], 'shares')
    await store.collection('userstuffs').deleteMany({})
    await shows(ann, [1, 4])
  })

  it('lead over another store, which is followed as long as somebody needs it', async () => {
    const other = counted()
    await other.store.collection('links').insertOne({ _id: 1, user: 'ann', stuff: 1 } as never)
    await insert('stuffs', { _id: 1 }, { _id: 2 })
    const ann = await connect(
      serve({
        cacheConfig: undefined,
        dataSources: {
          stuffs: {
            manifest: true,
            collection: store.collection('stuffs'),
            criteria: { _id: related('@user').through(other.store.collection('links'), 'user', 'stuff') },
          },
        },
      }),
      { user: 'ann' },
    )
    expect(ids(ann)).to.deep.equal([1])
    await other.store.collection('links').updateOne({ _id: 1 }, { $set: { stuff: 2 } })
    await shows(ann, [2])
    expect([open(), other.open()]).to.deep.equal([1, 1])
    ann.stop()
    await until(() => open() === 0 && other.open() === 0)
  })

  it('take nothing of the database for an operator', async () => {
    await insert('stuffs', { _id: 1, text: 'one' }, { _id: '@userId', text: 'two' })
    await insert(
      'userstuffs',
      { _id: 1, userId: 'ann', stuffId: { $gt: 0 } },
      { _id: 2, userId: 'ann', stuffId: '@userId' },
    )
    const ann = await connect(
      serve({
        dataSources: {
          stuffs: { manifest: true, collection: store.collection('stuffs'), criteria: { _id: TEXT } },
        },
      }),
      { userId: 'ann' },
    )
    expect(ids(ann)).to.deep.equal(['@userId'])
  })

  it('are shared by those who have them in common, and end with the last who needs them', async () => {
    await insert('stuffs', { _id: 1 }, { _id: 2 })
    await insert('userstuffs', { _id: 1, userId: 'ann', stuffId: 1 })
    let reads = 0
    const read = store.read.bind(store)
    store.read = async (collection, ...rest) => {
      if (collection === 'userstuffs') reads++
      return read(collection, ...rest)
    }
    const server = serve({
      dataSources: {
        stuffs: { manifest: true, collection: store.collection('stuffs'), criteria: { _id: TEXT } },
      },
    })
    const tabs = await Promise.all([1, 2, 3].map(() => connect(server, { userId: 'ann' })))
    expect([reads, server.stats().views, open()]).to.deep.equal([1, 1, 1])
    await store.collection('userstuffs').updateOne({ _id: 1 }, { $set: { stuffId: 2 } })
    for (const tab of tabs) await shows(tab, [2])
    tabs[0]?.stop()
    tabs[1]?.stop()
    await store.collection('userstuffs').updateOne({ _id: 1 }, { $set: { stuffId: 1 } })
    await shows(tabs[2] as LocalClient, [1])
    tabs[2]?.stop()
    await until(() => open() === 0)
    expect(server.stats()).to.deep.include({ connections: 0, views: 0 })
    // Who comes back after that finds what is there then.
    await insert('userstuffs', { _id: 2, userId: 'ann', stuffId: 2 })
    expect(ids(await connect(server, { userId: 'ann' }))).to.deep.equal([1, 2])
  })

  it('go with the identity: with other rights, they start from somewhere else', async () => {
    await insert('stuffs', { _id: 1 }, { _id: 2 }, { _id: 3 })
    await insert(
      'userstuffs',
      { _id: 1, userId: 'ann', stuffId: 1 },
      { _id: 2, userId: 'ben', stuffId: 2 },
      { _id: 3, userId: 'ben', stuffId: 3 },
    )
    let userIds: unknown = 'ann'
    const server = serve({
      identityLookup: () => ({ userId: userIds }),
      dataSources: {
        stuffs: { manifest: true, collection: store.collection('stuffs'), criteria: { _id: TEXT } },
      },
    })
    const client = await connect(server, {})
    expect(ids(client)).to.deep.equal([1])
    userIds = ['ann', 'ben']
    await server.refresh()
    await shows(client, [1, 2, 3])
    userIds = 'ben'
    await server.refresh()
    await shows(client, [2, 3])
    await store.collection('userstuffs').deleteOne({ _id: 1 })
    await store.collection('userstuffs').deleteOne({ _id: 3 })
    await shows(client, [2])
    userIds = undefined
    await server.refresh()
    await shows(client, [])
    expect(client.of('reset')).to.deep.equal([])
    userIds = 'ben'
    server.revoke(() => true)
    await until(() => server.stats().connections === 0)
  })

  it('tell all links of one moment in one change', async () => {
    await insert('stuffs', ...Array.from({ length: 50 }, (_, _id) => ({ _id })))
    const ann = await connect(
      serve({
        dataSources: {
          stuffs: { manifest: true, collection: store.collection('stuffs'), criteria: { _id: TEXT } },
        },
      }),
      { userId: 'ann' },
    )
    await insert(
      'userstuffs',
      ...Array.from({ length: 50 }, (_, _id) => ({ _id, userId: 'ann', stuffId: _id })),
    )
    await until(() => ids(ann).length === 50)
    expect(ann.of('delta').length + ann.of('payload').length).to.equal(2)
  })

  describe('are refused at construction', () => {
    const table: [name: string, criteria: unknown, sentence: RegExp, cacheConfig?: unknown][] = [
      [
        'for a circle',
        { _id: '@u|users._id>userstuffs._id>users._id' },
        /dataSources.stuffs.criteria has .*must not go in a circle/,
      ],
      ['for a collection that is not known', { _id: '@u|users._id>things._id' }, /things._id/],
      [
        'for a collection that is not known, in typed form',
        { _id: related('@u').through('things', 'a', 'b') },
        /things/,
      ],
      ['for a step that is not linked', { _id: '@u|users._id>stuffs._id' }, /no field that links/],
      [
        'for what is no collection of ours',
        { _id: related('@u').through({ collectionName: 'x' }, 'a', 'b') },
        /neither a name nor adapter.collection/,
      ],
      ['for a cacheConfig that is wrong', {}, /cacheConfig.a.b must be/, { a: { b: 'c.d' } }],
      ['for a cacheConfig of null', {}, /cacheConfig must name/, null],
    ]
    for (const [name, criteria, sentence, cacheConfig = CACHE_CONFIG] of table) {
      it(name, () => {
        const options = {
          cacheConfig,
          dataSources: { stuffs: { manifest: true, collection: store.collection('stuffs'), criteria } },
        }
        expect(() => new Server(options as never)).to.throw(sentence)
      })
    }
  })
})
