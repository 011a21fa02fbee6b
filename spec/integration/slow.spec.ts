import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { expect } from 'chai'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Model } from '../../lib/model/document.ts'
import { parseData } from '../../lib/protocol/decode.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { buffersHeld } from '../support/garbage.ts'
import { until } from '../support/local.ts'

describe('A client that stops reading', () => {
  it('costs no more than its budget, and is reset from a fresh snapshot when it reads on', async function () {
    this.timeout(60_000)
    const store = memory()
    const users = store.collection('users')
    await users.insertOne({ _id: 1, text: '' })
    const server = new Server({
      dataSources: { users: { manifest: true, collection: users } },
      maxBufferedBytes: 100_000,
      replay: { bytes: 100_000 },
    })
    const listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    const socket = net.connect((listening.address() as AddressInfo).port)
    socket.write('GET /particle/stream HTTP/1.1\r\nHost: x\r\n\r\n')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    await until(() => text.includes('event: ready'))
    socket.pause()
    // The kernel's own buffers take some megabytes before the server sees that nobody reads.
    for (let i = 0; i < 3000; i++) {
      await users.updateOne({ _id: 1 }, { $set: { text: `${i} ${'x'.repeat(10_000)}` } })
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(server.stats().replay.bytes).to.be.lessThan(200_000)
    await users.updateOne({ _id: 1 }, { $set: { text: 'last' } })
    socket.resume()
    await until(() => /event: reset[\s\S]*event: ready/.test(text), 'a reset and ready', 20_000)
    await users.insertOne({ _id: 2 })
    await until(() => text.includes('["set",2,'))

    const model: Model = {}
    const body = text
      .slice(text.indexOf('\r\n\r\n') + 4)
      .replace(/(^|\r\n)[0-9a-f]+\r\n/g, '')
      .replaceAll('\r\n', '')
    let deltas = 0
    for (const block of body.split('\n\n')) {
      const name = /^event: (.*)$/m.exec(block)?.[1]
      const data = Object(parseData(name ?? '', /^data: (.*)$/m.exec(block)?.[1] ?? '{}'))
      if (name === 'payload') model[data.root] = data.data
      if (name === 'delta') {
        deltas++
        applyDelta(model, data)
      }
    }
    expect(deltas).to.be.lessThan(2500)
    expect(model).to.deep.equal({ users: await users.find().toArray() })
    socket.destroy()
    await server.disconnect()
    listening.close()
  })

  it('holds two snapshots of a root at most, and one in the making, with seven others that came at other moments, and nothing when they leave', async function () {
    this.timeout(60_000)
    const snapshot = 6_000_000
    const store = memory()
    const users = store.collection('users')
    const text = 'x'.repeat(10_000)
    await users.insertMany(Array.from({ length: 600 }, (_, _id) => ({ _id, text })))
    const server = new Server({
      dataSources: { users: { manifest: true, collection: users } },
      maxBufferedBytes: 65_536,
    })
    const listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    const before = buffersHeld()
    const sockets: net.Socket[] = []
    for (let i = 0; i < 8; i++) {
      const socket = net.connect((listening.address() as AddressInfo).port)
      sockets.push(socket)
      socket.write('GET /particle/stream HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'readable')
      await users.updateMany({}, { $set: { n: i } })
    }
    expect(server.stats().connections).to.equal(8)
    const held: number[] = []
    // Other specs of this process leave some small buffers, which come and go.
    const isSteady = () => {
      const last = held.slice(-4)
      return last.length === 4 && Math.max(...last) - Math.min(...last) < snapshot / 50
    }
    for (const end = Date.now() + 30_000; !isSteady() && Date.now() < end; ) {
      held.push(buffersHeld() - before)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(held.at(-1)).to.be.below(2.5 * snapshot)
    expect(Math.max(...held)).to.be.below(3.5 * snapshot)
    for (const socket of sockets) socket.destroy()
    await until(() => server.stats().connections === 0)
    await until(() => buffersHeld() - before < 2_000_000, 'the memory back', 10_000)
    await server.disconnect()
    listening.close()
  })
})
