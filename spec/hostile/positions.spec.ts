import { expect } from 'chai'
import { Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { presenting } from '../support/sse.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

const STREAMS = 11
const POSITIONS = 1_000

/** A client can make up positions, since they are not sealed. */
describe('Positions that never come', () => {
  const tasks = memory().collection('tasks')
  const streams: StreamReader[] = []
  let server: Server
  let listening: Listening

  before(async () => {
    await tasks.insertOne({ _id: 1, n: 0 })
    server = new Server({
      dataSources: { tasks: { collection: tasks, manifest: { n: true } } },
      identityLookup: (user) => ({ user: String(user) }),
      onError: () => {},
    })
    listening = await listen(server.middleware())
  })
  after(async () => {
    for (const stream of streams) stream.close()
    await server.disconnect()
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
    const present = Buffer.from(await server.position('tasks'), 'base64url').toString()
    const forge = (n: number) => Buffer.from(present.replace(/\d+$/, String(1e12 + n))).toString('base64url')
    const fill = (index: number) =>
      reached(
        tokens[index] ?? '',
        Array.from({ length: POSITIONS }, (_, n) => forge(index * POSITIONS + n)),
      )
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
