import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { collect } from '../support/garbage.ts'
import { eventually, listen, shake } from '../support/http.ts'

const HEAD = 'HTTP/1.1\r\nHost: x\r\n'
const GET = `GET /particle/stream ${HEAD}\r\n`
const HANDSHAKE = `POST /particle/handshake ${HEAD}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`
/** How long the random mix takes, in milliseconds: a minute by `MIX_SECONDS=60`. */
const MIX = Number(process.env.MIX_SECONDS ?? 3) * 1000

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A server whose admissions take a moment, behind a middleware that does what the header `x-act` says. */
class Station {
  readonly server: Server
  readonly users = memory().collection('users')
  readonly errors: Error[] = []
  readonly #http = createServer((request, response) => this.#serve(request, response))
  readonly #http2 = http2.createServer((request, response) =>
    this.#serve(request as unknown as IncomingMessage, response as unknown as ServerResponse),
  )
  readonly #sockets = new Set<Socket>()

  constructor() {
    this.server = new Server({
      dataSources: { users: { manifest: true, collection: this.users } },
      onError: (error) => this.errors.push(error),
      heartbeat: 60_000,
    })
    const open = this.server.openStream.bind(this.server)
    Object.assign(this.server, {
      openStream: async (...given: Parameters<typeof open>) => {
        await later(5)
        return open(...given)
      },
    })
  }

  get connections(): number {
    return this.server.stats().connections
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port
  }

  async start(): Promise<void> {
    await once(this.#http.listen(0, '127.0.0.1'), 'listening')
    await once(this.#http2.listen(0, '127.0.0.1'), 'listening')
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#http.closeAllConnections()
    this.#http.close()
    this.#http2.close()
    await this.server.disconnect()
  }

  /** A connection with what is sent over it first. */
  connect(text: string, options: { allowHalfOpen?: boolean } = {}): Socket {
    const socket = connect({ port: this.port, host: '127.0.0.1', ...options })
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.write(text)
    return socket
  }

  /** An HTTP/2 session of its own. */
  session(): http2.ClientHttp2Session {
    const session = http2.connect(`http://127.0.0.1:${(this.#http2.address() as AddressInfo).port}`)
    session.on('error', () => {})
    return session
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const particle = this.#particle
    const act = request.headers['x-act']
    if (act === 'slow') setTimeout(particle, 10, request, response)
    else if (act === 'begun') {
      response.writeHead(200)
      particle(request, response)
    } else {
      particle(request, response)
      if (act === 'answered') setTimeout(() => response.headersSent || response.writeHead(503).end(), 2)
      if (act === 'destroyed') setTimeout(() => response.destroy(), 2)
      if (act === 'ended') setTimeout(() => response.end(), 20)
      if (act === 'destroyed later') setTimeout(() => response.destroy(), 20)
    }
  }

  get #particle() {
    this.#handler ??= this.server.middleware()
    return this.#handler
  }

  #handler: ReturnType<Server['middleware']> | undefined
}

/** Everything that came over a connection. */
function reading(socket: Socket): () => string {
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  return () => text
}

