import { expect } from 'chai'
import { type DataSource, Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { CountingAdapter } from '../support/counting.ts'
import { LocalClient, until } from '../support/local.ts'

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

  it('are named in the manifest, without roots that share their adapter with no other', async () => {
    const { client, open } = await setUp()
    open()
    await until(() => client.ready, 'ready')
    expect(client.of('manifest')[0]?.data.together).to.deep.equal([['one', 'two']])
  })
})
