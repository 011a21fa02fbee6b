import { once } from 'node:events'
import http, { type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import { expect } from 'chai'
import compression from 'compression'
import express from 'express'
import { ResponseSink } from '../../../lib/server/http/response-sink.ts'
import { eventually, type Listening, listen } from '../../support/http.ts'
import { openStream, type SseReader } from '../../support/sse.ts'

const HEARTBEAT = 15_000
const FIRST = 'event: manifest\ndata: {}\n\n'
const frame = (text: string) => Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`)
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** What the server's calls of one of its socket's methods were. */
function spy(response: ServerResponse, method: 'write' | 'setKeepAlive' | 'setNoDelay'): unknown[][] {
  const socket = response.socket as Socket
  const calls: unknown[][] = []
  const original = (socket[method] as (...args: unknown[]) => unknown).bind(socket)
  Object.assign(socket, {
    [method]: (...args: unknown[]) => {
      calls.push(args)
      return original(...args)
    },
  })
  return calls
}

/** Returns a method that counts its calls. */
function counted<F extends (...args: never[]) => unknown>(method: F | undefined, count: () => void): F {
  return function (this: unknown, ...args: never[]) {
    count()
    return method?.apply(this, args)
  } as F
}

describe('server/response-sink', () => {
  describe('on a bare response', () => {
    let listening: Listening
    let reader: SseReader
    let response: ServerResponse
    let sink: ResponseSink

    beforeEach(async () => {
      listening = await listen((_request, answer) => {
        response = answer
        answer.writeHead(200)
        sink = new ResponseSink(answer, HEARTBEAT)
        sink.write(Buffer.from(FIRST), frame(FIRST))
      })
      reader = await openStream(listening.url)
      await reader.next('manifest')
    })
    afterEach(async () => {
      reader.close()
      await listening.close()
    })

    it('writes the head with the first chunk, in one write of the system', async () => {
      let writes = 0
      const other = await listen((_request, answer) => {
        const { socket } = answer
        if (socket) socket._writev = counted(socket._writev, () => writes++)
        if (socket) socket._write = counted(socket._write, () => writes++)
        answer.writeHead(200)
        const first = new ResponseSink(answer, HEARTBEAT)
        setImmediate(() => first.write(Buffer.from(FIRST), frame(FIRST)))
      })
      const own = await openStream(other.url)
      await own.next('manifest')
      expect(writes).to.equal(1)
      own.close()
      await other.close()
    })

    it('writes what was framed straight to the socket, as it is', async () => {
      const calls = spy(response, 'write')
      const bytes = Buffer.from('event: ping\ndata: {}\n\n')
      const framed = frame(bytes.toString())
      expect(sink.write(bytes, framed)).to.equal(true)
      expect(calls).to.deep.equal([[framed]])
      expect(calls[0]?.[0]).to.equal(framed)
      await reader.next('ping')
    })

    it('frames what was not, without a copy of it, in one write of the system', async () => {
      const calls = spy(response, 'write')
      const bytes = Buffer.from('event: ping\ndata: {}\n\n')
      sink.write(bytes)
      sink.write(Buffer.from('event: ready\ndata: {}\n\n'), frame('event: ready\ndata: {}\n\n'))
      expect(response.socket?.writableCorked).to.equal(1)
      expect(calls.map(([first]) => first)).to.include(bytes)
      await reader.next('ping')
      await reader.next('ready')
      expect(response.socket?.writableCorked).to.equal(0)
    })

    it('writes no empty chunk, which would end the stream', async () => {
      sink.write(Buffer.alloc(0))
      sink.write(Buffer.from('event: ping\ndata: {}\n\n'))
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
      await later(50)
      expect(drained).to.equal(0)
      expect(sink.buffered()).to.be.greaterThan(1 << 20)
      expect(sink.write(chunk)).to.equal(false)
      reader.resume()
      await eventually(() => drained === 1, 'the drain')
      expect(sink.buffered()).to.equal(0)
      expect(sink.write(Buffer.from('x'), frame('x'))).to.equal(true)
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

    it('writes nothing to a socket that may carry the next response by now', async () => {
      const calls = spy(response, 'write')
      response.end()
      const before = calls.length
      sink.write(Buffer.from('x'), frame('x'))
      sink.write(Buffer.from('x'))
      await reader.ended
      sink.write(Buffer.from('x'), frame('x'))
      expect(calls.length).to.equal(before)
    })

    it('survives a reader that went away', async () => {
      reader.close()
      await once(response, 'close')
      response.on('error', () => {})
      sink.write(Buffer.from('x'))
      sink.write(Buffer.from('x'), frame('x'))
      expect(sink.buffered()).to.be.a('number')
      sink.end()
    })

    it('has TCP ask after a silent peer, so that ten probes a second apart end before the next ping', () => {
      const calls = spy(response, 'setKeepAlive')
      for (const heartbeat of [15_000, 60_000, 100]) new ResponseSink(response, heartbeat)
      expect(calls).to.deep.equal([
        [true, 4_000],
        [true, 49_000],
        [true, 1_000],
      ])
      const delays = spy(response, 'setNoDelay')
      new ResponseSink(response, HEARTBEAT)
      expect(delays).to.deep.equal([[true]])
    })
  })

  describe('where something stands between the response and its socket', () => {
    /** Serves one stream, reads it to its end by a client of the caller's, and tells what went to the socket. */
    async function throughResponse(
      handler: (serve: RequestListener) => RequestListener,
      request: string,
    ): Promise<{ text: string; direct: boolean }> {
      let direct = false
      const listening = await listen(
        handler((_request, response) => {
          response.writeHead(200, { 'Content-Type': 'text/event-stream' })
          response.flushHeaders()
          const calls = spy(response, 'write')
          const sink = new ResponseSink(response, HEARTBEAT)
          const framed = frame('event: ping\n\n')
          sink.write(Buffer.from('event: ping\n\n'), framed)
          direct = calls.some(([first]) => first === framed)
          sink.end()
        }),
      )
      const socket = net.connect(listening.port, '127.0.0.1')
      socket.write(request)
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
      })
      await eventually(() => /\n0\r\n\r\n$/.test(text) || socket.readableEnded, 'the end')
      socket.destroy()
      await listening.close()
      return { text, direct }
    }
    const GET = 'GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n'

    it('writes straight to the socket on plain HTTP/1.1, bare and in Express', async () => {
      for (const handler of [
        (serve: RequestListener) => serve,
        (serve: RequestListener) => express().use(serve) as RequestListener,
      ]) {
        const { text, direct } = await throughResponse(handler, GET)
        expect([text.includes('\r\n\r\nd\r\nevent: ping\n\n\r\n0\r\n\r\n'), direct]).to.deep.equal([
          true,
          true,
        ])
      }
    })

    it('writes by the response behind compression(), which then can compress', async () => {
      const { text, direct } = await throughResponse(
        (serve) =>
          express()
            .use(compression({ threshold: 0, filter: () => true }))
            .use(serve),
        GET,
      )
      expect(direct).to.equal(false)
      expect(text)
        .to.match(/content-encoding: gzip/i)
        .and.not.contain('event: ping')
    })

    it('writes by the response where a middleware replaced write, and ends by an end that was replaced', async () => {
      const seen: string[] = []
      const { text, direct } = await throughResponse(
        (serve) => (request, response) => {
          const { write, end } = response
          response.write = ((bytes: Buffer) => {
            seen.push(bytes.toString())
            return write.call(response, bytes.toString().toUpperCase(), 'utf8')
          }) as typeof write
          response.end = (() => {
            seen.push('end')
            return end.call(response, undefined, 'utf8')
          }) as typeof end
          serve(request, response)
        },
        GET,
      )
      expect(direct).to.equal(false)
      expect(seen).to.deep.equal(['event: ping\n\n', 'end'])
      expect(text).to.contain('EVENT: PING')
    })

    it('writes by the response on HTTP/1.0, which has no chunks', async () => {
      const { text, direct } = await throughResponse((serve) => serve, 'GET / HTTP/1.0\r\n\r\n')
      expect(direct).to.equal(false)
      expect(text).to.match(/\r\n\r\nevent: ping\n\n$/)
    })

    it('writes by the response on HTTP/2', async () => {
      const server = http2.createServer((_request, answer) => {
        answer.writeHead(200)
        const sink = new ResponseSink(answer as unknown as ServerResponse, HEARTBEAT)
        sink.write(Buffer.from('event: ping\n\n'), frame('event: ping\n\n'))
        sink.end()
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      const stream = session.request({ ':path': '/' })
      let text = ''
      for await (const chunk of stream) text += chunk
      expect(text).to.equal('event: ping\n\n')
      session.close()
      await new Promise((resolve) => server.close(resolve))
    })
  })

  describe('over HTTP/2', () => {
    it('tells what waits, and when a reader that was behind has taken all', async () => {
      let sink: ResponseSink | undefined
      const server = http2.createServer((_request, answer) => {
        answer.writeHead(200)
        sink = new ResponseSink(answer as unknown as ServerResponse, HEARTBEAT)
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      const stream = session.request({ ':path': '/' })
      await once(stream, 'response')
      const chunk = Buffer.alloc(1 << 20)
      for (let count = 0; count < 4; count++) sink?.write(chunk)
      let drained = 0
      sink?.onDrain(() => drained++)
      await later(50)
      expect(drained).to.equal(0)
      expect(sink?.buffered()).to.be.greaterThan(1 << 20)
      stream.resume()
      await eventually(() => drained === 1, 'the drain')
      expect(sink?.buffered()).to.equal(0)
      sink?.end()
      await once(stream, 'end')
      expect(sink?.write(chunk)).to.equal(false)
      session.close()
      await new Promise((resolve) => server.close(resolve))
    })
  })

  describe('with a reader that takes nothing', () => {
    it('gives it up 5 s after the end of the stream, so that a server can close', async function () {
      this.timeout(15_000)
      let response: ServerResponse | undefined
      const server = http.createServer((_request, answer) => {
        answer.writeHead(200, { Connection: 'close' })
        answer.flushHeaders()
        answer.on('error', () => {})
        response = answer
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      socket.on('error', () => {})
      await eventually(() => response !== undefined, 'the request')
      if (!response) return
      const sink = new ResponseSink(response, HEARTBEAT)
      for (let count = 0; count < 20; count++) sink.write(Buffer.alloc(1 << 20))
      sink.end()
      await new Promise((resolve) => server.close(resolve))
      socket.destroy()
    })

    it('gives it up after two heartbeats, and at least 5 s; not one that is slow, or that nothing waits for', async function () {
      this.timeout(20_000)
      const names = ['/stopped', '/slow', '/idle']
      const responses = new Map<string, ServerResponse>()
      const server = http.createServer((request, answer) => {
        answer.writeHead(200)
        answer.flushHeaders()
        answer.on('error', () => {})
        responses.set(request.url ?? '', answer)
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const { port } = server.address() as AddressInfo
      const readers = names.map((name) => {
        const socket = net.connect(port, '127.0.0.1')
        socket.write(`GET ${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
        socket.pause()
        return socket
      })
      await eventually(() => responses.size === names.length, 'the requests')
      const closed = new Map<string, number>()
      const began = performance.now()
      for (const [name, response] of responses) {
        response.once('close', () => closed.set(name, performance.now() - began))
        const sink = new ResponseSink(response, 100)
        if (name !== '/idle') for (let count = 0; count < 100; count++) sink.write(Buffer.alloc(1 << 20))
      }
      const timer = setInterval(() => readers[1]?.read(), 20)
      await eventually(() => closed.size > 0, 'the end', 12_000)
      clearInterval(timer)
      expect([...closed.keys()]).to.deep.equal(['/stopped'])
      expect(closed.get('/stopped')).to.be.within(4_900, 12_000)
      for (const socket of readers) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
  })
})
