import { once } from 'node:events'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import connect from 'connect'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { certificate } from '../support/certificate.ts'
import { eventually } from '../support/http.ts'

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** What RFC 9113, 8.2.2, forbids. */
const FORBIDDEN = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']

describe('Over HTTP/2', () => {
  const tls = certificate()
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  const users = memory().collection('users')
  let server: Server
  let http: http2.Http2SecureServer
  let origin: string
  const sessions: ClientHttp2Session[] = []
  const errors: Error[] = []

  before(function () {
    if (!tls) this.skip()
  })
  beforeEach(async () => {
    process.on('warning', note)
    server = new Server({
      dataSources: { users: { manifest: true, collection: users } },
      identityLookup: (identity: unknown) => identity,
      allowOrigin: ['https://localhost', 'https://other.example.com'],
      onError: (error) => errors.push(error),
    })
    http = http2.createSecureServer({ ...tls, allowHTTP1: true }, connect().use(server.middleware()) as never)
    await once(http.listen(0, '127.0.0.1'), 'listening')
    origin = `https://localhost:${(http.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    process.off('warning', note)
    for (const session of sessions.splice(0)) session.destroy()
    http.close()
    await server.disconnect()
    expect(errors).to.deep.equal([])
    expect(warnings.splice(0).map(String)).to.deep.equal([])
  })

  const open = () => {
    const { port } = http.address() as AddressInfo
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      servername: 'localhost',
    })
    session.on('error', () => {})
    sessions.push(session)
    return session
  }
  const send = (session: ClientHttp2Session, headers: Record<string, string>, body?: string) => {
    const stream = session.request({ ':authority': origin.replace('https://', ''), ...headers })
    stream.on('error', () => {})
    stream.end(body)
    return stream
  }
  const answer = async (stream: ClientHttp2Stream): Promise<Answer> => {
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    let body = ''
    for await (const chunk of stream) body += chunk
    return { status: Number(headers[':status']), headers, body }
  }
  const shake = (
    session: ClientHttp2Session,
    headers: Record<string, string> = {},
    body = '{"identity":{}}',
  ) =>
    answer(
      send(
        session,
        {
          ':method': 'POST',
          ':path': '/particle/handshake',
          'content-type': 'application/json',
          ...headers,
        },
        body,
      ),
    )
  const stream = async (session: ClientHttp2Session) => {
    const { token } = JSON.parse((await shake(session)).body)
    const request = send(session, { ':path': '/particle/stream', authorization: `Bearer ${token}` })
    const reader = { text: '', headers: {} as IncomingHttpHeaders, ended: false, request }
    request.on('response', (headers) => {
      reader.headers = headers
    })
    request.on('data', (chunk) => {
      reader.text += chunk
    })
    request.on('end', () => {
      reader.ended = true
    })
    await eventually(() => reader.text.includes('event: ready'), 'the stream')
    return reader
  }

  it('a handshake is answered, a stream shows what changes, and is ended with a word', async () => {
    const reader = await stream(open())
    expect(reader.headers[':status']).to.equal(200)
    for (const name of FORBIDDEN) expect(reader.headers).not.to.have.property(name)
    await users.insertOne({ name: 'ann' })
    await eventually(() => reader.text.includes('"ann"'), 'the change')
    server.revoke(() => true, 'over')
    await eventually(() => reader.ended, 'the end')
    expect(reader.text).to.match(/event: revoked\ndata: \{"reason":"over"\}\n\n$/)
    expect(server.stats().connections).to.equal(0)
  })

  it('many streams share a session', async () => {
    const session = open()
    const readers = await Promise.all(Array.from({ length: 20 }, () => stream(session)))
    expect(server.stats().connections).to.equal(20)
    for (const { request } of readers) request.close(http2.constants.NGHTTP2_CANCEL)
    await eventually(() => server.stats().connections === 0, 'the release')
  })

  it('knows a page of its own origin by :authority, as there is no Host', async () => {
    const own = (await shake(open(), { origin })).headers['set-cookie']?.join() ?? ''
    expect(own).to.contain('SameSite=Strict').and.contain('Secure')
    const host = { ':authority': 'localhost', origin: 'https://localhost' }
    expect((await shake(open(), host)).headers['set-cookie']?.join()).to.contain('SameSite=Strict')
    const foreign = await shake(open(), { origin: 'https://other.example.com' })
    expect(foreign.headers['set-cookie']?.join()).to.contain('SameSite=None; Secure')
    expect(foreign.headers['access-control-allow-origin']).to.equal('https://other.example.com')
  })

  it('errors are answered, and no header is set that HTTP/2 forbids', async () => {
    const session = open()
    const get = (path: string, method = 'GET') => answer(send(session, { ':method': method, ':path': path }))
    const answers = [
      await shake(session, {}, 'null'),
      await shake(session, {}, `{"identity":"${'x'.repeat(200_000)}"}`),
      await shake(session, { 'content-type': 'text/plain' }),
      await shake(session, {}, '{"identity":null}'),
      await get('/particle/stream'),
      await get('/particle/handshake'),
      await get('/particle/handshake', 'OPTIONS'),
    ]
    expect(answers.map(({ status }) => status)).to.deep.equal([400, 413, 415, 401, 401, 405, 204])
    for (const { headers } of answers) expect(headers).not.to.have.any.keys(FORBIDDEN)
    expect((await shake(session)).status).to.equal(200)
  })

  const closings: [string, () => unknown][] = [
    ['http.close()', () => http.close()],
    ['disconnect()', () => server.disconnect()],
  ]
  for (const [name, close] of closings) {
    it(`streams end by ${name}, and their sessions take no more requests`, async () => {
      const session = open()
      const reader = await stream(session)
      const began = performance.now()
      close()
      await eventually(() => reader.ended, 'the end of the stream')
      await eventually(() => session.closed, 'the end of the session')
      expect(performance.now() - began).to.be.lessThan(1000)
    })
  }

  it('a session without a stream ends by http.close(), also beside one that has given its stream up', async () => {
    const [idle, cancelled] = [open(), open()]
    await shake(idle)
    const { request } = await stream(cancelled)
    request.close(http2.constants.NGHTTP2_CANCEL)
    await eventually(() => server.stats().connections === 0, 'the release')
    const closed = new Promise((resolve) => http.close(resolve))
    await closed
    await eventually(() => idle.closed && cancelled.closed, 'the end of the sessions')
  })

  it('a closing server that still listens refuses with 503, and closes the session', async () => {
    const session = open()
    await shake(session)
    await server.disconnect()
    expect((await shake(session)).status).to.equal(503)
    await eventually(() => session.closed, 'the end')
  })

  it('holds back what a slow reader does not take', async () => {
    const session = open()
    const reader = await stream(session)
    reader.request.pause()
    await users.insertMany(Array.from({ length: 200 }, (_, index) => ({ index, text: 'x'.repeat(50_000) })))
    await new Promise((resolve) => setTimeout(resolve, 100))
    reader.request.resume()
    await users.insertOne({ name: 'last' })
    await eventually(() => reader.text.includes('"last"'), 'all of it', 10_000)
    await users.deleteMany({})
  })

  it('HTTP/1.1 is served by the same server', async () => {
    const { port } = http.address() as AddressInfo
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, agent: false } as const
    const response = await new Promise<string>((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json' }
      const request = https.request({ ...options, method: 'POST', path: '/particle/handshake', headers })
      request.on('response', (answer) => {
        let body = ''
        answer.on('data', (chunk) => {
          body += chunk
        })
        answer.on('end', () => resolve(body))
      })
      request.on('error', reject)
      request.end('{"identity":{}}')
    })
    const { token } = JSON.parse(response)
    const request = https.get({
      ...options,
      path: '/particle/stream',
      headers: { Authorization: `Bearer ${token}` },
    })
    const [answer] = await once(request, 'response')
    let text = ''
    answer.on('data', (chunk: Buffer) => {
      text += chunk
    })
    await eventually(() => text.includes('event: ready'), 'the stream')
    server.revoke(() => true)
    await once(answer, 'end')
    expect(text).to.contain('event: revoked')
  })
})
