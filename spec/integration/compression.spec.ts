import http from 'node:http'
import { gunzipSync } from 'node:zlib'
import { expect } from 'chai'
import compression from 'compression'
import express from 'express'
import { Client } from '../../lib/client/index.ts'
import particle from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { chromiumOrSkip } from '../support/chromium.ts'
import { eventually, type Listening, listen } from '../support/http.ts'

const DOCUMENTS = 2000

/** Reads a stream until a text has come; tells the bytes that came, and the headers. */
function read(url: string, headers: Record<string, string>, until: (bytes: Buffer) => boolean) {
  return new Promise<{ bytes: number; headers: http.IncomingHttpHeaders }>((resolve, reject) => {
    const request = http.get(`${url}/particle/stream`, { headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        const all = Buffer.concat(chunks)
        if (!until(all)) return
        resolve({ bytes: all.length, headers: response.headers })
        request.destroy()
      })
    })
    request.once('error', reject)
  })
}

describe('Compressed streams', function () {
  this.timeout(60_000)
  let handler: ReturnType<typeof particle.middleware>
  let listening: Listening
  const messages = memory().collection('messages')
  const compressed = () =>
    particle.middleware({
      compression: true,
      dataSources: { messages: { collection: messages, manifest: { text: true } } },
    })
  const page = () =>
    express().get(
      '/',
      (_request, response) => void response.type('html').send('<!doctype html><title>page</title>'),
    )

  before(async () => {
    await messages.insertMany(
      Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, text: `a message of person ${_id % 100}` })),
    )
    handler = compressed()
    listening = await listen(page().use(compression(), handler))
  })
  after(async () => {
    await handler.server.disconnect()
    await listening.close()
  })

  it('have a tenth of the bytes, for a client that accepts gzip', async () => {
    // A ready event is small, so that it stays as it is.
    const isReady = (bytes: Buffer) => bytes.includes('event: ready')
    const plain = await read(listening.url, {}, isReady)
    const packed = await read(listening.url, { 'Accept-Encoding': 'br, gzip' }, isReady)
    expect([plain.headers['content-encoding'], packed.headers['content-encoding']]).to.deep.equal([
      undefined,
      'gzip',
    ])
    for (const { headers } of [plain, packed]) expect(headers.vary).to.match(/accept-encoding/i)
    expect(packed.bytes).to.be.below(plain.bytes / 10)
  })

  it('have the changes of a turn compressed once, for all clients but the first of those with the same views', async () => {
    const gathered = [0, 1, 2].map(() => ({ bytes: Buffer.alloc(0) }))
    const requests = gathered.map((each) =>
      http.get(`${listening.url}/particle/stream`, { headers: { 'Accept-Encoding': 'gzip' } }, (response) =>
        response.on('data', (chunk: Buffer) => {
          each.bytes = Buffer.concat([each.bytes, chunk])
        }),
      ),
    )
    for (const request of requests) request.on('error', () => {})
    const textOf = ({ bytes }: { bytes: Buffer }) => gunzipSync(bytes, { finishFlush: 2 }).toString()
    try {
      await eventually(() => gathered.every((each) => textOf(each).includes('event: ready')), 'the snapshots')
      // They get changes as one group from the turn after their snapshots.
      await messages.updateOne({ _id: 1 }, { $set: { text: 'a first change' } })
      await eventually(() => gathered.every((each) => textOf(each).includes('a first change')), 'a change')
      const before = gathered.map(({ bytes }) => bytes.length)
      for (let _id = 0; _id < 20; _id++)
        await messages.updateOne({ _id }, { $set: { text: 'one of twenty' } })
      await eventually(
        () => gathered.every((each) => textOf(each).split('one of twenty').length === 21),
        'twenty',
      )
      const sizes = gathered
        .map(({ bytes }, index) => bytes.length - (before[index] ?? 0))
        .sort((a, b) => a - b)
      expect(sizes[1]).to.equal(sizes[0])
      expect(sizes[0]).to.be.below((sizes[2] ?? 0) / 2)
    } finally {
      for (const request of requests) request.destroy()
    }
  })

  it('are read by the client, with each delta at once and an end in order', async () => {
    const errors: Error[] = []
    const client = new Client({ url: `${listening.url}/particle`, onError: (error) => errors.push(error) })
    await client.ready()
    expect(client.data.messages?.length).to.equal(DOCUMENTS)
    await messages.updateOne({ _id: 7 }, { $set: { text: 'changed' } })
    await eventually(() => client.data.messages?.[7]?.text === 'changed', 'the delta')
    await handler.server.drain({ ms: 1 })
    await eventually(() => client.status !== 'ready', 'the end')
    client.close()
    expect(errors).to.deep.equal([])
  })

  it('are read by an EventSource of Chromium', async function () {
    const browser = await chromiumOrSkip(this)
    const other = compressed()
    const served = await listen(page().use(other))
    try {
      const page = await browser.newPage()
      await page.goto(served.url)
      await page.evaluate(() => {
        const source = new EventSource('/particle/stream')
        const seen: string[] = []
        Object.assign(globalThis, { seen })
        for (const name of ['payload', 'ready', 'delta'])
          source.addEventListener(name, ({ data }) => void seen.push(`${name} ${data}`))
      })
      await page.waitForFunction(() =>
        Reflect.get(globalThis, 'seen').some((text: string) => /^ready/.test(text)),
      )
      await messages.updateOne({ _id: 9 }, { $set: { text: 'seen by Chromium' } })
      await page.waitForFunction(() => Reflect.get(globalThis, 'seen').at(-1).includes('seen by Chromium'))
    } finally {
      await browser.close()
      await other.server.disconnect()
      await served.close()
    }
  })
})
