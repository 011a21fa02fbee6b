import { expect } from 'chai'
import { ParticleError } from '../../lib/errors.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { CountingAdapter } from '../support/counting.ts'
import { LocalClient, until } from '../support/local.ts'

describe('Server', () => {
  it('says how to use middleware where it is handed on without being called', () => {
    const { middleware } = new Server({ dataSources: {} })
    expect(() => middleware())
      .to.throw(ParticleError, 'app.use(server.middleware())')
      .with.property('code', 'INVALID_OPTION')
  })

  const servers: Server[] = []
  const errors: Error[] = []
  const make = (options: ServerOptions) => {
    const server = new Server({ onError: (error) => errors.push(error), ...options })
    servers.push(server)
    return server
  }
  beforeEach(() => {
    errors.length = 0
  })
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.disconnect()))
  })

  const setUp = async (count = 3) => {
    const store = memory()
    const users = store.collection('users')
    for (let i = 0; i < count; i++)
      await users.insertOne({ _id: i, name: `user ${i}`, secret: 's', tags: ['a'] })
    const adapter = new CountingAdapter(store)
    return { store, users, adapter }
  }

  it('sends manifest, payload and ready, then deltas', async () => {
    const { users, adapter } = await setUp()
    const server = make({
      dataSources: { users: { manifest: { name: true }, collection: adapter.handle('users') } },
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    expect(client.names).to.deep.equal(['manifest', 'payload', 'ready'])
    expect(client.model.users).to.deep.equal([0, 1, 2].map((id) => ({ _id: id, name: `user ${id}` })))
    await users.updateOne({ _id: 1 }, { $set: { name: 'new', secret: 't' } })
    await until(() => client.of('delta').length === 1)
    expect(client.of('delta')[0]?.data.oplist).to.deep.equal([
      { operation: 'set', id: 1, path: 'name', data: 'new' },
    ])
    await users.updateOne({ _id: 1 }, { $set: { secret: 'u' } })
    await users.deleteOne({ _id: 0 })
    await until(() => client.of('delta').length === 2)
    expect(client.model.users?.map((user) => user._id)).to.deep.equal([1, 2])
  })

  it('keeps nothing of a stream that could not be opened, or whose client has gone', async () => {
    const { adapter } = await setUp()
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    const broken = () => {
      throw new Error('Headers are sent already')
    }
    const refused = await server.openStream(undefined, [], { open: broken }).catch(String)
    expect(refused).to.include('Headers')
    expect(await server.openStream(undefined, [], { open: () => undefined })).to.equal(undefined)
    expect(server.stats()).to.deep.include({ connections: 0, views: 0 })
  })

  it('reads and encodes once for a thousand clients that come at once', async () => {
    const { users, adapter } = await setUp()
    const server = make({
      dataSources: { users: { manifest: { name: true }, collection: adapter.handle('users') } },
    })
    const clients = await Promise.all(Array.from({ length: 1000 }, () => LocalClient.connect(server)))
    await until(() => clients.every((client) => client.ready))
    expect(adapter.reads).to.equal(1)
    expect(adapter.opens).to.equal(1)
    await users.updateOne({ _id: 1 }, { $set: { name: 'x' } })
    await until(() => clients.every((client) => client.of('delta').length === 1))
    expect(new Set(clients.map((client) => client.of('delta')[0]?.id)).size).to.equal(1)
    expect(server.stats()).to.include({ connections: 1000, views: 1 })
  })

  it('serves a late client from the snapshot at hand and the log', async () => {
    const { users, adapter } = await setUp()
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    const first = await LocalClient.connect(server)
    await until(() => first.ready)
    await users.updateOne({ _id: 1 }, { $inc: { score: 1 } })
    const second = await LocalClient.connect(server)
    await until(() => second.ready)
    expect(adapter.reads).to.equal(1)
    expect(second.model).to.deep.equal({ users: await users.find().toArray() })
  })

  it('meets snapshot and changes exactly while writes pour in', async () => {
    const { users, adapter } = await setUp(50)
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    adapter.gate = () => new Promise((resolve) => setTimeout(resolve, 30))
    let writing = true
    const writer = (async () => {
      for (let i = 0; writing; i++) {
        await users.updateOne({ _id: i % 50 }, { $inc: { score: 1 }, $push: { tags: i } })
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const clients: LocalClient[] = []
    for (let i = 0; i < 5; i++) {
      clients.push(await LocalClient.connect(server))
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await until(() => clients.every((client) => client.ready))
    writing = false
    await writer
    await until(() => clients.every((client) => client.events.at(-1)?.id === clients[0]?.events.at(-1)?.id))
    const truth = await users.find().toArray()
    for (const client of clients) expect(client.model.users).to.deep.equal(truth)
  })

  it('carries no id while a root is loading, and one with ready and every delta after it', async () => {
    const { users, adapter } = await setUp()
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    await users.insertOne({ _id: 9 })
    await until(() => client.of('delta').length === 1)
    expect(client.events.map((event) => event.id !== undefined)).to.deep.equal([false, false, true, true])
  })

  it('gives an id only with the last of the frames that one change makes', async () => {
    const { users, adapter } = await setUp()
    const server = make({
      dataSources: {
        one: { manifest: { name: true }, collection: adapter.handle('users') },
        two: { manifest: true, collection: adapter.handle('users') },
      },
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    await users.updateOne({ _id: 1 }, { $set: { name: 'x' } })
    await until(() => client.of('delta').length === 2)
    expect(client.of('delta').map((event) => [event.data.root, event.id !== 'none'])).to.deep.equal([
      ['one', false],
      ['two', true],
    ])
  })

  it('shows by criteria only what the identity may see, as documents enter and leave', async () => {
    const { users, adapter } = await setUp(0)
    const server = make({
      identityLookup: (identity) => identity,
      dataSources: {
        users: { manifest: true, collection: adapter.handle('users'), criteria: { team: '@team' } },
      },
    })
    await users.insertMany([
      { _id: 1, team: 'a' },
      { _id: 2, team: 'b' },
    ])
    const a = await LocalClient.connect(server, { team: 'a' })
    const nobody = await LocalClient.connect(server, { other: 1 })
    await until(() => a.ready && nobody.ready)
    await users.updateOne({ _id: 2 }, { $set: { team: 'a', n: 1 } })
    await users.updateOne({ _id: 1 }, { $set: { team: 'c' } })
    await users.deleteOne({ _id: 1 })
    await users.insertOne({ _id: 3, team: 'b' })
    await users.insertOne({ _id: 4, team: 'a' })
    await until(() => a.of('delta').flatMap(({ data }) => data.oplist).length === 3)
    expect(a.model).to.deep.equal({
      users: [
        { _id: 2, team: 'a', n: 1 },
        { _id: 4, team: 'a' },
      ],
    })
    expect(nobody.of('delta')).to.deep.equal([])
    expect(nobody.model).to.deep.equal({ users: [] })
  })

  it('sends a document whole where a pull goes by a condition, which browsers can not judge', async () => {
    const { users, adapter } = await setUp()
    const server = make({
      dataSources: { users: { manifest: { tags: true }, collection: adapter.handle('users') } },
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    await users.updateOne({ _id: 1 }, { $pull: { tags: { $in: ['a'] } }, $set: { secret: 'x' } })
    await until(() => client.of('delta').length === 1)
    expect(client.of('delta')[0]?.data.oplist).to.deep.equal([
      { operation: 'set', id: 1, path: '.', data: { _id: 1, tags: [] } },
    ])
  })

  it('resets the root when its collection is dropped', async () => {
    const { users, adapter } = await setUp()
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    await users.drop()
    await until(() => client.of('reset').length === 1 && client.ready)
    expect(client.of('reset')[0]).to.deep.include({
      id: '',
      data: { root: 'users', reason: 'source-changed' },
    })
    expect(client.model).to.deep.equal({ users: [] })
    await users.insertOne({ _id: 'again' })
    await until(() => client.model.users?.length === 1)
  })

  it('sends the difference to those of a source that lost its history', async () => {
    const { users, adapter } = await setUp()
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    const listener = adapter.listener
    const changes = listener?.changes
    // Nothing of this is heard of: it falls into the gap.
    if (listener) listener.changes = () => {}
    await users.deleteOne({ _id: 0 })
    await users.updateOne({ _id: 1 }, { $set: { n: 7 } })
    await users.insertOne({ _id: 7 })
    const { to } = await adapter.read('users', {}, () => {})
    if (listener && changes) listener.changes = changes
    listener?.lost('the words of the database', to)
    await until(() => client.of('ready').length === 2)
    expect(client.names.slice(3)).to.deep.equal(['ping', 'delta', 'ready'])
    expect(client.of('ping')[0]?.id).to.equal('none')
    expect(client.of('delta')[0]?.data.oplist.map(Object.values)).to.deep.equal([
      ['unset', 0, '.'],
      ['set', 1, '.', { _id: 1, name: 'user 1', secret: 's', tags: ['a'], n: 7 }],
      ['set', 7, '.', { _id: 7 }],
    ])
    await users.insertOne({ _id: 8 })
    await until(() => client.of('delta').length === 2)
    expect(client.model.users).to.deep.equal(await users.find().toArray())
  })

  it('keeps the other roots going when one source fails, tells the client, and comes back to it', async () => {
    const { users, adapter } = await setUp()
    const bad = new CountingAdapter(memory())
    bad.failures = [new Error('secret host name'), new Error('again')]
    const server = make({
      dataSources: {
        bad: { manifest: true, collection: bad.handle('x') },
        users: { manifest: true, collection: adapter.handle('users') },
      },
    })
    const client = await LocalClient.connect(server)
    await until(() => client.model.users !== undefined && client.of('error').length === 1)
    expect(client.of('error')[0]?.data).to.include({ root: 'bad', code: 'SOURCE_FAILED' })
    expect(JSON.stringify(client.events)).not.to.contain('secret host')
    await users.insertOne({ _id: 7 })
    await until(() => client.of('delta').length === 1)
    expect(client.ready).to.equal(false)
    await until(() => client.ready)
    expect(errors.map((error) => (error as ParticleError).code)).to.deep.equal([
      'SOURCE_FAILED',
      'SOURCE_FAILED',
    ])
  })

  it('opens the source with the first client and closes it with the last', async () => {
    const { adapter } = await setUp()
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    expect(adapter.opens).to.equal(0)
    const clients = [await LocalClient.connect(server), await LocalClient.connect(server)]
    await until(() => clients.every((client) => client.ready))
    clients[0]?.stop()
    expect(adapter.closes).to.equal(0)
    clients[1]?.stop()
    await until(() => adapter.closes === 1)
    expect(server.stats()).to.include({ connections: 0, views: 0 })
    const again = await LocalClient.connect(server)
    await until(() => again.ready)
    expect(adapter.opens).to.equal(2)
  })

  it('does not wait for a reading whose clients have all left', async () => {
    const { adapter } = await setUp()
    let open = () => {}
    adapter.gate = () =>
      new Promise((resolve) => {
        open = resolve
      })
    const server = make({ dataSources: { users: { manifest: true, collection: adapter.handle('users') } } })
    const client = await LocalClient.connect(server)
    await until(() => adapter.reads === 1)
    client.stop()
    await until(() => adapter.closes === 1)
    open()
    const again = await LocalClient.connect(server)
    adapter.gate = undefined
    await until(() => again.ready)
    expect(errors).to.deep.equal([])
  })

  it('runs disconnect once, and turns away whoever comes after it', async () => {
    const { adapter } = await setUp()
    let ran = 0
    const server = make({
      dataSources: { users: { manifest: true, collection: adapter.handle('users') } },
      disconnect: () => {
        ran++
      },
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    await Promise.all([server.disconnect(), server.disconnect()])
    expect([ran, adapter.closes, server.stats().connections]).to.deep.equal([1, 1, 0])
    const refused = await LocalClient.connect(server).catch((error: ParticleError) => error.code)
    expect(refused).to.equal('UNAVAILABLE')
  })

  it('renews a token over the open stream before it expires, and revokes one whose identity is refused', async () => {
    const { adapter } = await setUp()
    let allowed = true
    const server = make({
      sessionTtl: 1000,
      heartbeat: 20,
      identityLookup: (identity) => (allowed ? identity : null),
      dataSources: { users: { manifest: true, collection: adapter.handle('users') } },
    })
    const client = await LocalClient.connect(server, { user: 1 })
    await until(() => client.of('session').length === 1)
    expect(client.of('session')[0]?.data).to.have.all.keys('token', 'expiresAt')
    allowed = false
    await until(() => client.of('revoked').length === 1)
    expect(server.stats().connections).to.equal(0)
  })

  it('goes on with other rights from the renewal on', async () => {
    const { adapter } = await setUp()
    let team = 'a'
    const server = make({
      sessionTtl: 1000,
      heartbeat: 20,
      identityLookup: () => ({ team }),
      dataSources: {
        users: { manifest: true, collection: adapter.handle('users'), criteria: { team: '@team' } },
      },
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    team = 'b'
    await until(() => client.of('ready').length === 2)
    expect(client.of('ping').some((event) => event.id === 'none')).to.equal(true)
    expect(client.names).not.to.include('reset')
    expect(server.stats()).to.include({ connections: 1, views: 1 })
  })
})
