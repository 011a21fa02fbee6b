import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import { expect } from 'chai'
import { Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, shake } from '../support/http.ts'

const BUDGET = 200_000
const room = (name: string) => `messages?${JSON.stringify({ room: name })}`

/** A client can watch many roots, and read none of them. */
describe('A slow client that watches many roots', () => {
  const warnings: string[] = []
  const noteWarning = ({ name }: Error) => warnings.push(name)
  let store: ReturnType<typeof memory>
  let server: Server
  let listening: http.Server
  let url: string
  /** The most bytes that waited in the server for any client. */
  let most: number
  let watching: NodeJS.Timeout
  let client: Socket | undefined
  let text: string

  beforeEach(async () => {
    store = memory()
    most = 0
    text = ''
    warnings.length = 0
    process.on('warning', noteWarning)
    server = new Server({
      identityLookup: (user) => ({ user: String(user) }),
      dataSources: {
        counts: { collection: store.collection('counts'), manifest: { n: true } },
        messages: {
          collection: store.collection('messages'),
          manifest: { room: true, text: true },
          params: { room: 'string' },
          criteria: { room: ':room' },
        },
      },
      maxBufferedBytes: BUDGET,
      onError: () => {},
    })
    listening = http.createServer(server.middleware()).listen(0)
    const sockets = new Set<Socket>()
    listening.on('connection', (socket) => sockets.add(socket))
    watching = setInterval(() => {
      for (const { writableLength } of sockets) most = Math.max(most, writableLength)
    }, 2)
    await once(listening, 'listening')
    url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/particle`
  })
  afterEach(async () => {
    clearInterval(watching)
    client?.destroy()
    process.off('warning', noteWarning)
    await server.disconnect()
    listening.close()
    listening.closeAllConnections()
  })

  const post = (route: string, body: object) => {
    const { port } = listening.address() as AddressInfo
    const json = JSON.stringify(body)
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.write(
      `POST /particle/${route} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
    )
    return socket
  }
  /** Opens a stream by hand, whose reader can stop. */
  const open = async (token: string, watch: string[]) => {
    client = post('stream', { token, watch })
    client.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    await eventually(() => text.includes('event: manifest'), 'the stream')
    return client
  }
  const watch = async (token: string, change: object) => {
    const response = await fetch(`${url}/watch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify(change),
    })
    expect(response.status).to.equal(200)
    await response.arrayBuffer()
  }

  it('costs no more than its budget by refused and by changed roots, and has the last list when it reads on', async function () {
    this.timeout(60_000)
    const { token } = await shake(url, 'ann')
    const stream = await open(token, [])
    stream.pause()
    const refused = Array.from({ length: 400 }, (_, n) => 'x'.repeat(900) + n)
    const names = Array.from({ length: 90 }, (_, n) => room('y'.repeat(240) + n))
    // The system's own buffers take some megabytes before the server sees that nobody reads.
    for (let n = 0; n < 30; n++) {
      await watch(token, { add: refused })
      await watch(token, n % 2 ? { remove: names } : { add: names })
    }
    await watch(token, { add: [room('last')], remove: names })
    expect(most).to.be.within(1, 3 * BUDGET)
    await store.collection('messages').insertOne({ _id: 1, room: 'last', text: 'the last one' })
    stream.resume()
    await eventually(() => text.includes('the last one'), 'the room', 10_000)
    const lists = [...text.matchAll(/event: watching\ndata: \{"watch":(\[.*?\]),"sources"/g)]
    expect(JSON.parse(lists.at(-1)?.[1] ?? '')).to.deep.equal([room('last')])
  })

  it('gets one root after the other, and none of them again for its slowness', async function () {
    this.timeout(60_000)
    const rooms = Array.from({ length: 40 }, (_, n) => `room ${n}`)
    for (const name of rooms)
      for (let n = 0; n < 10; n++)
        await store
          .collection('messages')
          .insertOne({ _id: `${name} ${n}`, room: name, text: 'x'.repeat(10_000) })
    await store.collection('counts').insertOne({ _id: 1, n: 0 })
    const { token } = await shake(url, 'ann')
    const stream = await open(token, rooms.map(room))
    stream.on('data', (chunk) => {
      stream.pause()
      setTimeout(() => stream.resume(), chunk.length / 4_000)
    })
    const writes = setInterval(
      () => void store.collection('counts').updateOne({ _id: 1 }, { $inc: { n: 1 } }),
      10,
    )
    try {
      await eventually(() => text.includes('event: ready'), 'ready', 30_000)
    } finally {
      clearInterval(writes)
    }
    expect(text).not.to.include('slow-client')
    expect(most).to.be.below(2 * BUDGET)
    expect(warnings).to.deep.equal([])
  })
})
