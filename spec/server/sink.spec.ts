import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect } from 'chai'
import { ReceiverSink, ResponseSink } from '../../lib/server/sink.ts'
import { eventually, type Listening, listen } from '../support/http.ts'
import { openStream, type SseReader } from '../support/sse.ts'

describe('server/sink', () => {
  describe('ResponseSink', () => {
    let listening: Listening
    let reader: SseReader
    let response: ServerResponse
    let sink: ResponseSink

    beforeEach(async () => {
      listening = await listen((_request, answer) => {
        response = answer
        answer.writeHead(200)
        answer.flushHeaders()
      })
      reader = await openStream(listening.url)
      sink = new ResponseSink(response)
    })
    afterEach(async () => {
      reader.close()
      await listening.close()
    })

    it('writes to the response', async () => {
      expect(sink.write(Buffer.from('event: ping\ndata: {}\n\n'))).to.equal(true)
      await reader.next('ping')
    })

    it('counts each byte that waits once', () => {
      response.socket?.cork()
      sink.write(Buffer.alloc(10_000))
      // The frame of a chunk is a few bytes of its own.
      expect(sink.buffered()).to.be.within(10_000, 10_100)
    })

    it('tells when a reader that was behind has taken all', async () => {
      reader.pause()
      const chunk = Buffer.alloc(1 << 20, `: ${'x'.repeat(8000)}\n\n`)
      for (let count = 0; count < 20; count++) sink.write(chunk)
      let drained = 0
      sink.onDrain(() => drained++)
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(drained).to.equal(0)
      expect(sink.buffered()).to.be.greaterThan(1 << 20)
      expect(sink.write(chunk)).to.equal(false)
      reader.resume()
      await eventually(() => drained === 1, 'the drain')
      expect(sink.buffered()).to.equal(0)
      expect(sink.write(Buffer.from('x'))).to.equal(true)
    })

    it('tells at once, but in a later turn, when nothing waits', async () => {
      const order: string[] = []
      sink.onDrain(() => order.push('drained'))
      order.push('asked')
      await eventually(() => order.length === 2, 'the drain')
      expect(order).to.deep.equal(['asked', 'drained'])
    })

    it('ends the response', async () => {
      sink.end()
      await reader.ended
    })

    it('survives a reader that went away', async () => {
      reader.close()
      await once(response, 'close')
      response.on('error', () => {})
      sink.write(Buffer.from('x'))
      expect(sink.buffered()).to.be.a('number')
      sink.end()
    })
  })

  describe('ReceiverSink', () => {
    it('hands the text on at once, and nothing ever waits', async () => {
      const texts: string[] = []
      const sink = new ReceiverSink((text) => texts.push(text))
      expect(sink.write(Buffer.from('ä'))).to.equal(true)
      expect(texts).to.deep.equal(['ä'])
      expect(sink.buffered()).to.equal(0)
      await new Promise<void>((resolve) => sink.onDrain(resolve))
      sink.end()
    })
  })
})