/** One way in which a request ends without a response of its own, by its name. */
const WAYS: Record<string, (station: Station) => Promise<unknown>> = {
  'pipelined, and the connection is gone': async (station) => {
    const socket = station.connect(GET.repeat(200))
    await later(15)
    socket.destroy()
  },
  'pipelined behind a handshake, and the connection is gone': async (station) => {
    const socket = station.connect(HANDSHAKE + GET.repeat(3))
    await later(40)
    socket.destroy()
  },
  'a connection that is gone at once': async (station) => {
    const socket = station.connect(GET)
    await turn()
    socket.destroy()
  },
  'a connection that is reset': async (station) => {
    const socket = station.connect(GET)
    await later(3)
    socket.resetAndDestroy()
  },
  'a connection that is gone before the handler runs': async (station) => {
    const socket = station.connect(`GET /particle/stream ${HEAD}x-act: slow\r\n\r\n`)
    await later(4)
    socket.destroy()
    await later(10)
  },
  HEAD: async (station) => {
    const socket = station.connect(`HEAD /particle/stream ${HEAD}\r\n`)
    await later(10)
    socket.destroy()
  },
  'an upgrade': async (station) => {
    const socket = station.connect(
      `GET /particle/stream ${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    )
    await later(10)
    socket.destroy()
  },
  'an answer by another middleware meanwhile': async (station) => {
    const socket = station.connect(`GET /particle/stream ${HEAD}x-act: answered\r\n\r\n`)
    await later(15)
    socket.destroy()
  },
  'an answer that another middleware began': async (station) => {
    const socket = station.connect(`GET /particle/stream ${HEAD}x-act: begun\r\n\r\n`)
    await once(socket.resume(), 'close')
  },
  'an end by another middleware': async (station) => {
    const socket = station.connect(`GET /particle/stream ${HEAD}x-act: ended\r\n\r\n`)
    await once(socket.resume(), 'close')
  },
  'response.destroy() before the head': async (station) => {
    const socket = station.connect(`GET /particle/stream ${HEAD}x-act: destroyed\r\n\r\n`)
    await once(socket.resume(), 'close')
  },
  'response.destroy() after the head': async (station) => {
    const socket = station.connect(`GET /particle/stream ${HEAD}x-act: destroyed later\r\n\r\n`)
    await once(socket.resume(), 'close')
  },
  'a client that closes its half': async (station) => {
    const socket = station.connect(GET, { allowHalfOpen: true })
    socket.end()
    await once(socket.resume(), 'end')
    socket.destroy()
  },
  'a client that closes its half of a pipeline': async (station) => {
    const socket = station.connect(GET.repeat(5), { allowHalfOpen: true })
    await later(10)
    socket.end()
    await once(socket.resume(), 'end')
    socket.destroy()
  },
  'an HTTP/2 stream that is reset before its head': async (station) => {
    const session = station.session()
    const stream = session.request({ ':path': '/particle/stream' })
    stream.on('error', () => {})
    await later(2)
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await later(10)
    session.close()
  },
  'an HTTP/2 stream that is reset after its head': async (station) => {
    const session = station.session()
    const stream = session.request({ ':path': '/particle/stream' })
    stream.on('error', () => {})
    await once(stream, 'response')
    stream.close(http2.constants.NGHTTP2_CANCEL)
    session.close()
  },
  'an HTTP/2 session that is gone': async (station) => {
    const session = station.session()
    for (let count = 0; count < 10; count++)
      session.request({ ':path': '/particle/stream' }).on('error', () => {})
    await later(8)
    session.destroy()
  },
}

describe('A request that ends without a response of its own', () => {
  let station: Station
  beforeEach(async () => {
    station = new Station()
    await station.start()
  })
  afterEach(() => station.stop())

  for (const [name, go] of Object.entries(WAYS)) {
    it(`leaves nothing open: ${name}`, async () => {
      await go(station)
      await eventually(() => station.connections === 0, 'the release')
      // What was still on its way may open one after that, and is released too.
      await later(20)
      await eventually(() => station.connections === 0, 'the release of what came late')
      const expected = name.includes('began') ? ['CALLBACK_FAILED'] : []
      expect(station.errors.map((error) => Reflect.get(error, 'code'))).to.deep.equal(expected)
    })
  }

  it('has one stream a connection, the last that it carries', async () => {
    const socket = station.connect(HANDSHAKE + GET.repeat(200) + HANDSHAKE)
    const text = reading(socket)
    await eventually(() => text().includes('event: ready'), 'the stream')
    await later(30)
    expect(station.connections).to.equal(1)
    expect(text().match(/HTTP\/1\.1 200 OK\r\n/g)).to.have.length(2)
    expect(text()).to.match(/Connection: close\r\n/)
    station.server.revoke(() => true)
    await once(socket, 'close')
    expect(text()).to.match(/event: revoked[\s\S]*\r\n0\r\n\r\n$/)
    expect(station.connections).to.equal(0)
  })

  it('asks no lookup for handshakes that are pipelined behind a stream', async () => {
    let lookups = 0
    const server = new Server({ dataSources: {}, identityLookup: () => ++lookups, onError: () => {} })
    const listening = await listen(server.middleware())
    const { token } = await shake(`${listening.url}/particle`)
    const socket = connect(listening.port, '127.0.0.1')
    const text = reading(socket)
    const authorized = GET.replace('\r\n\r\n', `\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    socket.write(authorized + HANDSHAKE.repeat(50))
    // Waits for the end of the connection, or for a stream that opens after all were read.
    await eventually(() => socket.destroyed || text().includes('event: ready'), 'the stream')
    await later(30)
    expect(lookups).to.equal(1)
    socket.destroy()
    await eventually(() => server.stats().connections === 0, 'the release')
    await listening.close()
  })

  it('holds no memory for what is pipelined behind a stream', async function () {
    if (!collect) return this.skip()
    const used = () => {
      collect?.()
      const { heapUsed, external } = process.memoryUsage()
      return (heapUsed + external) / (1 << 20)
    }
    const sockets = Array.from({ length: 6 }, () => station.connect(GET.repeat(200)).resume())
    await eventually(() => station.connections === 6, 'the streams')
    const before = used()
    for (let count = 0; count < 40; count++) {
      await station.users.insertOne({ _id: count, text: 'x'.repeat(50_000) })
      await turn()
    }
    await station.users.deleteMany({})
    await later(50)
    expect(station.connections).to.equal(6)
    // Each of 1,200 streams would hold the 2 MB of deltas, or its share of the replay.
    expect(used() - before).to.be.lessThan(30)
    for (const socket of sockets) socket.destroy()
    await eventually(() => station.connections === 0, 'the release')
  })

  it(`leaves nothing open after ${MIX / 1000} s of a random mix`, async function () {
    this.timeout(MIX + 20_000)
    let state = 4711
    const random = (bound: number) => {
      state = (state * 16807) % 2147483647
      return state % bound
    }
    const ways = Object.values(WAYS)
    const end = Date.now() + MIX
    const work = async () => {
      while (Date.now() < end) {
        await Promise.race([ways[random(ways.length)]?.(station), later(1000)])
        await station.users.insertOne({ text: 'x'.repeat(random(2000)) })
      }
    }
    await Promise.all(Array.from({ length: 8 }, work))
    await eventually(() => station.connections === 0, 'the release')
    expect(new Set(station.errors.map((error) => Reflect.get(error, 'code')))).to.have.all.keys([
      'CALLBACK_FAILED',
    ])
    expect(station.server.stats().views).to.equal(0)
  })
})
