import { expect } from 'chai'
import { Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Adapter, CollectionHandle } from '../../lib/source/source.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { presenting } from '../support/sse.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

const STREAMS = 11
const POSITIONS = 1_000

const SECRET = 'the secret of both nodes'

/** A collection of a node that has read more than the others will ever report. */
function ahead({ adapter, collectionName }: CollectionHandle): CollectionHandle {
  let n = 1e12
  const read: Adapter['read'] = async (...given) => {
    const result = await adapter.read(...given)
    return { ...result, to: result.to.replace(/\d+$/, String(n++)) }
  }
  const proxy = new Proxy<Adapter>(adapter, {
    get: (target, key) => {
      const value: unknown = key === 'read' ? read : Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { adapter: proxy, collectionName }
}

/** A client can collect positions of a node that is ahead, or that follows another store. */
describe('Positions that never come', () => {
  const tasks = memory().collection('tasks')
  const streams: StreamReader[] = []
  let server: Server
  let other: Server
  let listening: Listening

  before(async () => {
    await tasks.insertOne({ _id: 1, n: 0 })
    const serve = (collection: CollectionHandle) =>
      new Server({
        secret: SECRET,
        dataSources: { tasks: { collection, manifest: { n: true } } },
        identityLookup: (user) => ({ user: String(user) }),
        onError: () => {},
      })
    server = serve(tasks)
    other = serve(ahead(tasks))
    listening = await listen(server.middleware())
  })
  after(async () => {
    for (const stream of streams) stream.close()
    await Promise.all([server.disconnect(), other.disconnect()])
    await listening.close()
  })

  const reached = async (token: string, position: string[]) => {
    const response = await fetch(`${listening.url}/particle/reached`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify({ position }),
    })
    return response.status
  }
  /** The time of a hundred writes, in milliseconds. */
  const write = async () => {
    const began = performance.now()
    for (let n = 0; n < 100; n++) {
      await tasks.updateOne({ _id: 1 }, { $inc: { n: 1 } })
      await new Promise((resolve) => setImmediate(resolve))
    }
    return performance.now() - began
  }

  it('are limited for each address, and cost the others nothing', async function () {
    this.timeout(30_000)
    const tokens: string[] = []
    for (let n = 0; n < STREAMS; n++) {
      const { token } = await shake(`${listening.url}/particle`, n)
      tokens.push(token)
      streams.push(await readStream(`${listening.url}/particle/stream`, presenting(token)))
    }
    await eventually(() => streams.every((stream) => stream.of('ready').length === 1), 'ready')
    const before = await write()
    const fill = async (index: number) => {
      const positions: string[] = []
      for (let n = 0; n < POSITIONS; n++) positions.push(await other.position('tasks'))
      return reached(tokens[index] ?? '', positions)
    }
    const statuses: number[] = []
    for (let index = 1; index < STREAMS - 1; index++) statuses.push(await fill(index))
    const after = await write()
    // With a comparison for each position, the writes took a hundred times as long.
    expect(after).to.be.below(before * 5 + 500)
    const [honest] = streams
    await reached(tokens[0] ?? '', [await server.position('tasks')])
    await eventually(() => honest?.of('reached').length === 1, 'an honest position', 1_000)
    statuses.push(await fill(0), await fill(STREAMS - 1))
    expect(statuses).to.deep.equal([...Array(STREAMS - 1).fill(200), 429])
  })
})
