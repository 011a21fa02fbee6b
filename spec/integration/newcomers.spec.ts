import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Server } from '../../lib/server/index.ts'
import { yieldToEventLoop } from '../../lib/server/support/scheduling.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { CountingAdapter } from '../support/counting.ts'

const NEWCOMERS = 60

/** Newcomers to a small view that changes all the time. */
describe('Newcomers to a busy view', function () {
  this.timeout(60_000)
  let server: Server
  let listening: http.Server
  const store = memory()
  const adapter = new CountingAdapter(store)
  const scores = store.collection('scores')
  const requests: http.ClientRequest[] = []

  before(async () => {
    await scores.insertMany(
      Array.from({ length: 10 }, (_, _id) => ({ _id, name: `player ${_id}`, points: 0 })),
    )
    server = new Server({
      dataSources: {
        scores: { manifest: { name: true, points: true }, collection: adapter.handle('scores') },
      },
      maxConnections: 3 * NEWCOMERS,
    })
    listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
  })
  after(async () => {
    for (const request of requests) request.destroy()
    await server.disconnect()
    listening.close()
  })

  /** Opens a stream, and returns its text up to the event `ready`. */
  const come = () =>
    new Promise<string>((resolve, reject) => {
      const { port } = listening.address() as AddressInfo
      const request = http.get({ port, path: '/particle/stream', agent: false }, (response) => {
        let text = ''
        const read = (chunk: string) => {
          text += chunk
          if (!text.includes('event: ready\n')) return
          response.off('data', read).resume()
          resolve(text)
        }
        response.setEncoding('utf8').on('data', read)
      })
      request.on('error', reject)
      requests.push(request)
    })
  const play = async (times: number) => {
    for (let time = 0; time < times; time++)
      await scores.updateOne({ _id: time % 10 }, { $inc: { points: 1 } })
  }
  const total = async () =>
    (await scores.find().toArray()).reduce((sum, { points }) => sum + Number(points), 0)
  const totalIn = (text: string) =>
    [...text.matchAll(/"points":(\d+)/g)].reduce((sum, [, points]) => sum + Number(points), 0)

  it('get the bytes of its documents, however much has changed', async () => {
    const fresh = await come()
    for (const changes of [1000, 2000]) {
      await play(changes)
      const text = await come()
      expect(text.length).to.be.lessThan(fresh.length + 200)
      expect(totalIn(text)).to.equal(await total())
    }
  })

  it('cause one read, if any, when they come at once, also while it changes on', async () => {
    await play(1500)
    const before = adapter.reads
    adapter.gate = () => play(100)
    const texts = await Promise.all(Array.from({ length: NEWCOMERS }, come))
    adapter.gate = undefined
    expect(adapter.reads - before).to.be.at.most(1)
    expect(Math.max(...texts.map(({ length }) => length))).to.be.lessThan(2000)

    let playing = true
    const plays = (async () => {
      while (playing) {
        await play(2)
        await yieldToEventLoop()
      }
    })()
    const reads = adapter.reads
    await Promise.all(Array.from({ length: NEWCOMERS }, come))
    playing = false
    await plays
    expect(adapter.reads - reads).to.equal(0)
  })
})
