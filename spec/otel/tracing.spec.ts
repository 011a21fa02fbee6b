import { SpanStatusCode } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { expect } from 'chai'
import { traceServer } from '../../lib/otel/index.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { openStream, presenting, type SseReader } from '../support/sse.ts'

const CLIENTS = 3

describe('The spans of a server', () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const users = memory().collection('users')
  const readers: SseReader[] = []
  let server: Server
  let listening: Listening
  let url: string
  let stop: () => void

  before(async () => {
    await users.insertOne({ _id: 1, name: 'Ada' })
    server = new Server({
      identityLookup: async (given) => {
        if (Object(given).name === 'mallory') throw new Error('the database is down')
        if (Object(given).name !== 'eve') return { secret: 'of the identity' }
        await new Promise((resolve) => setTimeout(resolve, 20))
        return null
      },
      dataSources: { users: { collection: users, manifest: { name: true } } },
      onError: () => {},
    })
    listening = await listen(server.middleware())
    url = `${listening.url}/particle`
    stop = traceServer(server, { tracer: provider.getTracer('spec') })
  })
  after(async () => {
    for (const reader of readers) reader.close()
    await server.disconnect()
    await listening.close()
  })
  beforeEach(() => exporter.reset())

  const spans = (name: string): ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => span.name === `particle.${name}`)
  const open = async () => {
    const { token } = await shake(url, { name: 'ada' })
    const reader = await openStream(`${url}/stream`, presenting(token))
    readers.push(reader)
    await reader.next('ready')
  }

  it('are not recorded for an unknown option, which is named', () => {
    expect(() => traceServer(server, { trace: {} } as object)).to.throw(
      'traceServer(server, options): option "trace" is not known; "tracer" was perhaps meant',
    )
  })

  it('show a handshake with its look-up, the read of a view, and a link from the stream to the handshake', async () => {
    await open()
    await eventually(() => spans('stream.ready').length === 1, 'the stream is ready')
    expect(spans('lookup').map(({ attributes }) => attributes)).to.deep.equal([
      { 'particle.outcome': 'found' },
    ])
    const [handshake] = spans('handshake')
    expect(handshake?.attributes).to.include({ 'particle.continued': false, 'particle.live': false })
    expect(spans('view.read')[0]?.attributes).to.include({
      'particle.root': 'users',
      'particle.documents': 1,
    })
    const [ready] = spans('stream.ready')
    expect(ready?.links.map(({ context }) => context.spanId)).to.deep.equal([handshake?.spanContext().spanId])
    expect(ready?.attributes['particle.session']).to.equal(handshake?.attributes['particle.session'])
  })

  it('show one delivery of a change, however many clients get it, that begins with the change', async () => {
    while (readers.length < CLIENTS) await open()
    exporter.reset()
    const before = Date.now()
    await users.updateOne({ _id: 1 }, { $set: { name: 'Ada Lovelace' } })
    await eventually(() => spans('delivery').length > 0, 'the delivery')
    const [delivery, ...more] = spans('delivery')
    expect(more).to.deep.equal([])
    expect(delivery?.attributes).to.include({ 'particle.source': 'memory', 'particle.streams': CLIENTS })
    const [seconds = 0, nanoseconds = 0] = delivery?.startTime ?? []
    expect(seconds * 1_000 + nanoseconds / 1e6).to.be.within(before - 1, Date.now() + 1)
  })

  it('mark refused handshakes and failed look-ups as errors', async () => {
    for (const name of ['eve', 'mallory']) await shake(url, { name }).catch(() => {})
    expect(spans('handshake').map(({ status }) => status)).to.deep.equal([
      { code: SpanStatusCode.ERROR, message: 'UNAUTHORIZED' },
      { code: SpanStatusCode.ERROR, message: 'UNAVAILABLE' },
    ])
    expect(
      spans('lookup').map(({ attributes, status }) => [attributes['particle.outcome'], status.code]),
    ).to.deep.equal([
      ['refused', SpanStatusCode.UNSET],
      ['failed', SpanStatusCode.ERROR],
    ])
    // The span of a refused handshake lasts as long as its look-up, as that of an answered one does.
    const millisecondsOf = (span?: ReadableSpan) =>
      (span?.duration[0] ?? 0) * 1e3 + (span?.duration[1] ?? 0) / 1e6
    const [looking = 0, shaking = 0] = ['lookup', 'handshake'].map((name) => millisecondsOf(spans(name)[0]))
    expect(shaking).to.be.at.least(looking - 2)
  })

  it('hold nothing of an identity or a document, and end with the returned function', async () => {
    await open()
    await users.updateOne({ _id: 1 }, { $set: { name: 'Hopper' } })
    await eventually(() => spans('delivery').length > 0, 'the delivery')
    const text = JSON.stringify(exporter.getFinishedSpans().map(({ name, attributes }) => [name, attributes]))
    expect(text).not.to.match(/secret|Hopper|Ada/)
    stop()
    exporter.reset()
    await open()
    expect(exporter.getFinishedSpans()).to.deep.equal([])
  })
})
