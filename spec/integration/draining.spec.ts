import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import { Client } from '../../lib/client/client.ts'
import { ParticleError } from '../../lib/errors.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Adapter } from '../../lib/source/source.ts'
import { shake } from '../support/http.ts'
import { until } from '../support/local.ts'
import { openStream } from '../support/sse.ts'

const CLIENTS = 20
const SPAN_MS = 800

/*
 * Deploys meet this so: a node gets SIGTERM, and all of its clients must be on other nodes before the process ends.
 * If all streams end at once, all clients come back at once, and each costs a handshake and a lookup.
 */
describe('A server that drains', () => {
  const collection = memory().collection('notes')
  let server: Server
  let http: HttpServer
  let url: string
  const clients: Client[] = []

  beforeEach(async () => {
    server = new Server({
      dataSources: { notes: { manifest: true, collection } },
      identityLookup: (identity) => identity,
      retry: 400,
    })
    http = createServer(server.middleware())
    await once(http.listen(0, '127.0.0.1'), 'listening')
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/particle`
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    http.closeAllConnections()
    http.close()
    await server.disconnect()
  })

  const connect = async () => {
    for (let index = 0; index < CLIENTS; index++) clients.push(new Client({ url, identity: { index } }))
    await until(() => clients.every(({ status }) => status === 'ready'), 'all are ready', 20_000)
  }

  it('ends its streams one after the other over the time, in their order', async () => {
    await connect()
    const left: number[] = []
    const began = performance.now()
    const look = setInterval(() => left.push(server.stats().connections), SPAN_MS / 20)
    await server.drain({ ms: SPAN_MS })
    clearInterval(look)
    expect(performance.now() - began).to.be.greaterThan(SPAN_MS * 0.8)
    expect(server.stats().connections).to.equal(0)
    const between = new Set(left.filter((count) => count > 0 && count < CLIENTS))
    expect(between.size).to.be.greaterThan(3)
    expect(left).to.deep.equal([...left].sort((a, b) => b - a))
  })

  it('opens no stream meanwhile, and goes on to serve the clients of its open streams', async () => {
    const { token } = await shake(url, {})
    const reader = await openStream(`${url}/stream`, { Authorization: `Bearer ${token}` })
    await reader.next('ready')
    const draining = server.drain({ ms: SPAN_MS })
    const post = (path: string, body: object) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      })
    const refused = await post('/handshake', { identity: {} })
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '2'])
    expect((await fetch(`${url}/stream`, { headers: { Authorization: `Bearer ${token}` } })).status).to.equal(
      503,
    )
    const reached = await post('/reached', { position: await server.position('notes') })
    expect([reached.status, await reached.json()]).to.deep.equal([200, { live: true }])
    await collection.insertOne({ text: 'written meanwhile' })
    expect((await reader.next('delta')).data).to.include({ root: 'notes' })
    await draining
  })

  it('has each client wait for another time before it comes back', async () => {
    const texts = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const { token } = await shake(url, {})
        const response = await fetch(`${url}/stream`, { headers: { Authorization: `Bearer ${token}` } })
        return response.text.bind(response)
      }),
    )
    const reading = texts.map((text) => text())
    await until(() => server.stats().connections === 8, 'all are open')
    await server.drain({ ms: 0 })
    const waits = (await Promise.all(reading)).map((text) => Number(/retry: (\d+)\n\n$/.exec(text)?.[1]))
    for (const wait of waits) expect(wait).to.be.within(200, 600)
    expect(new Set(waits).size).to.be.greaterThan(1)
  })

  for (const first of ['drain', 'close'])
    it(`lets http.close() end with the last stream, ${first === 'drain' ? 'after' : 'before'} the call`, async () => {
      await connect()
      const began = performance.now()
      const close = () => new Promise((resolve) => http.close(resolve))
      const closing = first === 'close' ? close() : undefined
      const draining = server.drain({ ms: SPAN_MS })
      await (closing ?? close())
      expect(performance.now() - began).to.be.within(SPAN_MS * 0.8, SPAN_MS * 4)
      await draining
    })

  it('ends at once without streams, and with disconnect()', async () => {
    await server.drain()
    const other = new Server({ dataSources: { notes: { manifest: true, collection } } })
    await other.register({}, () => {})
    const draining = other.drain()
    await other.disconnect()
    await draining
  })

  it('refuses a time that is none, and options that it does not know', async () => {
    for (const given of [
      { ms: -1 },
      { ms: '5' },
      { ms: Number.POSITIVE_INFINITY },
      5000,
      null,
      { seconds: 5 },
    ]) {
      const error = await Reflect.apply(server.drain, server, [given]).catch((reason: unknown) => reason)
      expect(error, JSON.stringify(given))
        .to.be.an.instanceOf(ParticleError)
        .with.property('code', 'INVALID_OPTION')
    }
  })
})

describe('Probes of a server', () => {
  /** A store that is down until it is told otherwise. */
  const failing = (state: { down: boolean }): Adapter => {
    const adapter = memory()
    const check = () => {
      if (state.down) throw new Error('connection refused')
    }
    return {
      name: 'store',
      open: (listener, from) => {
        check()
        return adapter.open(listener, from)
      },
      past: (ms) => {
        check()
        return adapter.past(ms)
      },
      read: (name, query, each) => {
        check()
        return adapter.read(name, query, each)
      },
      compare: (a, b) => adapter.compare(a, b),
    }
  }

  const ask = async (url: string) => {
    const response = await fetch(url)
    expect(response.headers.get('cache-control')).to.equal('no-store')
    return [response.status, await response.json()]
  }

  it('say that the process answers, and whether each source does', async () => {
    const state = { down: true }
    const server = new Server({
      dataSources: {
        notes: { manifest: true, collection: { adapter: failing(state), collectionName: 'notes' } },
        users: { manifest: true, collection: memory().collection('users') },
      } as never,
      onError: () => {},
    })
    const app = express()
    app.get('/healthz', server.healthz())
    app.get('/readyz', server.readyz())
    const http = app.listen(0)
    await once(http, 'listening')
    const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    try {
      expect(await ask(`${base}/healthz`)).to.deep.equal([200, { ready: true }])
      const down = { ready: false, closing: false, sources: { store: 'closed', memory: 'ok' }, control: true }
      expect(await ask(`${base}/readyz`)).to.deep.equal([503, down])
      state.down = false
      expect(await ask(`${base}/readyz`)).to.deep.equal([
        200,
        { ready: true, closing: false, sources: { store: 'ok', memory: 'ok' }, control: true },
      ])
      expect(() => Reflect.apply(server.readyz, server, [{}, {}])).to.throw(
        ParticleError,
        'readyz makes a handler',
      )
      await server.drain()
      expect((await ask(`${base}/readyz`))[0]).to.equal(503)
      expect((await ask(`${base}/healthz`))[0]).to.equal(200)
    } finally {
      http.close()
      await server.disconnect()
    }
  })
})
