import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import { until } from '../support/local.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

const SECRET = 'the secret of all nodes'

/** Nodes that share a store and a secret, as processes that share a MongoDB do. */
describe('Coming back to another node', () => {
  const nodes: { server: Server; listening: http.Server }[] = []
  const streams: StreamReader[] = []

  const startNode = async (options: Partial<ServerOptions> & Pick<ServerOptions, 'dataSources'>) => {
    const server = new Server({ secret: SECRET, ...options })
    const listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    nodes.push({ server, listening })
    return `http://localhost:${(listening.address() as AddressInfo).port}/particle`
  }
  const connect = async (url: string, headers: Record<string, string> = {}) => {
    const stream = await readStream(`${url}/stream`, headers)
    streams.push(stream)
    await until(() => stream.names().includes('ready'), 'ready')
    return stream
  }
  const comeBack = (url: string, stream: StreamReader) => connect(url, { 'Last-Event-ID': stream.lastId() })

  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close()
    for (const { server, listening } of nodes.splice(0)) {
      await server.disconnect()
      listening.close()
    }
  })

  const people = (
    store: MemoryAdapter,
    criteria?: Record<string, unknown>,
  ): Pick<ServerOptions, 'dataSources'> => ({
    dataSources: {
      people: {
        manifest: { name: true, n: true },
        collection: store.collection('people'),
        ...(criteria ? { criteria } : {}),
      },
    },
  })

  it('resumes with what came meanwhile, also on a node that was not there then', async () => {
    const store = memory()
    const collection = store.collection('people')
    await collection.insertOne({ _id: 1, name: 'Ann', n: 0 })
    const first = await connect(await startNode(people(store)))
    await collection.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    await until(() => first.names().includes('delta'))
    first.close()
    await collection.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    const back = await comeBack(await startNode(people(store)), first)
    expect(back.events[0]?.data.resumed).to.equal(true)
    expect(back.names()).to.deep.equal(['manifest', 'delta', 'ready'])
    expect(back.events[1]?.data.oplist).to.deep.equal([{ operation: 'inc', id: 1, path: 'n', data: 1 }])
    const again = await comeBack(await startNode(people(store)), back)
    expect(again.names()).to.deep.equal(['manifest', 'ready'])
  })

  it('resumes rows by a difference where the node never knew the view, with no reset', async () => {
    const store = memory()
    const collection = store.collection('people')
    await collection.insertMany(
      [1, 2, 3, 4].map((_id) => ({ _id, team: _id < 4 ? 'a' : 'b', name: `${_id}` })),
    )
    const first = await connect(await startNode(people(store, { team: 'a' })))
    first.close()
    await collection.updateOne({ _id: 1 }, { $set: { name: 'Ann' } })
    await collection.updateOne({ _id: 2 }, { $set: { team: 'b' } })
    await collection.deleteOne({ _id: 3 })
    await collection.updateOne({ _id: 4 }, { $set: { name: 'never seen' } })
    await collection.insertMany([
      { _id: 5, team: 'a' },
      { _id: 6, team: 'c' },
    ])
    const back = await comeBack(await startNode(people(store, { team: 'a' })), first)
    expect(back.events[0]?.data.resumed).to.equal(true)
    expect(back.names()).to.deep.equal(['manifest', 'ping', 'delta', 'ready'])
    expect(back.events[1]?.id).to.equal('none')
    expect(back.events[2]?.data.oplist.map(Object.values)).to.deep.equal([
      ['set', 1, '.', { _id: 1, name: 'Ann' }],
      ['unset', 2, '.'],
      ['unset', 3, '.'],
      ['set', 5, '.', { _id: 5 }],
    ])
  })

  it('resets a root alone where the log can not tell whether the client had a document', async () => {
    const store = memory()
    const collection = store.collection('people')
    await collection.insertMany([1, 2].map((_id) => ({ _id, team: 'a' })))
    /** The same store, of which nobody knows what was there before a change. */
    const forgetful = Object.assign(Object.create(store), {
      open: (listener: Parameters<MemoryAdapter['open']>[0], from?: string) =>
        store.open(
          {
            ...listener,
            changes: (changes, position) =>
              listener.changes(
                changes.map((change) => ({ ...change, before: undefined })) as typeof changes,
                position,
              ),
          },
          from,
        ),
      compare: store.compare.bind(store),
      past: store.past.bind(store),
      read: store.read.bind(store),
      lookup: store.lookup.bind(store),
    })
    const handle = { adapter: forgetful, collectionName: 'people' }
    const sources = {
      dataSources: {
        all: { manifest: true, collection: handle },
        some: { manifest: true, collection: handle, criteria: { team: 'a' } },
      },
    } as const
    const first = await connect(await startNode(sources))
    first.close()
    await collection.deleteOne({ _id: 1 })
    const back = await comeBack(await startNode(sources), first)
    expect(back.events[0]?.data.resumed).to.equal(true)
    expect(back.of('reset').map(({ data }) => data)).to.deep.equal([{ root: 'some', reason: 'history-lost' }])
    expect(back.of('delta').map(({ data }) => data.root)).to.deep.equal(['all'])
  })

  it('goes on in each of two stores by its own position', async () => {
    const [one, two] = [memory(), memory()]
    const sources = {
      dataSources: {
        one: { manifest: true, collection: one.collection('one') },
        two: { manifest: true, collection: two.collection('two') },
      },
    } as const
    await one.collection('one').insertOne({ _id: 1, n: 0 })
    await two.collection('two').insertOne({ _id: 1, n: 0 })
    const early = await startNode(sources)
    const keeper = await connect(early)
    const first = await connect(await startNode(sources))
    first.close()
    await two.collection('two').updateOne({ _id: 1 }, { $inc: { n: 1 } })
    await one.collection('one').updateOne({ _id: 1 }, { $inc: { n: 1 } })
    const back = await comeBack(early, first)
    expect(back.events[0]?.data.resumed).to.equal(true)
    expect(back.of('delta').map(({ data }) => [data.root, data.oplist[0].operation])).to.deep.equal([
      ['two', 'inc'],
      ['one', 'inc'],
    ])
    expect(back.lastId()).to.equal(keeper.lastId())
  })

  it('resets where the node has other sources, other rights, another secret, or no such history', async () => {
    const store = memory({ history: 2 })
    const collection = store.collection('people')
    await collection.insertOne({ _id: 1, name: 'Ann', n: 0 })
    const first = await connect(await startNode(people(store)))
    first.close()
    const outcome = async (options: Parameters<typeof startNode>[0]) => {
      const back = await comeBack(await startNode(options), first)
      return [back.events[0]?.data.resumed, back.events[0]?.data.reason, ...back.names().slice(1)]
    }
    const reset = ['reset', 'payload', 'ready']
    expect(await outcome(people(memory()))).to.deep.equal([false, 'history-lost', ...reset])
    expect(await outcome(people(store, { n: 0 }))).to.deep.equal([false, 'rights-changed', ...reset])
    expect(await outcome({ ...people(store), secret: 'quite another secret' })).to.deep.equal([
      false,
      'position-unknown',
      ...reset,
    ])
    for (let i = 0; i < 6; i++) await collection.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    expect(await outcome(people(store))).to.deep.equal([false, 'history-lost', ...reset])
  })

  it('resets the roots of callbacks, whose positions no other process knows, and resumes the others', async () => {
    const store = memory()
    await store.collection('people').insertOne({ _id: 1 })
    const options = (): Pick<ServerOptions, 'dataSources'> => ({
      dataSources: {
        ...people(store).dataSources,
        calls: { manifest: true, payload: () => ({ data: [{ _id: 1 }], timestamp: new Date() }) },
      },
    })
    const first = await connect(await startNode(options()))
    first.close()
    const back = await comeBack(await startNode(options()), first)
    expect(back.events[0]?.data.resumed).to.equal(true)
    expect(back.of('reset').map(({ data }) => data)).to.deep.equal([
      { root: 'calls', reason: 'history-lost' },
    ])
    expect(back.of('payload').map(({ data }) => data.root)).to.deep.equal(['calls'])
  })
})
