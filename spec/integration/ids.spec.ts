import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Server } from '../../lib/server/index.ts'
import { fingerprintsOf, keyOf, rightsOf } from '../../lib/server/view/fingerprint.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { LocalClient, until } from '../support/local.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

/** Milliseconds: the least that there can be between two pings. */
const HEARTBEAT = 100

describe('What an id tells', () => {
  const nodes: { server: Server; listening: http.Server }[] = []
  const streams: StreamReader[] = []

  /** A client of whose views nothing matches what is written. */
  const connect = async (score = 723) => {
    const store = memory()
    const scores = store.collection('scores')
    const server = new Server({
      heartbeat: HEARTBEAT,
      sessionTtl: 60_000,
      identityLookup: () => ({ score }),
      dataSources: { scores: { manifest: true, collection: scores, criteria: { score: '@score' } } },
    })
    const listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    nodes.push({ server, listening })
    const url = `http://localhost:${(listening.address() as AddressInfo).port}/particle`
    const response = await fetch(`${url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    })
    const { token } = (await response.json()) as { token: string }
    const stream = await readStream(`${url}/stream`, { Authorization: `Bearer ${token}` })
    streams.push(stream)
    await until(() => stream.names().includes('ready'))
    const idsOf = () => stream.events.flatMap(({ id }) => id ?? [])
    return { scores, stream, idsOf, store }
  }

  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close()
    for (const { server, listening } of nodes.splice(0)) {
      await server.disconnect()
      listening.close()
    }
  })

  it('is the same whether others’ documents are written, or nothing: another text at each heartbeat', async () => {
    const [quiet, busy] = [await connect(), await connect()]
    let written = 0
    while (quiet.idsOf().length < 5 || busy.idsOf().length < 5 || written <= 50) {
      await busy.scores.insertOne({ _id: ++written, score: 1 })
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const { idsOf, stream } of [quiet, busy]) {
      expect(new Set(idsOf()).size).to.equal(idsOf().length)
      expect(new Set(idsOf().map(({ length }) => length)).size).to.equal(1)
      expect(new Set(stream.names())).to.deep.equal(new Set(['manifest', 'payload', 'ready', 'ping']))
    }
    expect(quiet.idsOf()[0]?.length).to.equal(busy.idsOf()[0]?.length)
  })

  it('is neither how much was written, nor where a store is, nor what the client may see', async () => {
    const { idsOf, scores, store, stream } = await connect()
    for (let n = 0; n < 100; n++) {
      await scores.insertOne({ _id: n, score: 723 })
      // Ends the turn, whose changes would be one event.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => stream.of('delta').length === 100)
    const { to: position } = await store.read('scores', {}, () => {})
    const names = Array.from({ length: 1000 }, (_, score) =>
      rightsOf(
        fingerprintsOf([{ root: 'scores', key: keyOf(['scores', 'true', 'scores', `{"score":${score}}`]) }]),
      ),
    )
    const [epoch = ''] = position.split('-')
    for (const id of idsOf()) {
      const plain = Buffer.from(id, 'base64url').toString('latin1')
      const told = [...names, position, epoch].filter((text) => id.includes(text) || plain.includes(text))
      expect(told).to.deep.equal([])
    }
    const ids = stream.of('delta').flatMap(({ id }) => id ?? [])
    expect(new Set(ids).size).to.equal(100)
    // Nothing that two ids have in common can be counted on.
    const counts = new Map<string, number>()
    for (const id of ids) counts.set(id.slice(0, 8), (counts.get(id.slice(0, 8)) ?? 0) + 1)
    expect(Math.max(...counts.values())).to.equal(1)
  })

  it('is one text for all who are told the same at once', async () => {
    const store = memory()
    const notes = store.collection('notes')
    const server = new Server({ dataSources: { notes: { manifest: true, collection: notes } } })
    const clients = await Promise.all([1, 2, 3].map(() => LocalClient.connect(server)))
    await until(() => clients.every(({ ready }) => ready))
    await notes.insertOne({ _id: 1 })
    await until(() => clients.every((client) => client.of('delta').length === 1))
    expect(new Set(clients.map((client) => client.of('delta')[0]?.id)).size).to.equal(1)
    await server.disconnect()
  })
})
