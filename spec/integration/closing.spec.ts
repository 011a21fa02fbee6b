import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, createServer, type Server as HttpServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { Client } from '../../lib/client/client.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import type { Adapter, Subscription } from '../../lib/source/source.ts'
import { bundled } from '../support/bundled.ts'
import type { ClosingOptions } from '../support/closing/node.ts'
import { listen, shake } from '../support/http.ts'
import { until } from '../support/local.ts'
import { startNginx } from '../support/nginx.ts'
import { freePort, type Program, startProgram } from '../support/process.ts'
import { openStream } from '../support/sse.ts'

const PROGRAM = join(import.meta.dirname, '..', 'support', 'closing', 'node.ts')
const GUIDE = join(import.meta.dirname, '..', '..', 'docs', 'guides', 'nodes.md')
const CLIENTS = 60

interface Note extends Record<string, unknown> {
  port: number
}

describe('A node that closes behind the nginx configuration of docs/guides/nodes.md', function () {
  this.timeout(120_000)
  const secret = randomUUID()
  let ports: [number, number]
  let nginx: { stop(): Promise<void> } | undefined
  let url: string
  const nodes: Program[] = []
  let clients: Client[] = []

  /** Starts a node, which stands for another one that was replaced. */
  async function start(port: number, steps: ClosingOptions['steps']): Promise<Program> {
    const options: ClosingOptions = { port, secret, steps }
    const node = startProgram(process.execPath, [await bundled(PROGRAM), JSON.stringify(options)])
    nodes.push(node)
    await until(() => node.output().includes('listening'), 'a node listens', 20_000)
    return node
  }

  before(async function () {
    ports = [await freePort(), await freePort()]
    const port = await freePort()
    const guide = await readFile(GUIDE, 'utf8')
    const configuration = (/```nginx\n([\s\S]*?)```/.exec(guide)?.[1] ?? '')
      .replace('127.0.0.1:3001', `127.0.0.1:${ports[0]}`)
      .replace('127.0.0.1:3002', `127.0.0.1:${ports[1]}`)
      .replace('listen 8080', `listen 127.0.0.1:${port}`)
    const started = await startNginx(configuration, port)
    if ('missing' in started) {
      console.log(`      skipped: ${started.missing}`)
      return this.skip()
    }
    nginx = started
    url = `http://127.0.0.1:${port}/particle`
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await Promise.all(nodes.splice(0).map((node) => node.stop('SIGKILL')))
  })
  after(async () => nginx?.stop())

  const portOf = (client: Client) => (client.data.notes as Note[] | undefined)?.[0]?.port
  const open = (node: Program) => Number(/.*open (\d+)/s.exec(node.output())?.[1] ?? 0)

  const orders: [string, ClosingOptions['steps']][] = [
    ['disconnect(), then http.close()', ['disconnect', 'close']],
    ['http.close(), then disconnect()', ['close', 'disconnect']],
    ['http.close() alone', ['close']],
    ['disconnect() alone, while it goes on to listen', ['disconnect']],
  ]
  for (const [name, steps] of orders) {
    it(`loses nobody for more than 3 s, and ends within 1 s: ${name}`, async () => {
      const [going, staying] = await Promise.all([start(ports[0], steps), start(ports[1], [])])
      clients = Array.from({ length: CLIENTS }, (_, index) => new Client({ url, identity: { index } }))
      await until(() => clients.every(({ status }) => status === 'ready'), 'all are ready', 20_000)
      const leaving = clients.filter((client) => portOf(client) === ports[0])
      expect(leaving.length).to.be.within(CLIENTS / 4, (CLIENTS * 3) / 4)

      const began = performance.now()
      going.child.kill('SIGTERM')
      let closed = Number.NaN
      const back = (client: Client) => client.status === 'ready' && portOf(client) === ports[1]
      await until(
        () => {
          if (Number.isNaN(closed) && going.output().includes('closed')) closed = performance.now() - began
          return clients.every(back)
        },
        'all are back on the other node',
        10_000,
      )
      const away = performance.now() - began
      expect(away).to.be.lessThan(3000)
      if (steps.includes('close')) expect(closed).to.be.lessThan(1000)
      await until(() => open(staying) === CLIENTS, 'all are on the other node')
      expect(open(going)).to.equal(0)
    })
  }
})

