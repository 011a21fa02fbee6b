import { expect } from 'chai'
import fc from 'fast-check'
import { Client } from '../../lib/client/client.ts'
import type { Document, Id } from '../../lib/model/document.ts'
import { type DataSource, Server, type ServerOptions } from '../../lib/server/index.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import type { Change, ChangeListener } from '../../lib/source/source.ts'
import { CountingAdapter } from '../support/counting.ts'
import { type Listening, listen } from '../support/http.ts'
import { LocalClient, until } from '../support/local.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

/** As a change stream does, it doesn't tell documents with updates; who needs one looks it up. */
class Terse extends CountingAdapter {
  readonly #store: MemoryAdapter

  constructor(inner: MemoryAdapter) {
    super(inner)
    this.#store = inner
  }

  past(milliseconds: number) {
    return this.#store.past(milliseconds)
  }

  override open(listener: ChangeListener, from?: string) {
    const terse = (change: Change): Change => {
      if (!('document' in change) || change.operations.some(({ operation }) => operation !== 'set'))
        return change
      const { document: _, before: __, ...rest } = change
      return rest
    }
    return super.open(
      { ...listener, changes: (changes, position) => listener.changes(changes.map(terse), position) },
      from,
    )
  }
}

const SECRET = 'the secret of all nodes'

