import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { Client } from '../../lib/client/client.ts'
import type { Json } from '../../lib/model/document.ts'
import { sameJson } from '../../lib/model/json.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { until } from '../support/local.ts'

describe('Client and server over HTTP', () => {
  let server: Server
  let listening: http.Server
  let port = 0
  const clients: Client[] = []

  const start = async (options: ServerOptions, at = 0) => {
    server = new Server(options)
    listening = http.createServer(server.middleware()).listen(at)
    await once(listening, 'listening')
    port = (listening.address() as AddressInfo).port
  }
  const stop = async () => {
    await server.disconnect()
    listening.closeAllConnections()
    await new Promise((resolve) => listening.close(resolve))
  }
  const connect = (identity: unknown = {}, more: object = {}) => {
    const client = new Client({
      url: `http://localhost:${port}/particle`,
      identity,
      onError: () => {},
      ...more,
    })
    clients.push(client)
    return client
  }
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await stop()
  })

  it('agree after a thousand random writes', async () => {
    const people = memory().collection('people')
    await start({ dataSources: { people: { manifest: true, collection: people } } })
    for (let i = 0; i < 20; i++) await people.insertOne({ _id: i, n: 0, list: [] })
    const client = connect()
    await client.ready()
    let seed = 7
    const random = (n: number) => {
      seed = (seed * 16807) % 2147483647
      return seed % n
    }
    for (let i = 0; i < 1000; i++) {
      const _id = random(30)
      const kind = random(8)
      if (kind === 0) await people.deleteOne({ _id })
      else if (kind === 1) await people.replaceOne({ _id }, { n: i, list: [i] }, { upsert: true })
      else if (kind === 2)
        await people.updateOne({ _id }, { $push: { list: { $each: [i, i + 1], $slice: -5 } } })
      else if (kind === 3) await people.updateOne({ _id }, { $pull: { list: { $gt: i - 3 } } })
      else if (kind === 4) await people.updateOne({ _id }, { $rename: { n: 'm' } })
      else if (kind === 5) await people.updateOne({ _id }, { $set: { 'deep.er': i } })
      else await people.updateOne({ _id }, { $inc: { n: 1 }, $addToSet: { list: i % 3 } })
    }
    const truth = await people.find().toArray()
    // The order of fields may differ: a replacement is told by what differs.
    await until(() => sameJson([...(client.data.people ?? [])] as Json, truth as Json))
    expect(client.status).to.equal('ready')
  })

  it('come together again after the server was gone, with no payload half shown', async () => {
    const people = memory().collection('people')
    const options = { dataSources: { people: { manifest: true, collection: people } } } as const
    await people.insertMany(Array.from({ length: 3000 }, (_, _id) => ({ _id, text: 'x'.repeat(100) })))
    await start(options)
    const sizes: number[] = []
    const statuses: string[] = []
    const client = connect(
      {},
      {
        onData: (data: Record<string, unknown[]>) => sizes.push(data.people?.length ?? 0),
        onStatus: (status: string) => statuses.push(status),
      },
    )
    await client.ready()
    const at = port
    await stop()
    await until(() => client.status === 'reconnecting')
    expect(client.data.people).to.have.length(3000)
    await people.deleteMany({ _id: { $lt: 1000 } })
    await start(options, at)
    await until(
      () => client.status === 'ready' && client.data.people?.length === 2000,
      'the client is back',
      10_000,
    )
    expect(sizes.filter((size) => size !== 3000 && size !== 2000)).to.deep.equal([])
    expect(statuses).to.include.members(['waiting', 'ready', 'reconnecting'])
  })

  it('come together by an EventSource that is given as an option, time after time', async () => {
    const people = memory().collection('people')
    await start({
      identityLookup: () => ({ user: 'ada' }),
      dataSources: { people: { manifest: true, collection: people } },
    })
    const client = connect({}, { EventSource })
    await client.ready()
    for (let _id = 0; _id < 3; _id++) {
      client.pause()
      await people.insertOne({ _id })
      client.resume()
      await until(() => client.status === 'ready' && client.data.people?.length === _id + 1)
    }
    expect(server.stats().connections).to.equal(1)
  })

  it('refuse and are refused', async () => {
    await start({
      identityLookup: (identity: { user?: string }) => (identity.user === 'ada' ? { user: 'ada' } : null),
      dataSources: { people: { manifest: true, collection: memory().collection('people') } },
    })
    const stranger = connect({ user: 'eve' })
    const refused = await stranger.ready().catch((error: { code: string }) => error.code)
    expect(refused).to.equal('UNAUTHORIZED')
    expect(stranger.status).to.equal('refused')
    const ada = connect({ user: 'ada' })
    await ada.ready()
    expect(ada.data).to.deep.equal({ people: [] })
  })
})
