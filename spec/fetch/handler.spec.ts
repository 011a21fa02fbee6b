import { expect } from 'chai'
import { ParticleError } from '../../lib/errors.ts'
import { type FetchOptions, type FetchRequest, fetchHandler } from '../../lib/fetch/index.ts'
import type { HandshakeAnswer } from '../../lib/protocol/messages.ts'
import type { ServerOptions } from '../../lib/server/index.ts'
import { Server } from '../../lib/server/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { eventually } from '../support/http.ts'

const ORIGIN = 'http://example.com'

/** Reads a stream as a framework does, chunk by chunk, and keeps its text. */
class Reading {
  text = ''
  end: 'open' | 'ended' | 'cut' = 'open'
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>

  constructor(response: Response) {
    if (!response.body) throw new Error(`The answer ${response.status} has no body`)
    this.#reader = response.body.getReader()
  }

  /** Reads on, until the end or the cut. */
  start(): this {
    const read = async () => {
      for (;;) {
        const { done, value } = await this.#reader.read()
        if (done) break
        this.text += Buffer.from(value).toString()
      }
    }
    read().then(
      () => {
        this.end = 'ended'
      },
      () => {
        this.end = 'cut'
      },
    )
    return this
  }

  async until(text: string): Promise<void> {
    await eventually(() => this.text.includes(text), `${text} in ${this.text.slice(-200)}`)
  }

  cancel(): Promise<void> {
    return this.#reader.cancel()
  }
}