describe('Sorted and limited views', () => {
  const servers: Server[] = []
  const listenings: Listening[] = []
  const streams: StreamReader[] = []
  const clients: { close(): void }[] = []
  let store: MemoryAdapter
  let counting: CountingAdapter
  let errors: Error[]

  const messages = () => store.collection('messages')
  const source = (options: object = {}): DataSource => ({
    manifest: { text: true, at: true },
    collection: counting.handle('messages'),
    sort: { at: -1 },
    limit: 3,
    ...options,
  })
  const serverOf = (options: Partial<ServerOptions> = {}) => {
    const server = new Server({
      secret: SECRET,
      dataSources: { messages: source() },
      onError: (error) => errors.push(error),
      ...options,
    })
    servers.push(server)
    return server
  }
  const serve = async (server: Server) => {
    const listening = await listen(server.middleware())
    listenings.push(listening)
    return `${listening.url}/particle`
  }
  const connect = async (server: Server, identity?: unknown) => {
    const client = await LocalClient.connect(server, identity)
    await until(() => client.ready, 'ready')
    return client
  }
  const now = (client: LocalClient) => client.model.messages?.map(({ _id }) => _id)
  /** What leaves goes out at the end of a turn. */
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  const ids = async (client: LocalClient) => {
    await turn()
    return now(client)
  }
  const told = async (client: LocalClient) => {
    await turn()
    return client.of('delta').map(({ data }) => data.oplist.map((one: object) => Object.values(one)))
  }
  const write = (...ats: number[]) =>
    messages().insertMany(ats.map((at) => ({ _id: at, at, text: `m${at}`, secret: 's' })))

  beforeEach(() => {
    store = memory()
    counting = new CountingAdapter(store)
    errors = []
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    for (const stream of streams.splice(0)) stream.close()
    for (const server of servers.splice(0)) await server.disconnect()
    for (const listening of listenings.splice(0)) await listening.close()
    expect(errors).to.deep.equal([])
  })

  it('begin with the first documents, in order', async () => {
    await write(1, 5, 2, 4, 3)
    const client = await connect(serverOf())
    expect(client.of('payload').map(({ data }) => data.data)).to.deep.equal([
      [5, 4, 3].map((at) => ({ _id: at, at, text: `m${at}` })),
    ])
  })

  it('are told what enters with its place, and what it pushes out, in one event', async () => {
    await write(1, 5, 2, 4, 3)
    const client = await connect(serverOf())
    await write(4.5)
    await write(0)
    expect(await told(client)).to.deep.equal([
      [
        ['unset', 3, '.'],
        ['set', 4.5, '.', { _id: 4.5, at: 4.5, text: 'm4.5' }, 1],
      ],
    ])
    expect(await ids(client)).to.deep.equal([5, 4.5, 4])
  })

  it('are told what leaves, and what follows it, without a look at the source', async () => {
    await write(1, 5, 2, 4, 3)
    const client = await connect(serverOf())
    await messages().deleteOne({ _id: 4 })
    await messages().deleteOne({ _id: 1 })
    expect(await told(client)).to.deep.equal([
      [
        ['unset', 4, '.'],
        ['set', 2, '.', { _id: 2, at: 2, text: 'm2' }, 2],
      ],
    ])
    await messages().deleteMany({})
    expect([await ids(client), counting.reads]).to.deep.equal([[], 1])
  })

  it('are told of a move as one, of a change where it stands, and of nothing that happens behind', async () => {
    await write(1, 5, 2, 4, 3)
    const client = await connect(serverOf())
    await messages().updateOne({ _id: 3 }, { $set: { at: 6 } })
    await messages().updateOne({ _id: 4 }, { $set: { text: 'new' } })
    await messages().updateOne({ _id: 1 }, { $set: { at: 1.5, text: 'unseen' } })
    await messages().replaceOne({ _id: 5 }, { at: 3, text: 'low' })
    // The changes of one turn are one event.
    expect((await told(client)).flat()).to.deep.equal([
      ['set', 3, 'at', 6],
      ['noop', 3, '.', 0],
      ['set', 4, 'text', 'new'],
      // A replacement is told by what differs.
      ['set', 5, 'at', 3],
      ['set', 5, 'text', 'low'],
      ['noop', 5, '.', 2],
    ])
    expect(await ids(client)).to.deep.equal([3, 4, 5])
  })

  it('order equal documents by their _id, and by several keys', async () => {
    await messages().insertMany([3, 1, 2].map((_id) => ({ _id, at: 7, rank: _id % 2 })))
    const client = await connect(serverOf())
    expect(await ids(client)).to.deep.equal([1, 2, 3])
    const other = await connect(
      serverOf({ dataSources: { messages: source({ sort: { rank: 1, _id: -1 } }) } }),
    )
    expect(await ids(other)).to.deep.equal([2, 3, 1])
  })

  it('order by what the manifest hides, which shows in nothing but the order', async () => {
    await write(1, 2, 3)
    const client = await connect(
      serverOf({ dataSources: { messages: source({ manifest: { text: true } }) } }),
    )
    await messages().updateOne({ _id: 1 }, { $set: { at: 9 } })
    expect(await told(client)).to.deep.equal([[['noop', 1, '.', 0]]])
    expect(client.model.messages).to.deep.equal([1, 3, 2].map((_id) => ({ _id, text: `m${_id}` })))
  })

  it('without a limit have all documents, in order', async () => {
    await write(1, 3)
    const client = await connect(
      serverOf({ dataSources: { messages: source({ sort: { at: 1 }, limit: undefined }) } }),
    )
    await write(2, 0)
    await messages().updateOne({ _id: 3 }, { $set: { at: 0.5 } })
    expect(await ids(client)).to.deep.equal([0, 3, 1, 2])
    await messages().updateMany({}, { $unset: { at: 1 } })
    expect(await ids(client)).to.deep.equal([0, 1, 2, 3])
  })

  it('refill from the source when they run short, by one difference, with no state shown that never was', async () => {
    await write(...Array.from({ length: 100 }, (_, at) => at))
    const client = await connect(serverOf())
    const states = new Set([JSON.stringify([99, 98, 97])])
    for (let at = 99; at >= 60; at--) {
      await messages().deleteOne({ _id: at })
      states.add(JSON.stringify([at - 1, at - 2, at - 3]))
      if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      expect([...states]).to.include(JSON.stringify(now(client)))
    }
    await until(() => client.ready && now(client)?.[0] === 59)
    expect(await ids(client)).to.deep.equal([59, 58, 57])
    expect(client.of('reset')).to.deep.equal([])
    expect(client.of('payload').length).to.equal(1)
    expect(counting.reads).to.be.within(2, 10)
  })

  it('cost one reading, however many clients come and go', async () => {
    await write(1, 2, 3, 4)
    const server = serverOf()
    const first = await connect(server)
    await write(5)
    for (let count = 0; count < 20; count++) {
      const client = await connect(server)
      expect(await ids(client)).to.deep.equal([5, 4, 3])
      if (count % 2) client.stop()
    }
    first.stop()
    await write(6)
    expect(await ids(await connect(server))).to.deep.equal([6, 5, 4])
    expect(counting.reads).to.equal(1)
  })

  it('are of a criteria too, and of each identity its own', async () => {
    await messages().insertMany([1, 2, 3, 4, 5].map((at) => ({ _id: at, at, room: at % 2 ? 'odd' : 'even' })))
    const server = serverOf({
      identityLookup: (identity: unknown) => identity,
      dataSources: { messages: source({ criteria: { room: '@room' }, limit: 2 }) },
    })
    const [odd, even] = [await connect(server, { room: 'odd' }), await connect(server, { room: 'even' })]
    expect([await ids(odd), await ids(even)]).to.deep.equal([
      [5, 3],
      [4, 2],
    ])
    await messages().updateOne({ _id: 2 }, { $set: { room: 'odd', at: 4 } })
    await messages().insertOne({ _id: 6, at: 6, room: 'even' })
    expect([await ids(odd), await ids(even)]).to.deep.equal([
      [5, 2],
      [6, 4],
    ])
    await messages().deleteOne({ _id: 5 })
    expect([await ids(odd), await ids(even)]).to.deep.equal([
      [2, 3],
      [6, 4],
    ])
  })

  it('resume from a position by what came meanwhile, with its places', async () => {
    await write(1, 2, 3, 4)
    const url = await serve(serverOf())
    const open = async (headers: Record<string, string> = {}) => {
      const stream = await readStream(`${url}/stream`, headers)
      streams.push(stream)
      await until(() => stream.names().includes('ready'), 'ready')
      return stream
    }
    const stream = await open()
    await write(5)
    await until(() => stream.of('delta').length === 1)
    stream.close()
    await messages().updateOne({ _id: 3 }, { $set: { at: 9 } })
    const back = await open({ 'Last-Event-ID': stream.lastId() })
    expect(back.names()).to.deep.equal(['manifest', 'delta', 'ready'])
    expect(back.of('delta')[0]?.data.oplist).to.deep.equal([
      { operation: 'set', id: 3, path: 'at', data: 9 },
      { operation: 'noop', id: 3, path: '.', at: 0 },
    ])
  })

  describe('at a node that did not know them at the position', () => {
    const comeBack = async (collection: DataSource & object, other: DataSource) => {
      const dataSources: Record<string, DataSource> = { messages: collection, other }
      const open = async (url: string, headers: Record<string, string> = {}) => {
        const stream = await readStream(`${url}/stream`, headers)
        streams.push(stream)
        await until(() => stream.names().includes('ready'), 'ready')
        return stream
      }
      const stream = await open(await serve(serverOf({ dataSources })))
      stream.close()
      await write(6)
      await messages().updateOne({ _id: 2 }, { $set: { at: 7, text: 'up' } })
      await messages().deleteOne({ _id: 5 })
      await messages().updateOne({ _id: 1 }, { $set: { text: 'never seen' } })
      return await open(await serve(serverOf({ dataSources })), { 'Last-Event-ID': stream.lastId() })
    }
    const first = { manifest: { text: true } as const, sort: { at: -1 } as const, limit: 3 }

    it('are resumed by a difference where a node did not know them at the position', async () => {
      await write(1, 2, 3, 4, 5)
      const other = { manifest: true as const, collection: store.collection('other') }
      const back = await comeBack({ ...first, collection: messages() }, other)
      expect([back.events[0]?.data.resumed, back.of('payload')]).to.deep.equal([true, []])
      expect(back.of('delta').flatMap(({ data }) => data.oplist.map(Object.values))).to.deep.equal([
        ['unset', 5, '.'],
        ['unset', 3, '.'],
        ['set', 2, '.', { _id: 2, text: 'up' }, 0],
        ['set', 6, '.', { _id: 6, text: 'm6' }, 1],
      ])
    })

    it('are reset alone where the source does not tell what documents were', async () => {
      await write(1, 2, 3, 4, 5)
      const terse = new Terse(store)
      const other = { manifest: true as const, collection: terse.handle('other') }
      const back = await comeBack({ ...first, collection: terse.handle('messages') }, other)
      expect(back.of('reset').map(({ data }) => data)).to.deep.equal([
        { root: 'messages', reason: 'history-lost' },
      ])
      expect(back.of('payload').map(({ data }) => data.data.map(({ _id }: Document) => _id))).to.deep.equal([
        [2, 6, 4],
      ])
    })
  })

  it('become those of other rights by a difference', async () => {
    await messages().insertMany(
      [1, 2, 3, 4, 5, 6].map((at) => ({ _id: at, at, rooms: at % 2 ? ['a'] : ['a', 'b'] })),
    )
    let room = 'a'
    const server = serverOf({
      identityLookup: () => ({ room }),
      dataSources: { messages: source({ criteria: { rooms: '@room' }, manifest: {} }) },
    })
    const client = await connect(server)
    expect(await ids(client)).to.deep.equal([6, 5, 4])
    room = 'b'
    await server.refresh(() => true)
    await until(() => now(client)?.[1] === 4)
    expect(await ids(client)).to.deep.equal([6, 4, 2])
    expect(await told(client)).to.deep.equal([
      [
        ['unset', 5, '.'],
        ['set', 2, '.', { _id: 2 }, 2],
      ],
    ])
  })

  it('get the difference, with the order, where the history was lost', async () => {
    await write(1, 2, 3, 4)
    const client = await connect(serverOf())
    const { listener } = counting
    counting.listener = undefined
    listener?.lost('gone', (await store.read('messages', {}, () => {})).to)
    await until(() => client.names.filter((name) => name === 'ready').length === 2)
    expect([await told(client), client.of('reset')]).to.deep.equal([[], []])
    expect(await ids(client)).to.deep.equal([4, 3, 2])
    await write(3.5)
    expect(await ids(client)).to.deep.equal([4, 3.5, 3])
  })

  it('are seen in order by the client’s own model', async () => {
    await write(1, 2, 3)
    const url = await serve(serverOf())
    const client = new Client<{ messages: Document[] }>({ url })
    clients.push(client)
    await client.ready()
    await write(2.5, 4)
    await until(() => client.data.messages?.[0]?._id === 4)
    expect(client.getSnapshot('messages').map(({ _id }) => _id)).to.deep.equal([4, 3, 2.5])
  })

  const id = fc.integer({ min: 1, max: 14 })
  const at = fc.integer({ min: 0, max: 5 })
  const step = fc.oneof(
    fc.tuple(id, at).map(([_id, value]) => ({ do: 'put' as const, _id, at: value })),
    fc.tuple(id, at).map(([_id, value]) => ({ do: 'at' as const, _id, at: value })),
    id.map((_id) => ({ do: 'room' as const, _id, at: 0 })),
    id.map((_id) => ({ do: 'text' as const, _id, at: 0 })),
    id.map((_id) => ({ do: 'delete' as const, _id, at: 0 })),
    at.map((value) => ({ do: 'many' as const, _id: 0, at: value })),
    fc.constant({ do: 'wait' as const, _id: 0, at: 0 }),
    fc.constant({ do: 'connect' as const, _id: 0, at: 0 }),
  )
  for (const [what, Kind, limit] of [
    ['documents', CountingAdapter, 2],
    ['operations only', Terse, 2],
    ['operations only, without a limit,', Terse, undefined],
  ] as const) {
    it(`are what the source has, and were, whatever happens, from a source that tells ${what} with updates`, async () => {
      let deltas = 0
      let lookups = 0
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 10, maxLength: 50 }),
          fc.boolean(),
          async (steps, criteria) => {
            store = memory()
            counting = new Kind(store)
            const server = serverOf({
              dataSources: { messages: source({ limit, ...(criteria ? { criteria: { room: 'a' } } : {}) }) },
            })
            const all = messages()
            await all.insertMany(
              [2, 4, 6, 8, 10, 12].map((_id) => ({ _id, at: _id % 5, room: _id % 3 ? 'a' : 'b', text: '' })),
            )
            const truth = async () => {
              const found = await all
                .find(criteria ? { room: 'a' } : {})
                .sort({ at: -1, _id: 1 })
                .toArray()
              return JSON.stringify(
                found.slice(0, limit).map(({ _id, at: value, text }) => ({ _id, at: value, text })),
              )
            }
            const local = [await connect(server)]
            const states = new Set([await truth()])
            // What is looked up may come with what was written after it: clients may then skip states, and a field may come early.
            const check = () => {
              if (Kind === Terse) return
              for (const { model } of local) {
                // A new client gets its first data at the end of the turn.
                if (!model.messages) continue
                const shown = model.messages.map(({ _id, at: value, text }) => ({
                  _id,
                  at: value,
                  text,
                }))
                if (!states.has(JSON.stringify(shown))) expect([...states]).to.include(JSON.stringify(shown))
              }
            }
            let count = 0
            for (const one of steps) {
              const which = { _id: one._id }
              if (one.do === 'put')
                await all.replaceOne(which, { at: one.at, room: 'a', text: `${++count}` }, { upsert: true })
              else if (one.do === 'at') await all.updateOne(which, { $set: { at: one.at } })
              else if (one.do === 'text') await all.updateOne(which, { $set: { text: `${++count}` } })
              else if (one.do === 'room')
                await all.updateOne(which, { $set: { room: count++ % 2 ? 'a' : 'b' } })
              else if (one.do === 'delete') await all.deleteOne(which)
              else if (one.do === 'many')
                for (const each of [1, 5, 9]) await all.updateOne({ _id: each }, { $set: { at: one.at } })
              else if (one.do === 'connect') local.push(await LocalClient.connect(server))
              else await new Promise((resolve) => setImmediate(resolve))
              states.add(await truth())
              if (one.do !== 'many') check()
            }
            const end = await truth()
            const shownBy = (client: LocalClient) =>
              JSON.stringify(
                (client.model.messages ?? []).map(({ _id, at: value, text }) => ({ _id, at: value, text })),
              )
            await until(
              () => local.every((client) => client.ready && shownBy(client) === end),
              `all clients have ${end}`,
              3000,
            )
            for (const client of local) deltas += client.of('delta').length
            lookups += counting.lookups
            await server.disconnect()
            expect(errors).to.deep.equal([])
          },
        ),
        { numRuns: 60 },
      )
      expect(deltas).to.be.above(100)
      if (Kind === Terse) expect(lookups).to.be.above(10)
      else expect(lookups).to.equal(0)
    })
  }

  it('tell documents that enter only to those who may see them, and never name another one', async () => {
    const seen = new Set<Id>()
    await messages().insertMany([1, 2, 3, 4, 5].map((at) => ({ _id: at, at, room: at % 2 ? 'odd' : 'even' })))
    const client = await connect(
      serverOf({ dataSources: { messages: source({ criteria: { room: 'odd' } }) } }),
    )
    await messages().updateMany({ room: 'even' }, { $set: { text: 'new' } })
    await messages().updateOne({ _id: 2 }, { $set: { at: 10 } })
    await messages().deleteOne({ _id: 2 })
    await messages().deleteOne({ _id: 5 })
    await turn()
    for (const { data } of client.of('delta')) for (const one of data.oplist) seen.add(one.id)
    expect([...seen]).to.deep.equal([5])
  })
  it('never name a document that entered and left within a transaction', async () => {
    const client = await connect(serverOf())
    const five = [1, 2, 3, 4, 5].map((at) => ({ _id: at, at }))
    await Promise.all(store.transact(() => five.map((each) => messages().insertOne(each))))
    await until(() => client.model.messages?.length === 3, 'the messages')
    const named = client.of('delta').flatMap(({ data }) => data.oplist.map(({ id }: { id: Id }) => id))
    expect(client.model.messages?.map(({ _id }) => _id)).to.deep.equal([5, 4, 3])
    expect(named).to.have.members([3, 4, 5])
  })
})
