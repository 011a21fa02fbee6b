import { expect } from 'chai'
import { type DataSource, Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { CountingAdapter } from '../support/counting.ts'
import { listen } from '../support/http.ts'
import { LocalClient, until } from '../support/local.ts'
import { readStream } from '../support/stream.ts'

/** Two roots of one adapter, and one of another adapter that can't be read yet. */
describe('The moments of one adapter', () => {
  let server: Server | undefined
  afterEach(() => server?.disconnect())

  const setUp = async () => {
    const [store, otherStore] = [memory(), memory()]
    const people = store.collection('people')
    await people.insertOne({ _id: 1, n: 0 })
    const adapter = new CountingAdapter(otherStore)
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    adapter.gate = () => gate
    const ofPeople = { manifest: true, collection: people } as DataSource
    const other = { manifest: true, collection: { adapter, collectionName: 'others' } } as DataSource
    server = new Server({ dataSources: { one: ofPeople, two: ofPeople, other } })
    const client = await LocalClient.connect(server)
    const moments = () =>
      client.of('delta').map(({ data }) => [data.root, data.oplist.length, data.more === true])
    return { people, client, moments, open }
  }

  it('end while a root of another adapter is loaded', async () => {
    const { people, client, moments, open } = await setUp()
    await until(() => moments().length === 2, 'the end of the first moment')
    await people.updateOne({ _id: 1 }, { $set: { n: 1 } })
    await until(() => moments().length === 4, 'the change')
    expect(client.of('payload').map(({ data }) => data.root)).to.have.members(['one', 'two'])
    expect(moments().map(([, operations, more]) => [operations, more])).to.deep.equal([
      [0, false],
      [0, false],
      [1, true],
      [1, false],
    ])
    expect(client.ready).to.equal(false)
    open()
    await until(() => client.ready, 'ready')
    expect(moments()).to.have.length(4)
  })

  it('do not end before a watched root that is loaded again, for a client that comes back', async () => {
    const store = memory()
    await store.collection('people').insertOne({ _id: 1, team: 1 })
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const adapter = new (class extends CountingAdapter {
      override async read(...args: Parameters<CountingAdapter['read']>) {
        const reading = await super.read(...args)
        if (Object.hasOwn(args[1], 'team')) await gate
        return reading
      }
    })(store)
    const collection = adapter.handle('people')
    server = new Server({
      dataSources: {
        all: { manifest: true, collection },
        team: { manifest: true, collection, params: { team: 'number' }, criteria: { team: ':team' } },
      } as never,
    })
    const listening = await listen(server.middleware())
    try {
      const watch = encodeURIComponent(JSON.stringify(['team?{"team":1}']))
      const stream = await readStream(`${listening.url}/particle/stream?watch=${watch}`, {
        'Last-Event-ID': 'of-another-secret',
      })
      await until(() => stream.of('payload').length === 1, 'the first root')
      await store.collection('people').updateOne({ _id: 1 }, { $set: { team: 1, n: 1 } })
      await until(() => stream.of('delta').length > 0, 'the change')
      open()
      await until(() => stream.of('ready').length === 1, 'ready')
      stream.close()
      expect(stream.of('reset')).to.have.length(2)
      const last = stream.events.findLastIndex(({ name }) => name === 'payload')
      const deltas = stream.events.slice(0, last).filter(({ name }) => name === 'delta')
      expect(deltas.map(({ data }) => [data.root, data.more])).to.deep.equal([['all', true]])
    } finally {
      await listening.close()
    }
  })

  it('are named in the manifest, without roots that share their adapter with no other', async () => {
    const { client, open } = await setUp()
    open()
    await until(() => client.ready, 'ready')
    expect(client.of('manifest')[0]?.data.together).to.deep.equal([['one', 'two']])
  })
})
