import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { ParticleError } from '../../lib/errors.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import type { Adapter, CollectionHandle } from '../../lib/source/source.ts'
import { shake } from '../support/http.ts'
import { until } from '../support/local.ts'
import { Nodes } from '../support/nodes.ts'

const SECRET = 'the secret of all nodes'

/*
 * Applications meet this so: a user logs out, loses a role or is banned in one process, and has streams and tokens
 * at others. A process that is deployed a minute later must not take the old token either.
 */
describe('Revocations and refreshes on all nodes', () => {
  const nodes = new Nodes()
  const clients: Client[] = []
  let store: MemoryAdapter
  let errors: Error[]

  beforeEach(() => {
    store = memory()
    errors = []
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })

  const start = (options: Partial<ServerOptions> = {}) =>
    nodes.start({
      secret: SECRET,
      identityLookup: (identity) => identity,
      dataSources: { notes: { manifest: true, collection: store.collection('notes') } },
      control: true,
      onError: (error) => errors.push(error),
      ...options,
    })
  const connect = async (url: string, identity: object) => {
    const client = new Client({ url, identity, onError: () => {} })
    clients.push(client)
    await client.ready()
    return client
  }
  const statusOf = async (url: string, token: string) => {
    const response = await fetch(`${url}/stream`, { headers: { Authorization: `Bearer ${token}` } })
    await response.body?.cancel()
    return response.status
  }

  it('end the streams of the selected identities, and refuse their tokens, at each node', async () => {
    const [first, second] = [await start(), await start()]
    const ann = await connect(second.url, { userId: 7 })
    const ben = await connect(second.url, { userId: 8 })
    const here = await connect(first.url, { userId: 7 })
    const { token } = await shake(second.url, { userId: 7 })
    expect(await first.server.revoke({ userId: 7 }, 'banned')).to.equal(1)
    await until(() => ann.status === 'refused' && here.status === 'refused', 'both are refused')
    expect(ben.status).to.equal('ready')
    expect([await statusOf(first.url, token), await statusOf(second.url, token)]).to.deep.equal([401, 401])
    expect(errors).to.deep.equal([])
  })

  it('are known to a node that starts later, and leave who has come back since', async () => {
    const first = await start()
    const { token } = await shake(first.url, { userId: 7 })
    await first.server.revoke({ userId: 7 })
    const back = await shake(first.url, { userId: 7 })
    const late = await start()
    expect([await statusOf(late.url, token), await statusOf(late.url, back.token)]).to.deep.equal([401, 200])
  })

  it('look identities up again at each node', async () => {
    const teams: Record<string, string> = { ann: 'a', ben: 'a' }
    await store.collection('notes').insertOne({ _id: 1, team: 'b' })
    const options: Partial<ServerOptions> = {
      identityLookup: ({ user }: { user: string }) => ({ user, team: teams[user] }),
      dataSources: {
        notes: { manifest: true, collection: store.collection('notes'), criteria: { team: '@team' } },
      },
    }
    const [first, second] = [await start(options), await start(options)]
    const ann = await connect(second.url, { user: 'ann' })
    const ben = await connect(second.url, { user: 'ben' })
    teams.ann = 'b'
    teams.ben = 'b'
    await first.server.refresh({ user: 'ann' })
    await until(() => ann.data.notes?.length === 1, 'the new rights')
    expect(ben.data.notes).to.deep.equal([])
  })

  it('take a function for this process alone, and say so once', async () => {
    const [first, second] = [await start(), await start()]
    const ann = await connect(second.url, { userId: 7 })
    expect(first.server.revoke(() => true)).to.equal(0)
    first.server.revoke(() => true)
    await first.server.refresh()
    expect(errors.map(({ message }) => message.slice(0, 18))).to.deep.equal([
      'revoke() got no qu',
      'refresh() got no q',
    ])
    expect(ann.status).to.equal('ready')
  })

  it('take a query without the option too, for this process', async () => {
    const { server, url } = await start({ control: undefined })
    const ann = await connect(url, { userId: 7 })
    expect(await server.revoke({ userId: 8 })).to.equal(0)
    expect(await server.revoke({ userId: 7 })).to.equal(1)
    await until(() => ann.status === 'refused', 'ann is refused')
  })

  it('refuse a query that could select others than were meant, before anything happens', async () => {
    const { server, url } = await start()
    const ann = await connect(url, { name: 'Ann' })
    const mistaken: { userId?: number } = {}
    const error = await server.revoke({ userId: mistaken.userId }).catch((reason: unknown) => reason)
    expect(error).to.be.an.instanceOf(ParticleError).with.property('code', 'INVALID_QUERY')
    expect(String(error)).to.include('revoke(query): query has an undefined value')
    expect(ann.status).to.equal('ready')
  })

  it('survive documents of others in the collection, and name them', async () => {
    const collection = store.collection('rights')
    const options = { control: collection }
    const [first, second] = [await start(options), await start(options)]
    const ann = await connect(second.url, { userId: 7 })
    await collection.insertOne({ _id: 'x', entry: 'not one' } as never)
    await collection.insertOne({ _id: 5 } as never)
    await first.server.revoke({ userId: 7 })
    await until(() => ann.status === 'refused', 'ann is refused')
    expect(new Set(errors.map(({ message }) => message.slice(0, 60)))).to.deep.equal(
      new Set([
        'The document "x" of the control collection is no decision of',
        'The document 5 of the control collection is no decision of a',
      ]),
    )
  })

  it('are deleted when no token is concerned any more', async () => {
    const collection = store.collection('particle_control')
    const first = await start()
    await first.server.revoke({ userId: 7 })
    const [stored] = await collection.find().toArray()
    const entry = { ...JSON.parse(String(stored?.entry)), until: Date.now() - 1 }
    await collection.insertOne({ _id: 'old', entry: JSON.stringify(entry) } as never)
    const late = await start()
    await shake(late.url, {})
    let kept: unknown[] = []
    const look = () => {
      void collection
        .find()
        .toArray()
        .then((found) => (kept = found))
      return kept.length === 1
    }
    await until(look, 'the old entry is gone')
    expect(await collection.find().toArray()).to.deep.equal([stored])
  })

  it('hold at the node of the call, and reject, where the store does not take them', async () => {
    const collection = store.collection('rights')
    const { server, url } = await start({
      control: { collectionName: 'rights', adapter: adapterOf({ append: () => Promise.reject('full') }) },
    })
    const ann = await connect(url, { userId: 7 })
    const error = await server.revoke({ userId: 7 }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.an.instanceOf(ParticleError).and.include({ code: 'SOURCE_FAILED' })
    await until(() => ann.status === 'refused', 'ann is refused')
    expect(await collection.find().toArray()).to.deep.equal([])
  })

  it('reject in time where the store stalls, and hold at the node of the call', async () => {
    let answer = () => {}
    const append = () => new Promise<void>((resolve) => (answer = resolve))
    const { server, url } = await start({
      control: { collectionName: 'rights', adapter: adapterOf({ append }) },
      controlTimeout: 100,
    })
    const ann = await connect(url, { userId: 7 })
    for (const decide of [() => server.revoke({ userId: 7 }), () => server.refresh({ userId: 7 })]) {
      const error = await decide().catch((reason: unknown) => reason)
      expect(error).to.be.an.instanceOf(ParticleError).and.include({ code: 'SOURCE_FAILED' })
      expect(String(error)).to.include('Call it again when the store is back: there was no answer in 100 ms')
      answer()
    }
    await until(() => ann.status === 'refused', 'ann is refused')
  })

  /** The store, with some methods replaced. */
  const adapterOf = (replaced: Partial<Adapter>): Adapter => {
    const methods = ['open', 'past', 'compare', 'read', 'lookup', 'append', 'discard'] as const
    const own = Object.fromEntries(methods.map((name) => [name, Reflect.get(store, name).bind(store)]))
    return { name: 'store', ...own, ...replaced } as Adapter
  }

  it('let a node be ready at its first probe, before its first client', async () => {
    const { server } = await start({})
    expect(await server.readiness()).to.include({ ready: true, control: true })
  })

  it('keep a node from opening streams that can not follow them for the time, until it can', async () => {
    let isDown = false
    const fails = () => (isDown ? Promise.reject(new Error('down')) : undefined)
    const adapter = adapterOf({
      read: (name, query, each) => fails() ?? store.read(name, query, each),
    })
    const { server, url } = await start({
      control: { collectionName: 'rights', adapter },
      controlTimeout: 400,
    })
    const ann = await connect(url, { userId: 7 })
    expect((await server.readiness()).control).to.equal(true)
    isDown = true
    await until(() => errors.some(({ message }) => message.includes('option control')), 'it is told')
    const response = await fetch(`${url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"identity":{}}',
    })
    expect(response.status).to.equal(503)
    expect(await server.readiness()).to.include({ ready: false, control: false })
    expect(ann.status).to.equal('ready')
    isDown = false
    // Our client tries again until the node takes it.
    await connect(url, { userId: 8 })
    expect(errors.filter(({ message }) => message.includes('option control'))).to.have.length(1)
  })

  for (const [what, control, sentence] of [
    ['a name', 'control', "control must be true or adapter.collection('particle_control')"],
    ['a collection that clients see', 'notes', 'which a root of dataSources shows'],
    ['a collection of an adapter that can not write', 'readonly', 'has no append() and discard()'],
  ] as const)
    it(`refuse ${what} as the option`, () => {
      const readonly = {
        collectionName: 'rights',
        adapter: { ...adapterOf({}), append: undefined },
      } as unknown as CollectionHandle
      const given = { readonly, notes: store.collection('notes'), control: control as never }[control]
      const make = () =>
        new Server({
          dataSources: { notes: { manifest: true, collection: store.collection('notes') } },
          control: given,
        })
      expect(make).to.throw(ParticleError, sentence).with.property('code', 'INVALID_OPTION')
    })
})
