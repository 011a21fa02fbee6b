import { expect } from 'chai'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import { until } from '../support/local.ts'
import { Nodes } from '../support/nodes.ts'

describe('A client that comes back to what it is related to', () => {
  const nodes = new Nodes()
  let store: MemoryAdapter

  const errors: Error[] = []

  const startNode = async () => {
    const { url } = await nodes.start({
      secret: 'the secret of all nodes',
      identityLookup: (given: unknown) => given,
      onError: (error) => errors.push(error),
      cacheConfig: { users: {}, userstuffs: { userId: 'users._id', stuffId: 'stuffs._id' }, stuffs: {} },
      dataSources: {
        stuffs: {
          manifest: true,
          collection: store.collection('stuffs'),
          criteria: { _id: '@userId|users._id>userstuffs._id>stuffs._id' },
        },
        all: { manifest: true, collection: store.collection('all') },
      },
    })
    return url
  }
  const handshake = async (url: string, userId = 'ann') => {
    const response = await fetch(`${url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity: { userId } }),
    })
    return ((await response.json()) as { token: string }).token
  }
  const open = async (url: string, token: string, position?: string) => {
    const stream = await nodes.open(url, token, position)
    await until(() => stream.names().includes('ready'))
    return stream
  }

  beforeEach(async () => {
    store = memory()
    await store.collection('stuffs').insertMany([1, 2, 3].map((_id) => ({ _id, n: 0 })))
    await store.collection('userstuffs').insertOne({ _id: 1, userId: 'ann', stuffId: 1 })
    await store.collection('all').insertOne({ _id: 1 })
  })
  it('resumes on any node while that is the same', async () => {
    const url = await startNode()
    const token = await handshake(url)
    const stream = await open(url, token)
    stream.close()
    await store.collection('stuffs').updateOne({ _id: 1 }, { $inc: { n: 1 } })
    const other = await startNode()
    for (const node of [url, other]) {
      const back = await open(node, token, stream.lastId())
      expect(back.events[0]?.data.resumed).to.equal(true)
      expect(back.names()).not.to.include.oneOf(['reset', 'payload', 'session'])
      expect(back.of('delta').length).to.equal(1)
    }
  })

  it('is reset in that root alone where it was another thing meanwhile, and gets a token for it', async () => {
    const url = await startNode()
    const token = await handshake(url)
    const stream = await open(url, token)
    stream.close()
    await store.collection('userstuffs').updateOne({ _id: 1 }, { $set: { stuffId: 2 } })
    await store.collection('all').updateOne({ _id: 1 }, { $set: { n: 1 } })
    for (const node of [url, await startNode()]) {
      const back = await open(node, token, stream.lastId())
      expect(back.events[0]?.data.resumed).to.equal(true)
      expect(back.of('reset').map(({ data }) => data)).to.deep.equal([
        { root: 'stuffs', reason: 'rights-changed' },
      ])
      expect(back.of('payload').map(({ data }) => [data.root, data.data])).to.deep.equal([
        ['stuffs', [{ _id: 2, n: 0 }]],
      ])
      expect(back.of('delta').map(({ data }) => data.root)).to.deep.equal(['all'])
      await until(() => back.names().includes('session'))
    }
  })

  it('is shown nothing of a time without the relation, though others had it', async () => {
    await store.collection('userstuffs').insertOne({ _id: 2, userId: 'ben', stuffId: 1 })
    const urls = [await startNode(), await startNode()]
    for (const url of urls) await open(url, await handshake(url, 'ben'))
    const token = await handshake(urls[0] ?? '')
    const stream = await open(urls[0] ?? '', token)
    stream.close()
    const link = (stuffId: number) =>
      store.collection('userstuffs').updateOne({ _id: 1 }, { $set: { stuffId } })
    const write = (text: string) => store.collection('stuffs').updateOne({ _id: 1 }, { $set: { text } })
    await link(2)
    await write('hidden')
    await link(1)
    await write('shown')
    for (const url of urls) {
      const back = await open(url, token, stream.lastId())
      expect(JSON.stringify(back.events)).not.to.contain('hidden')
      expect(JSON.stringify(back.events)).to.contain('shown')
    }
  })

  it('resumes with the token that came with a change of it, in mid-stream', async () => {
    const url = await startNode()
    const stream = await open(url, await handshake(url))
    await store.collection('userstuffs').insertOne({ _id: 2, userId: 'ann', stuffId: 2 })
    await until(() => stream.of('ready').length === 2 && stream.of('session').length === 1)
    expect(stream.of('delta').map(({ data }) => data.oplist)).to.deep.equal([
      [{ operation: 'set', id: 2, path: '.', data: { _id: 2, n: 0 } }],
    ])
    stream.close()
    await store.collection('stuffs').updateOne({ _id: 2 }, { $inc: { n: 1 } })
    await store.collection('stuffs').updateOne({ _id: 3 }, { $inc: { n: 1 } })
    const token = stream.of('session')[0]?.data.token
    for (const node of [url, await startNode()]) {
      const back = await open(node, token, stream.lastId())
      expect(back.events[0]?.data.resumed).to.equal(true)
      expect(back.names()).not.to.include.oneOf(['reset', 'payload', 'session'])
      expect(back.of('delta').length).to.equal(1)
    }
  })

  it('is turned away for now where that can’t be read, rather than shown something else', async function () {
    this.timeout(30_000)
    const url = await startNode()
    const token = await handshake(url)
    const read = store.read.bind(store)
    store.read = async (...given) => {
      if (given[0] === 'userstuffs') throw new Error('the words of the database')
      return read(...given)
    }
    // Until what was read for the handshake lingers no more.
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    const response = await fetch(`${url}/stream`, { headers: { Authorization: `Bearer ${token}` } })
    expect(response.status).to.equal(503)
    expect(await response.text()).not.to.contain('the words of the database')
    expect(errors.length).to.be.above(0)
    store.read = read
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    const stream = await open(url, token)
    expect(stream.of('payload').find(({ data }) => data.root === 'stuffs')?.data.data).to.deep.equal([
      { _id: 1, n: 0 },
    ])
  })
})
