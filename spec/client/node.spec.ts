import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Client } from '../../lib/client/node.ts'
import { CLOCK, type Clock } from '../../lib/client/transport.ts'
import { encode } from '../../lib/protocol/encode.ts'
import { delta, manifest, payload, set, TIMESTAMP } from './fakes.ts'

/** Real time, a hundred times as fast where the client waits. */
const FAST: Clock = { ...CLOCK, after: (milliseconds, callback) => CLOCK.after(milliseconds / 100, callback) }

/** A little server that does as it is told, on a real socket. */
class LittleServer {
  readonly handshakes: { identity: unknown; previous?: string }[] = []
  readonly streams: { request: IncomingMessage; response: ServerResponse; url: URL }[] = []
  /** Status codes to answer the next handshakes with; 200 after. */
  readonly answers: number[] = []
  /** Tokens that open no stream. */
  readonly refused = new Set<string>()
  heartbeat = 10_000
  onStream: () => void = () => {}
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => this.#handle(request, response))
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/particle`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://localhost')
    if (url.pathname === '/particle/handshake') {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      this.handshakes.push(JSON.parse(Buffer.concat(chunks).toString()))
      const status = this.answers.shift() ?? 200
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(
        JSON.stringify({
          token: `token-${this.handshakes.length}`,
          session: 's',
          stream: '/particle/stream?session=s',
          expiresAt: new Date(Date.now() + 3600_000).toISOString(),
          protocol: 1,
          heartbeat: this.heartbeat,
          ...(status === 200 ? {} : { token: undefined, error: { code: 'X', message: 'no' } }),
        }),
      )
      return
    }
    this.streams.push({ request, response, url })
    if (this.refused.has(String(request.headers.authorization))) {
      response.writeHead(401).end()
      return
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.flushHeaders()
    this.onStream()
  }

  send(event: string, data: object, id?: string): void {
    const text = encode({ event, data, ...(id === undefined ? {} : { id }) } as Parameters<typeof encode>[0])
    this.streams.at(-1)?.response.write(text)
  }

  load(): void {
    this.send('manifest', manifest())
    this.send('payload', payload([{ _id: 1, name: 'Ann' }]))
    this.send('ready', { timestamp: TIMESTAMP }, 'p1')
  }

  drop(): void {
    this.streams.at(-1)?.request.socket.destroy()
  }
}

describe('Client in Node', () => {
  let server: LittleServer
  let url: string
  let client: Client | undefined

  beforeEach(async () => {
    server = new LittleServer()
    url = await server.listen()
    server.onStream = () => server.load()
  })

  afterEach(() => {
    client?.close()
    server.close()
  })

  /** Waits until the client has this status. */
  const status = async (wanted: string) => {
    const end = Date.now() + 5000
    while (client?.status !== wanted) {
      if (Date.now() > end) throw new Error(`${client?.status}, not ${wanted}`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const connect = () => {
    client = new Client({ url, identity: { user: 'ann' } }, { clock: FAST })
    return client
  }

  it('presents its token in a header, and no URL holds it', async () => {
    await connect().ready()
    expect(client?.data).to.deep.equal({ users: [{ _id: 1, name: 'Ann' }] })
    expect(server.handshakes).to.deep.equal([{ identity: { user: 'ann' } }])
    expect(server.streams[0]?.request.headers.authorization).to.equal('Bearer token-1')
    expect(server.streams[0]?.request.url).to.equal('/particle/stream?session=s')
  })

  it('comes back with its last position when the socket drops', async () => {
    await connect().ready()
    server.onStream = () => {
      server.send('manifest', manifest({ users: true }, true))
      server.send('delta', delta([set(1, 'name', 'Eve')]), 'p2')
      server.send('ready', { timestamp: TIMESTAMP })
    }
    server.drop()
    await status('reconnecting')
    expect(client?.data).to.deep.equal({ users: [{ _id: 1, name: 'Ann' }] })
    await status('ready')
    expect(server.handshakes).to.have.length(1)
    expect(server.streams[1]?.url.searchParams.get('lastEventId')).to.equal('p1')
    expect(client?.data).to.deep.equal({ users: [{ _id: 1, name: 'Eve' }] })
  })

  it('presents itself anew when the token opens no stream', async () => {
    await connect().ready()
    server.refused.add('Bearer token-1')
    server.drop()
    await status('reconnecting')
    await status('ready')
    expect(server.handshakes[1]).to.deep.equal({ identity: { user: 'ann' }, previous: 'token-1' })
    expect(server.streams.map(({ request }) => request.headers.authorization)).to.deep.equal([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
    ])
  })

  it('comes back after 503', async () => {
    server.answers.push(503, 503)
    await connect().ready()
    expect(server.handshakes).to.have.length(3)
  })

  it('does not come back after 401', async () => {
    server.answers.push(401)
    const error = await connect()
      .ready()
      .catch(({ code }) => code)
    expect(error).to.equal('UNAUTHORIZED')
    expect(client?.status).to.equal('refused')
  })

  it('comes back when the server has gone silent', async () => {
    // A tenth of a second on the client's watch is one on the fast clock's; the clock itself shows real time.
    server.heartbeat = 40
    client = new Client(
      { url },
      {
        clock: {
          ...CLOCK,
          after: (milliseconds, callback) => CLOCK.after(Math.min(milliseconds, 100), callback),
        },
      },
    )
    await client.ready()
    await status('reconnecting')
    await status('ready')
    expect(server.streams.length).to.be.at.least(2)
  })

  it('lets go of its connection when it is closed', async () => {
    await connect().ready()
    const socket = server.streams[0]?.request.socket
    client?.close()
    await new Promise((resolve) => socket?.once('close', resolve))
    expect(client?.status).to.equal('closed')
    expect(server.streams).to.have.length(1)
  })
})