describe('particle/fetch', () => {
  it('refuses a server in place of its handler, and an option that is not known', () => {
    const wrong = (...given: unknown[]) =>
      expect(() => Reflect.apply(fetchHandler, undefined, given)).to.throw(ParticleError)
    make()
    wrong(server).with.property('message').that.includes('such as server.middleware()')
    wrong(server.middleware(), { adress: () => '' })
      .with.property('message')
      .that.includes('"address"')
    wrong(server.middleware(), { address: '10.0.0.1' }).with.property('message').that.includes('a function')
  })

  let server: Server
  let tasks: MemoryCollection
  let handle: (path: string, init?: RequestInit, ...context: unknown[]) => Promise<Response>
  const errors: Error[] = []

  const make = (options: Partial<ServerOptions> = {}, fetchOptions?: FetchOptions) => {
    tasks = memory().collection('tasks')
    server = new Server({
      dataSources: { tasks: { manifest: true, collection: tasks } },
      identityLookup: (identity) => identity,
      onError: (error) => errors.push(error),
      ...options,
    })
    const handler = fetchHandler(server.middleware(), fetchOptions)
    handle = (path, init, ...context) => handler(new Request(`${ORIGIN}${path}`, init), ...context)
  }
  const post = (path: string, body: unknown, init: RequestInit = {}, ...context: unknown[]) => {
    const headers = { 'Content-Type': 'application/json', ...(init.headers as Record<string, string>) }
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return handle(path, { method: 'POST', body: text, ...init, headers }, ...context)
  }
  const shake = async (identity: unknown = { id: 1 }): Promise<HandshakeAnswer> => {
    const response = await post('/particle/handshake', { identity })
    expect(response.status).to.equal(200)
    return (await response.json()) as HandshakeAnswer
  }
  const open = async (init: RequestInit = {}) => {
    const { token } = await shake()
    return handle('/particle/stream', { ...init, headers: { Authorization: `Bearer ${token}` } })
  }
  const codeOf = async (response: Response) => (await response.json()).error.code

  beforeEach(() => {
    errors.length = 0
    make()
  })
  afterEach(() => server.disconnect())

  describe('the routes', () => {
    it('a handshake, a stream by GET and by POST, a watch and a position work as over Node', async () => {
      const rooms = memory().collection('rooms')
      await rooms.insertOne({ _id: 1, room: 7 })
      make({
        dataSources: {
          tasks: { manifest: true, collection: memory().collection('tasks') },
          rooms: {
            manifest: true,
            collection: rooms,
            params: { room: 'number' },
            criteria: { room: ':room' },
          },
        } as ServerOptions['dataSources'],
      })
      const { token, stream } = await shake()
      const headers = { Authorization: `Bearer ${token}` }
      const first = new Reading(await handle(stream.replace(/\?.*/, ''), { headers })).start()
      await first.until('event: ready')
      const byPost = await post('/particle/stream', { token })
      expect(Object.fromEntries(byPost.headers)).to.include({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'private, no-store, no-transform',
        'x-content-type-options': 'nosniff',
      })
      expect(byPost.headers.has('Connection')).to.equal(false)
      const second = new Reading(byPost).start()
      await second.until('event: ready')
      const watched = await post('/particle/watch', { token, add: ['rooms?{"room":7}'] })
      expect(await watched.json()).to.include({ live: true })
      await Promise.all([first.until('"room":7'), second.until('"room":7')])
      const position = await server.position('rooms')
      expect(await (await post('/particle/reached', { token, position })).json()).to.deep.equal({
        live: true,
      })
      await first.until('event: reached')
      expect(server.stats().connections).to.equal(2)
      await Promise.all([first.cancel(), second.cancel()])
    })

    it('the ticket of a handshake opens a stream with the cookie, which is secure over https', async () => {
      const response = await post('/particle/handshake', { identity: {} })
      const [cookie = ''] = response.headers.getSetCookie()
      const { stream } = (await response.json()) as HandshakeAnswer
      const reading = new Reading(await handle(stream, { headers: { Cookie: cookie.split(';')[0] ?? '' } }))
      await reading.start().until('event: ready')
      await reading.cancel()
      const secure = await fetchHandler(server.middleware())(
        new Request('https://example.com/particle/handshake', {
          method: 'POST',
          body: '{"identity":{}}',
          headers: { 'Content-Type': 'application/json' },
        }),
      )
      expect(secure.headers.getSetCookie().join()).to.match(/^__Secure-particle=.*; SameSite=Strict; Secure$/)
    })

    it('the script of browsers is served as it is, for the framework to compress, kept by its tag, and described to HEAD', async () => {
      const response = await handle('/particle/client.js', { headers: { 'Accept-Encoding': 'gzip, br' } })
      expect(response.headers.has('Content-Encoding')).to.equal(false)
      expect(response.headers.get('Content-Type')).to.equal('text/javascript; charset=utf-8')
      expect((await response.text()).length).to.equal(Number(response.headers.get('Content-Length')))
      const etag = response.headers.get('ETag') ?? ''
      const kept = await handle('/particle/client.js', { headers: { 'If-None-Match': etag } })
      expect([kept.status, kept.body]).to.deep.equal([304, null])
      const head = await handle('/particle/client.js', { method: 'HEAD' })
      expect([head.status, head.body]).to.deep.equal([200, null])
      expect(head.headers.get('ETag')).to.equal(etag)
    })

    it('pages of allowed origins are let in, and their preflight requests answered', async () => {
      make({ allowOrigin: ['https://other.example.com'] })
      const headers = { Origin: 'https://other.example.com', 'Access-Control-Request-Method': 'POST' }
      const preflight = await handle('/particle/handshake', { method: 'OPTIONS', headers })
      expect([preflight.status, preflight.body]).to.deep.equal([204, null])
      expect(preflight.headers.get('Access-Control-Allow-Origin')).to.equal('https://other.example.com')
      const foreign = await post('/particle/handshake', { identity: {} }, { headers })
      expect(foreign.headers.getSetCookie().join()).to.contain('SameSite=None; Secure; Partitioned')
      const own = await post('/particle/handshake', { identity: {} }, { headers: { Origin: ORIGIN } })
      expect(own.headers.getSetCookie().join()).to.contain('SameSite=Strict')
    })

    it('errors have the codes that they have over Node, and an unknown path is answered with 404', async () => {
      const answers = [
        await post('/particle/handshake', '{"identity":'),
        await post('/particle/handshake', `{"identity":"${'x'.repeat(200_000)}"}`),
        await post('/particle/handshake', {}, { headers: { 'Content-Type': 'text/plain' } }),
        await post('/particle/handshake', { identity: null }),
        await handle('/particle/stream'),
        await handle('/particle/handshake'),
        await handle('/elsewhere'),
      ]
      expect(answers.map(({ status }) => status)).to.deep.equal([400, 413, 415, 401, 401, 405, 404])
      expect(await Promise.all(answers.map(codeOf))).to.deep.equal([
        'INVALID_MESSAGE',
        'BODY_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
        'UNAUTHORIZED',
        'UNAUTHORIZED',
        'METHOD_NOT_ALLOWED',
        'NOT_FOUND',
      ])
    })

    it('an unknown option is named, and an address that is no function', () => {
      expect(() => fetchHandler(server.middleware(), { adress: () => '1.2.3.4' } as object)).to.throw(
        'fetchHandler(handler, options): option "adress" is not known; "address" was perhaps meant',
      )
      expect(() => fetchHandler(server.middleware(), { address: '1.2.3.4' } as object)).to.throw(
        'address must be a function (given: string)',
      )
    })

    it('the probes are served by the same function', async () => {
      const request = new Request(`${ORIGIN}/readyz`)
      expect((await fetchHandler(server.healthz())(request)).status).to.equal(200)
      expect(await (await fetchHandler(server.readyz())(request)).json()).to.include({ ready: true })
      await server.disconnect()
      expect((await fetchHandler(server.readyz())(request)).status).to.equal(503)
    })
  })

  describe('the application', () => {
    it('finds the headers, the web request and the context in its lookup', async () => {
      const context = { user: 'ann' }
      let seen: FetchRequest<typeof context> | undefined
      make({
        identityLookup: (identity, _done, request?: FetchRequest<typeof context>) => {
          seen = request
          return identity
        },
      })
      const headers = { Cookie: 'sid=1' }
      expect((await post('/particle/handshake?a=b', { identity: {} }, { headers }, context)).status).to.equal(
        200,
      )
      expect(seen?.context).to.equal(context)
      expect(seen?.headers).to.include({ cookie: 'sid=1', host: 'example.com' })
      expect([seen?.method, seen?.url]).to.deep.equal(['POST', '/particle/handshake?a=b'])
      expect(seen?.webRequest.headers.get('Cookie')).to.equal('sid=1')
    })

    it('says under which address a client is counted', async () => {
      make({ limits: { streamsPerAddress: 1 } }, { address: (_request, address) => String(address) })
      const { token } = await shake()
      const from = (address: string) =>
        handle('/particle/stream', { headers: { Authorization: `Bearer ${token}` } }, address)
      const first = await from('192.0.2.1')
      expect(await codeOf(await from('192.0.2.1'))).to.equal('TOO_MANY_STREAMS')
      const second = await from('192.0.2.2')
      expect(second.status).to.equal(200)
      await Promise.all([first.body?.cancel(), second.body?.cancel()])
      await eventually(() => server.stats().connections === 0, 'the release')
      const third = await from('192.0.2.1')
      expect(third.status).to.equal(200)
      await third.body?.cancel()
    })

    it('guards the inspector by the context, and its page and its stream are served', async () => {
      make({ inspector: (request: FetchRequest) => request.context === 'admin' })
      expect((await handle('/particle/inspect', {}, 'guest')).status).to.equal(403)
      const page = await handle('/particle/inspect', {}, 'admin')
      expect(await page.text()).to.contain('Particle inspector')
      const reading = new Reading(await handle('/particle/inspect/events', {}, 'admin')).start()
      await reading.until('data: ')
      await reading.cancel()
    })

    it('gets the errors of its function for the address', async () => {
      const address = () => {
        throw new Error('no address')
      }
      const handler = fetchHandler(server.middleware(), { address })
      const failure = await handler(new Request(`${ORIGIN}/particle/stream`)).catch(String)
      expect(failure).to.equal('Error: no address')
    })

    for (const [what, read] of [
      ['has read the body', (request: Request) => request.json()],
      ['holds a reader of the body', (request: Request) => request.body?.getReader()],
    ] as const)
      it(`learns that it ${what} before Particle`, async () => {
        const request = new Request(`${ORIGIN}/particle/handshake`, {
          method: 'POST',
          body: '{"identity":{}}',
          headers: { 'Content-Type': 'application/json' },
        })
        await read(request)
        const response = await fetchHandler(server.middleware())(request)
        expect(response.status).to.equal(400)
        expect((await response.json()).error.message).to.contain('read by a middleware before Particle')
      })
  })

  describe('bodies', () => {
    const streamed = (source: UnderlyingDefaultSource<Uint8Array>, type = 'application/json') =>
      handle('/particle/handshake', {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: new ReadableStream(source),
        duplex: 'half',
      } as RequestInit)

    it('a body that is too large is not read to its end, and cancelled', async () => {
      let chunks = 0
      let cancelled = false
      const response = await streamed({
        pull: (controller) => {
          chunks++
          controller.enqueue(Buffer.alloc(10_000, ' '))
        },
        cancel: () => {
          cancelled = true
        },
      })
      expect(response.status).to.equal(413)
      await eventually(() => cancelled, 'the end of the body')
      expect(chunks).to.be.below(200)
    })

    it('a body that nobody wants is cancelled', async () => {
      let cancelled = false
      const cancel = () => {
        cancelled = true
      }
      expect((await streamed({ cancel }, 'text/plain')).status).to.equal(415)
      await eventually(() => cancelled, 'the end of the body')
    })

    it('a body that breaks off is refused, and one that never comes is given up', async () => {
      const broken = await streamed({
        pull: (controller) => controller.error(new Error('broken off')),
      })
      expect(broken.status).to.equal(400)
      make({ limits: { bodyMs: 50 } })
      expect((await streamed({})).status).to.equal(408)
    })
  })

  describe('a stream', () => {
    it('is released when its reader cancels it', async () => {
      const reading = new Reading(await open()).start()
      await reading.until('event: ready')
      expect(server.stats().connections).to.equal(1)
      await reading.cancel()
      await eventually(() => server.stats().connections === 0, 'the release')
      expect(server.stats()).to.include({ connections: 0, views: 0 })
    })

    it('is released and ended when the signal of its request aborts', async () => {
      const gone = new AbortController()
      const reading = new Reading(await open({ signal: gone.signal })).start()
      await reading.until('event: ready')
      gone.abort()
      await eventually(() => server.stats().connections === 0, 'the release')
      await eventually(() => reading.end === 'ended', 'the end')
    })

    it('is never opened for a client that went before its first byte', async () => {
      const { token } = await shake()
      const headers = { Authorization: `Bearer ${token}` }
      expect((await handle('/particle/stream', { headers, signal: AbortSignal.abort() })).status).to.equal(
        499,
      )
      const gone = new AbortController()
      const answer = handle('/particle/stream', { headers, signal: gone.signal })
      gone.abort()
      expect((await answer).status).to.equal(499)
      await new Promise((resolve) => setImmediate(resolve))
      expect(server.stats().connections).to.equal(0)
    })

    it('a handshake whose client has gone is answered at once, and its lookup ends without a token', async () => {
      let finish: (identity: unknown) => void = () => {}
      make({
        identityLookup: () =>
          new Promise((resolve) => {
            finish = resolve
          }),
      })
      const gone = new AbortController()
      const answer = post('/particle/handshake', { identity: {} }, { signal: gone.signal })
      await new Promise((resolve) => setTimeout(resolve, 20))
      gone.abort()
      expect((await answer).status).to.equal(499)
      finish({ id: 1 })
      await eventually(() => server.stats().connections === 0, 'nothing is left')
      expect(errors).to.deep.equal([])
    })

    it('ends with a word when the server ends it, after its last bytes were read', async () => {
      const reading = new Reading(await open())
      await eventually(() => server.stats().connections === 1, 'the stream')
      server.revoke(() => true, 'over')
      await eventually(() => server.stats().connections === 0, 'the release')
      reading.start()
      await eventually(() => reading.end === 'ended', 'the end')
      expect(reading.text).to.match(/event: revoked\ndata: \{"reason":"over"\}\n\n$/)
    })

    it('may end at any moment around the end of its client', async () => {
      for (let turns = 0; turns < 8; turns++) {
        const gone = new AbortController()
        const reading = new Reading(await open({ signal: gone.signal })).start()
        await reading.until('event: ready')
        server.revoke(() => true, 'over')
        for (let turn = 0; turn < turns; turn++)
          await new Promise<void>((resolve) => process.nextTick(resolve))
        gone.abort()
        await eventually(() => reading.end === 'ended', 'the end')
      }
      expect(server.stats().connections).to.equal(0)
    })

    it('gives its bytes only when they are read, and resets a reader that is too far behind', async () => {
      make({ maxBufferedBytes: 100_000, replay: { bytes: 100_000 } })
      await tasks.insertOne({ _id: 1, text: '' })
      const reading = new Reading(await open())
      await eventually(() => server.stats().connections === 1, 'the stream')
      for (let i = 0; i < 300; i++) {
        await tasks.updateOne({ _id: 1 }, { $set: { text: `${i} ${'x'.repeat(10_000)}` } })
        await new Promise((resolve) => setImmediate(resolve))
      }
      await tasks.updateOne({ _id: 1 }, { $set: { text: 'last' } })
      reading.start()
      await reading.until('event: reset')
      await reading.until('"last"')
      expect(reading.text.length).to.be.below(500_000)
      await reading.cancel()
    })

    it('is not compressed, and the server says once that its option has no effect', async () => {
      make({ compression: true })
      for (const headers of [{ 'Accept-Encoding': 'gzip' }, undefined]) {
        const { token } = await shake()
        const authorized = { Authorization: `Bearer ${token}`, ...headers }
        const response = await handle('/particle/stream', { headers: authorized })
        expect(response.headers.get('Content-Encoding')).to.equal(null)
        const reading = new Reading(response).start()
        await reading.until('event: ready')
        await reading.cancel()
      }
      expect(errors.splice(0).map(String)).to.deep.equal([
        'ParticleError: The option compression has no effect over particle/fetch: leave it out, and let the ' +
          'framework or a proxy compress',
      ])
    })

    it('is cut when nobody reads it', async function () {
      this.timeout(20_000)
      make({ heartbeat: 1000 })
      const reading = new Reading(await open())
      await eventually(() => server.stats().connections === 1, 'the stream')
      await eventually(() => server.stats().connections === 0, 'the release', 10_000)
      reading.start()
      await eventually(() => reading.end === 'cut', 'the cut')
    })

    it('is not cut while its reader takes a little at a time', async function () {
      this.timeout(20_000)
      make({ heartbeat: 1000 })
      const reader = (await open()).body?.getReader()
      for (const end = Date.now() + 7_000; Date.now() < end; ) {
        expect((await reader?.read())?.done).to.equal(false)
        await new Promise((resolve) => setTimeout(resolve, 1500))
      }
      expect(server.stats().connections).to.equal(1)
      await reader?.cancel()
    })
  })
})