describe('A server that closes', () => {
  const KEPT = new Agent({ keepAlive: true })
  let http: HttpServer
  let server: Server
  let url: string
  let answer: (() => void) | undefined

  beforeEach(async () => {
    answer = undefined
    server = new Server({
      dataSources: { notes: { manifest: true, collection: memory().collection('notes') } },
      identityLookup: (identity: { slow?: boolean }, done: (error: null, identity: object) => void) => {
        answer = () => done(null, {})
        if (!identity.slow) answer()
      },
    })
    http = createServer(server.middleware())
    await once(http.listen(0, '127.0.0.1'), 'listening')
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/particle`
  })
  afterEach(async () => {
    http.closeAllConnections()
    http.close()
    await server.disconnect()
  })
  after(() => KEPT.destroy())

  const ask = async (method: string, path: string, body?: string) => {
    const headers = { 'Content-Type': 'application/json' }
    const outgoing = request(`${url}${path}`, { method, headers, agent: KEPT }).end(body)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    return [response.statusCode, response.headers.connection]
  }
  const close = async () => {
    const began = performance.now()
    await new Promise((resolve) => http.close(resolve))
    return performance.now() - began
  }

  it('says Connection: close on all that it still answers, by 503 what is for it', async () => {
    expect(await ask('POST', '/handshake', '{"identity":{}}')).to.deep.equal([200, 'keep-alive'])
    await server.disconnect()
    expect(await ask('POST', '/handshake', '{"identity":{}}')).to.deep.equal([503, 'close'])
    expect(await ask('GET', '/stream')).to.deep.equal([503, 'close'])
    expect(await ask('GET', '/client.js')).to.deep.equal([200, 'close'])
    expect(await ask('GET', '/other')).to.deep.equal([404, 'close'])
    expect(await ask('OPTIONS', '/handshake')).to.deep.equal([204, 'close'])
    expect(await close()).to.be.lessThan(1000)
  })

  it('answers a handshake that it has taken, and waits for nothing more', async () => {
    const asked = ask('POST', '/handshake', '{"identity":{"slow":true}}')
    await until(() => answer !== undefined, 'the lookup')
    const closing = close()
    answer?.()
    expect(await asked).to.deep.equal([200, 'close'])
    expect(await closing).to.be.lessThan(1000)
  })

  it('ends its streams by itself, the sockets with them, and those of no other HTTP server', async () => {
    const other = await listen(server.middleware())
    const { token } = await shake(url, {})
    const headers = { Authorization: `Bearer ${token}` }
    const streams = [`${url}/stream`, `${url}/stream`, `${other.url}/particle/stream`]
    const readers = await Promise.all(streams.map((address) => openStream(address, headers)))
    await Promise.all(readers.map((reader) => reader.next('ready')))
    expect(await close()).to.be.lessThan(1000)
    await until(() => server.stats().connections === 1, 'the other one')
    readers[2]?.close()
    await other.close()
  })
})

describe('A server that closes while a source hangs', () => {
  type Step = 'past' | 'open' | 'read' | 'close'

  /** A source of which one step never comes to an end. */
  class Hanging implements Adapter {
    readonly name = 'hanging'
    readonly hanging: Step
    readonly begun: Step[] = []
    signal: AbortSignal | undefined

    constructor(hanging: Step) {
      this.hanging = hanging
    }
    async step<T>(step: Step, value: T): Promise<T> {
      this.begun.push(step)
      return this.hanging === step ? new Promise<never>(() => {}) : value
    }
    past() {
      return this.step('past', '0')
    }
    open(_listener: unknown, _from?: string, signal?: AbortSignal): Promise<Subscription> {
      this.signal = signal
      return this.step('open', { position: '0', close: () => this.step('close', undefined) })
    }
    read() {
      return this.step('read', { from: '0', to: '0' })
    }
    compare(a: string, b: string) {
      return Number(a) - Number(b)
    }
  }

  /** Closes a server, and returns how long that took, in milliseconds. */
  const timeOf = async (server: Server) => {
    const began = performance.now()
    await server.disconnect()
    return performance.now() - began
  }

  for (const step of ['past', 'open', 'read', 'close'] as const) {
    it(`waits for no more than about 1 s, and then runs the application's disconnect: ${step}`, async () => {
      const adapter = new Hanging(step)
      let disconnected = 0
      const server = new Server({
        dataSources: { notes: { manifest: true, collection: { adapter, collectionName: 'notes' } } },
        disconnect: () => {
          disconnected++
        },
        onError: () => {},
      })
      void server.register({}, () => {}).catch(() => {})
      await until(() => adapter.begun.includes(step === 'close' ? 'read' : step), step)
      expect(await timeOf(server)).to.be.lessThan(1_500)
      expect(disconnected).to.equal(1)
      if (step === 'open') expect(adapter.signal?.aborted).to.equal(true)
    })
  }

  it('waits for no callbacks that never answer', async () => {
    let asked = 0
    const never = () => {
      asked++
    }
    const dataSources = { notes: { manifest: true as const, payload: never, delta: never } }
    const server = new Server({ dataSources, onError: () => {} })
    void server.register({}, () => {}).catch(() => {})
    await until(() => asked > 0, 'a callback')
    expect(await timeOf(server)).to.be.lessThan(1_500)
  })

  it('gives up a MongoDB that can not be reached, and asks it no more', async () => {
    const client = new MongoClient(`mongodb://127.0.0.1:${await freePort()}/`, {
      serverSelectionTimeoutMS: 100,
    })
    const errors: string[] = []
    const server = new Server({
      dataSources: { notes: { manifest: true, collection: mongo(client.db('d')).collection('notes') } },
      onError: ({ message }) => errors.push(message),
    })
    void server.register({}, () => {}).catch(() => {})
    await until(() => errors.length > 0, 'a failure')
    expect(errors[0]).to.include('connect ECONNREFUSED')
    expect(await timeOf(server)).to.be.lessThan(300)
    const { length } = errors
    // Longer than the first pause between two tries.
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(errors).to.have.length(length)
    await client.close()
  })
})
