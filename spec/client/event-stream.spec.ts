import { expect } from 'chai'
import { openEventStream, type StreamRequest } from '../../lib/client/event-stream.ts'
import { CLOCK, type Failure, type Sink } from '../../lib/client/transport.ts'
import { encode } from '../../lib/protocol/encode.ts'
import { eventually } from '../support/http.ts'
import { delta, set, TIMESTAMP } from './fakes.ts'

/** A stream whose chunks the spec gives, and what came of it. */
function open(contentType = 'text/event-stream; charset=utf-8') {
  const heard: string[] = []
  const failures: Failure[] = []
  let signs = 0
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let init: RequestInit | undefined
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
  })
  const request: StreamRequest = {
    address: 'http://localhost/particle/stream?key=secret',
    init: {},
    clock: CLOCK,
    fetch: async (_input, given) => {
      init = given
      return new Response(body, { headers: { 'Content-Type': contentType } })
    },
  }
  const sink: Sink = {
    opened: () => signs++,
    event: (name, data, id) => {
      if (heard.at(-1) === 'turn') heard.pop()
      heard.push(`${name} ${data.length} ${id}`)
      queueMicrotask(() => heard.push('turn'))
    },
    lost: (failure) => failures.push(failure as Failure),
  }
  const close = openEventStream(request, sink)
  const send = (bytes: Uint8Array | string) =>
    controller?.enqueue(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
  return {
    heard,
    failures,
    send,
    close,
    end: () => controller?.close(),
    signs: () => signs,
    init: () => init,
  }
}

const text = (name: string, id?: string) =>
  encode({ event: 'delta', data: delta([set(1, 'name', name)]), ...(id === undefined ? {} : { id }) })

describe('a stream of events that is read by fetch', () => {
  it('hands all events of a chunk over in one turn', async () => {
    const stream = open()
    stream.send(text('Ann') + text('Eve', 'p1') + encode({ event: 'ping', data: { timestamp: TIMESTAMP } }))
    await eventually(() => stream.heard.includes('turn'), 'the events')
    expect(stream.heard.map((line) => line.split(' ')[0])).to.deep.equal([
      'delta',
      'delta',
      'ping',
      'turn',
      'turn',
      'turn',
    ])
    expect(stream.heard[1]).to.match(/ p1$/)
    expect(stream.heard[0]).to.match(/ $/)
    stream.close()
  })

  it('puts events together whose bytes come in pieces, in the middle of a letter too', async () => {
    const stream = open()
    for (const byte of new TextEncoder().encode(text('Zoë 🎻', 'p1'))) stream.send(Uint8Array.of(byte))
    await eventually(() => stream.heard.length > 0, 'the event')
    const [, data = ''] = /^data: (.*)$/m.exec(text('Zoë 🎻')) ?? []
    expect(stream.heard[0]).to.equal(`delta ${data.length} p1`)
    stream.close()
  })

  it('takes each chunk for a sign of life, a comment of a proxy as well', async () => {
    const stream = open()
    await eventually(() => stream.signs() === 1, 'the opening')
    stream.send(': still here\n\n')
    await eventually(() => stream.signs() === 2, 'the sign of life')
    expect(stream.heard).to.deep.equal([])
    stream.close()
  })

  it('tells an end in order from a loss, and of nothing after it was closed', async () => {
    const stream = open()
    stream.end()
    await eventually(() => stream.failures.length === 1, 'the end')
    expect(stream.failures[0]?.type).to.equal('ended')
    const closed = open()
    await eventually(() => closed.signs() === 1, 'the opening')
    closed.close()
    await eventually(() => closed.init()?.signal?.aborted === true, 'the abortion')
    await new Promise((resolve) => setImmediate(resolve))
    expect(closed.failures).to.deep.equal([])
  })

  it('has no query of an address in what it tells', async () => {
    const stream = open('text/html')
    await eventually(() => stream.failures.length === 1, 'the failure')
    expect(stream.failures[0]?.error.message).to.equal(
      "GET http://localhost/particle/stream answered 200 text/html, not text/event-stream: is another route before Particle's?",
    )
  })
})
