import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import request from 'supertest'
import { PROTOCOL } from '../../../lib/protocol/messages.ts'
import { createHandler } from '../../../lib/server/http/middleware.ts'
import type { IdentityLookup } from '../../../lib/server/options/identity-lookup.ts'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { type Claims, scopeOf, sessionId, TokenSeal } from '../../../lib/server/tokens/token.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../../support/http.ts'
import { openStream, type SseReader } from '../../support/sse.ts'

const SECRET = 'the secret of the specs'
/** A lookup that takes everybody for what they say they are. */
const trusting: IdentityLookup = (identity) => identity

/** A bare server over two members, with what the application's `onError` was told. */
function make(options: Partial<ServerOptions> = {}) {
  const store = memory()
  const users = store.collection('users')
  const errors: Error[] = []
  const server = new Server({
    dataSources: { users: { manifest: { email: true }, collection: users } },
    secret: SECRET,
    onError: (error) => errors.push(error),
    ...options,
  })
  return { server, users, errors, handler: createHandler(server), http: createServer(createHandler(server)) }
}

const post = (http: Parameters<typeof request>[0], body: string | object, type = 'application/json') =>
  request(http)
    .post('/particle/handshake')
    .set('Content-Type', type)
    .send(typeof body === 'string' ? body : JSON.stringify(body))

const refused = (response: request.Response, status: number, code: string) => {
  expect(response.status, response.text).to.equal(status)
  expect(response.type).to.equal('application/json')
  expect(Object.keys(response.body)).to.deep.equal(['error'])
  expect(Object.keys(response.body.error)).to.deep.equal(['code', 'message'])
  expect(response.body.error.code).to.equal(code)
  expect(response.body.error.message)
    .to.be.a('string')
    .and.not.match(/\bat .*:\d|\.ts|\/work/)
  expect(response.headers['cache-control']).to.equal('private, no-store')
}

describe('server/middleware', () => {
  describe('handshake', () => {
    it('answers with the token, the session, the address of the stream, and the browser cookie', async () => {
      const { http, errors } = make({ identityLookup: trusting, heartbeat: 5000, sessionTtl: 60_000 })
      const before = Date.now()
      const { status, body, headers } = await post(http, { identity: { accountId: 1 } })
      expect(status).to.equal(200)
      expect(Object.keys(body).sort()).to.deep.equal(
        ['token', 'session', 'stream', 'expiresAt', 'protocol', 'heartbeat', 'live', 'identity'].sort(),
      )
      expect(body.token).to.match(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/)
      expect(body.session).to.match(/^[\w-]{16}$/)
      expect(body.stream).to.match(/^\/particle\/stream\?token=ticket~[\w.-]+$/)
      expect(body.live).to.equal(false)
      // The server's clock has fractions of a millisecond.
      expect(Date.parse(body.expiresAt)).to.be.within(before + 59_999, Date.now() + 60_001)
      expect(body.expiresAt).to.equal(new Date(body.expiresAt).toISOString())
      expect(body.protocol).to.equal(PROTOCOL)
      expect(body.heartbeat).to.equal(5000)
      expect(headers['cache-control']).to.equal('private, no-store')
      expect(headers['set-cookie']).to.have.length(1)
      expect(headers['set-cookie']?.[0]).to.match(
        /^particle=[\w-]{22}; Max-Age=60; HttpOnly; SameSite=Strict$/,
      )
      expect(errors).to.deep.equal([])
    })

    it('marks the cookie as Secure behind a proxy that speaks https', async () => {
      const { http } = make()
      const { headers } = await post(http, {}).set('X-Forwarded-Proto', 'https, http')
      expect(headers['set-cookie']?.[0]).to.match(
        /^__Secure-particle=[\w-]{22}; .*; SameSite=Strict; Secure$/,
      )
    })

    it('gives each handshake a session of its own', async () => {
      const { http } = make()
      const sessions = [await post(http, {}), await post(http, {})].map(({ body }) => body.session)
      expect(new Set(sessions).size).to.equal(2)
    })

    it('takes JSON by all of its names', async () => {
      const { http } = make()
      for (const type of ['application/json', 'application/json; charset=utf-8', 'application/vnd.x+json']) {
        expect((await post(http, {}, type)).status, type).to.equal(200)
      }
    })

    it('takes what express.json() has read before it', async () => {
      const { handler } = make({ identityLookup: trusting })
      const app = express().use(express.json()).use(handler)
      expect((await post(app, { identity: { accountId: 1 } })).status).to.equal(200)
      refused(await post(app, [1]), 400, 'INVALID_MESSAGE')
      refused(await post(app, {}, 'text/plain'), 415, 'UNSUPPORTED_MEDIA_TYPE')
    })

    it('says so when a middleware before it read the body and kept nothing', async () => {
      const { handler } = make()
      const app = express()
        .use((request, _response, next) => void request.resume().once('end', () => next()))
        .use(handler)
      const response = await post(app, {})
      refused(response, 400, 'INVALID_MESSAGE')
      expect(response.body.error.message).to.contain('read by a middleware')
    })

    it('hands the identity and the request to identityLookup', async () => {
      const seen: unknown[] = []
      const { http } = make({
        identityLookup: (identity, done, request?: IncomingMessage) => {
          seen.push(identity, request?.headers['x-user'])
          done(null, {})
        },
      })
      await post(http, { identity: { name: 'ann' } }).set('X-User', 'ann')
      expect(seen).to.deep.equal([{ name: 'ann' }, 'ann'])
    })

    it('sets no cookie and gives no ticket where the token goes by a header', async () => {
      const { http } = make()
      const { body, headers } = await post(http, { identity: null, carrier: 'header' })
      expect(headers['set-cookie']).to.equal(undefined)
      expect(body.stream).to.equal('/particle/stream')
      refused(await post(http, { identity: null, carrier: 'pigeon' }), 400, 'INVALID_MESSAGE')
    })

    it('keeps the value that the browser has, and replaces one that is malformed', async () => {
      const { http } = make()
      const value = 'A'.repeat(22)
      const cookieOf = async (cookie: string) =>
        (await post(http, {}).set('Cookie', cookie)).headers['set-cookie']?.[0] ?? ''
      expect(await cookieOf(`a=b; particle=${value}`)).to.contain(`particle=${value};`)
      const other = `particle=${'B'.repeat(22)}; __Secure-particle=${value}`
      expect(await cookieOf(other), 'the one that no other page can set').to.contain(`particle=${value};`)
      for (const hostile of ['', 'x', `${value}A`, `${value.slice(1)}"`, 'é'.repeat(22)])
        expect(await cookieOf(`particle=${encodeURI(hostile)}`)).to.match(/^particle=(?!A{22})[\w-]{22};/)
    })

    it('keeps the session that its previous token names, and begins another for any other token', async () => {
      const { http } = make({ identityLookup: trusting })
      const first = await post(http, { identity: {} })
      const second = await post(http, { identity: {}, previous: first.body.token })
      expect(second.body.session).to.equal(first.body.session)
      const third = await post(http, { identity: {}, previous: 'x' })
      expect(third.body.session).not.to.equal(first.body.session)
    })

    it('carries nothing over from a token that was revoked', async () => {
      const { http, server } = make({ identityLookup: trusting })
      const first = await post(http, { identity: {} })
      server.revoke(() => true)
      const second = await post(http, { identity: {}, previous: first.body.token })
      expect(second.status).to.equal(200)
      expect(second.body.session).not.to.equal(first.body.session)
    })
  })

  describe('bad requests', () => {
    const bad: [string, string, string | object, string | undefined, number, string][] = [
      ['malformed JSON', 'a', '{"identity":', undefined, 400, 'INVALID_MESSAGE'],
      ['an empty body', 'an', '', undefined, 400, 'INVALID_MESSAGE'],
      ['an array', 'an', [1], undefined, 400, 'INVALID_MESSAGE'],
      ['null', 'a', 'null', undefined, 400, 'INVALID_MESSAGE'],
      ['a scalar', 'a', '"x"', undefined, 400, 'INVALID_MESSAGE'],
      ['a previous that is a number', 'a', { previous: 1 }, undefined, 400, 'INVALID_MESSAGE'],
      ['a previous that is an object', 'a', { previous: { a: 1 } }, undefined, 400, 'INVALID_MESSAGE'],
      ['text', 'a', '{}', 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
      ['a form', 'a', 'a=b', 'application/x-www-form-urlencoded', 415, 'UNSUPPORTED_MEDIA_TYPE'],
      ['what only begins like JSON', 'a', '{}', 'application/jsonp', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ]
    for (const [what, , body, type, status, code] of bad) {
      it(`answers ${what} with ${status}, and goes on`, async () => {
        const { http, errors } = make({ identityLookup: trusting })
        refused(await post(http, body, type), status, code)
        expect((await post(http, { identity: {} })).status).to.equal(200)
        expect(errors).to.deep.equal([])
      })
    }

    it('answers a body without a content type with 415', async () => {
      const { http } = make()
      refused(await request(http).post('/particle/handshake'), 415, 'UNSUPPORTED_MEDIA_TYPE')
    })

    it('takes a forged, an old or a foreign previous token as none', async () => {
      const { http } = make()
      for (const previous of [
        '',
        'x',
        'a.b.c.d.e',
        await new TokenSeal('another secret').seal(claims(), later()),
      ])
        expect((await post(http, { previous })).status).to.equal(200)
    })

    it('takes __proto__ in the identity for a field like any other', async () => {
      const found: unknown[] = []
      const { http } = make({
        identityLookup: (identity) => {
          found.push(identity)
          return identity
        },
      })
      const { status } = await post(
        http,
        '{"__proto__":{"a":1},"identity":{"__proto__":{"admin":true},"b":1}}',
      )
      expect(status).to.equal(200)
      expect((found[0] as { admin?: boolean }).admin).to.equal(undefined)
      expect(({} as { admin?: boolean }).admin).to.equal(undefined)
      expect((await post(http, { identity: {} })).status).to.equal(200)
    })

    it('does not take __proto__ in a path for a route', async () => {
      const { http } = make()
      for (const path of ['/__proto__', '/particle/__proto__', '/constructor', '/particle/toString'])
        refused(await request(http).get(path), 404, 'NOT_FOUND')
      expect((await post(http, {})).status).to.equal(200)
    })
  })

  describe('1 MB of body', () => {
    let listening: Listening
    beforeEach(async () => {
      listening = await listen(make().handler)
    })
    afterEach(() => listening.close())

    /** Sends a megabyte over a connection of its own; the whole answer as text. */
    const send = (head: string, frame: (chunk: string) => string, end: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(listening.port, '127.0.0.1')
        let answer = ''
        socket.on('data', (data) => {
          answer += data
          if (/\r\n\r\n.*\}\}/s.test(answer)) socket.end()
        })
        socket.on('error', reject)
        socket.on('close', () => resolve(answer))
        socket.write(
          `POST /particle/handshake HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${head}\r\n\r\n`,
        )
        for (let sent = 0; sent < 16; sent++) socket.write(frame('x'.repeat(65_536)))
        socket.write(end)
      })

    it('is answered with 413 when its length is announced, and the answer can be read', async () => {
      for (let round = 0; round < 5; round++) {
        const answer = await send(`Content-Length: ${16 * 65_536}`, (chunk) => chunk, '')
        expect(answer).to.match(/^HTTP\/1.1 413 /)
        expect(answer).to.contain('"code":"BODY_TOO_LARGE"')
      }
      expect((await shake(`${listening.url}/particle`)).protocol).to.equal(PROTOCOL)
    })

    it('is answered with 413 when its length is not announced', async () => {
      for (let round = 0; round < 5; round++) {
        const answer = await send(
          'Transfer-Encoding: chunked',
          (chunk) => `10000\r\n${chunk}\r\n`,
          '0\r\n\r\n',
        )
        expect(answer).to.match(/^HTTP\/1.1 413 /)
        expect(answer).to.contain('"code":"BODY_TOO_LARGE"')
      }
      expect((await shake(`${listening.url}/particle`)).protocol).to.equal(PROTOCOL)
    })

    it('is answered with 413 by supertest, as by any client', async () => {
      const { http } = make()
      refused(await post(http, { identity: 'x'.repeat(1_000_000) }), 413, 'BODY_TOO_LARGE')
      expect((await post(http, { identity: 'x'.repeat(90_000) })).status).to.equal(200)
    })

    it('does not hold up the server when its sender breaks off', async () => {
      const { handler, errors } = make()
      const broken = await listen(handler)
      const outgoing = httpRequest(`${broken.url}/particle/handshake`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Content-Length': 1000 },
      })
      outgoing.on('error', () => {})
      outgoing.write('{"identity":')
      await new Promise((resolve) => setTimeout(resolve, 20))
      outgoing.destroy()
      expect((await shake(`${broken.url}/particle`)).protocol).to.equal(PROTOCOL)
      expect(errors).to.deep.equal([])
      await broken.close()
    })
  })

  it('reports a criteria function that throws by its root and with its cause, and answers 503', async () => {
    const cause = new TypeError("Cannot read properties of undefined (reading 'id')")
    const { http, errors } = make({
      identityLookup: trusting,
      dataSources: {
        jobs: {
          manifest: true,
          collection: memory().collection('jobs'),
          criteria: () => {
            throw cause
          },
        },
      },
    })
    refused(await post(http, { identity: {} }), 503, 'UNAVAILABLE')
    expect(errors).to.have.length(1)
    expect(errors[0]).to.include({
      name: 'ParticleError',
      code: 'CALLBACK_FAILED',
      message: `dataSources.jobs.criteria threw: ${cause.message}`,
      cause,
    })
  })

  describe('identityLookup', () => {
    const error401 = Object.assign(new Error('no such user in table users'), { status: 401 })
    const refusals: [string, IdentityLookup][] = [
      ['null', () => null],
      ['false', () => false],
      ['undefined', () => undefined],
      ['a promise of null', async () => null],
      ['done(null, null)', (_identity, done) => done(null, null)],
      ['done(null, false)', (_identity, done) => done(null, false)],
      ['done()', (_identity, done) => done()],
      ['done(error) with status 401', (_identity, done) => done(error401)],
      ['an error thrown with status 401', () => raise(error401)],
      ['a rejection with status 401', () => Promise.reject(error401)],
      ['a rejection with status 403', () => Promise.reject(Object.assign(new Error(), { status: 403 }))],
      ['a value that JSON knows nothing of', () => Symbol('nothing')],
    ]
    for (const [what, identityLookup] of refusals) {
      it(`refuses with ${what}: 401`, async () => {
        const { http, errors } = make({ identityLookup })
        const response = await post(http, { identity: {} })
        refused(response, 401, 'UNAUTHORIZED')
        expect(response.headers['www-authenticate']).to.equal('Bearer')
        expect(response.text).not.to.contain('table users')
        expect(response.headers['set-cookie']).to.equal(undefined)
        expect(errors).to.deep.equal([])
      })
    }

    const grants: [string, IdentityLookup][] = [
      ['a value', () => ({ id: 1 })],
      ['a promise', async () => ({ id: 1 })],
      ['done', (_identity, done) => done(null, { id: 1 })],
      ['done, later', (_identity, done) => void setTimeout(done, 5, null, { id: 1 })],
      ['done in an async function', async (_identity, done) => done(null, { id: 1 })],
      [
        'both a value and done',
        (_identity, done) => {
          done(null, { id: 1 })
          return { id: 1 }
        },
      ],
      ['a value such as 0', () => 0],
    ]
    for (const [what, identityLookup] of grants) {
      it(`grants with ${what}`, async () => {
        const { http, errors } = make({ identityLookup })
        expect((await post(http, {})).status).to.equal(200)
        expect(errors).to.deep.equal([])
      })
    }

    const failures: [string, IdentityLookup][] = [
      ['throws', () => raise(new Error('password=hunter2'))],
      ['rejects', () => Promise.reject(new Error('password=hunter2'))],
      ['answers with an error', (_identity, done) => done(new Error('password=hunter2'))],
      ['gives what JSON cannot hold', () => ({ id: 1n, text: 'password=hunter2' })],
    ]
    for (const [what, identityLookup] of failures) {
      it(`${what}: 503, with no word of why to the client, and all of it to onError`, async () => {
        const { http, errors } = make({ identityLookup })
        const response = await post(http, {})
        refused(response, 503, 'UNAVAILABLE')
        expect(response.headers['retry-after']).to.match(/^\d+$/)
        expect(response.text).not.to.contain('hunter2')
        expect(errors).to.have.length(1)
      })
    }

    it('names a lookup that calls done twice, and counts the first', async () => {
      const { http, errors } = make({
        identityLookup: (_identity, done) => {
          done(null, { id: 1 })
          done(null, null)
        },
      })
      expect((await post(http, {})).status).to.equal(200)
      expect(errors.map(({ message }) => message)).to.deep.equal([
        'identityLookup called done more than once',
      ])
    })

    it('turns handshakes away with 429 while too many wait for it, and takes them again after', async () => {
      const waiting: (() => void)[] = []
      const { handler } = make({
        identityLookup: (_identity, done) => void waiting.push(() => done(null, {})),
        maxConnections: 2,
      })
      const listening = await listen(handler)
      const first = [shake(`${listening.url}/particle`), shake(`${listening.url}/particle`)]
      await eventually(() => waiting.length === 2, 'two lookups')
      const response = await post(listening.url, {})
      refused(response, 429, 'TOO_MANY_HANDSHAKES')
      expect(response.headers['retry-after']).to.match(/^\d+$/)
      for (const answer of waiting) answer()
      await Promise.all(first)
      const after = shake(`${listening.url}/particle`)
      await eventually(() => waiting.length === 3, 'a third lookup')
      waiting[2]?.()
      expect((await after).protocol).to.equal(PROTOCOL)
      await listening.close()
    })
  })

  describe('stream', () => {
    let listening: Listening
    let made: ReturnType<typeof make>
    const readers: SseReader[] = []
    const url = (path: string) => `${listening.url}${path}`
    const open = async (path: string, headers?: Record<string, string>) => {
      const reader = await openStream(url(path), headers)
      readers.push(reader)
      return reader
    }
    const start = async (options: Partial<ServerOptions> = {}) => {
      made = make(options)
      await made.users.insertOne({ _id: 'u1', email: 'ann@example.com', secret: 1 })
      listening = await listen(made.handler)
    }
    const isServed = async (reader: SseReader) => {
      expect(reader.status).to.equal(200)
      await reader.next('manifest')
      const { data } = await reader.next('payload')
      expect(data.data).to.deep.equal([{ _id: 'u1', email: 'ann@example.com' }])
      await reader.next('ready')
    }
    const isRefused = async (path: string, headers: Record<string, string> = {}) => {
      const response = await request(listening.url).get(path).set(headers)
      refused(response, 401, 'UNAUTHORIZED')
      expect(response.headers['www-authenticate']).to.equal('Bearer')
    }
    afterEach(async () => {
      for (const reader of readers.splice(0)) reader.close()
      await listening.close()
      await made.server.disconnect()
    })

    it('has the headers that keep proxies from holding it back', async () => {
      await start()
      const reader = await open('/particle/stream')
      expect(reader.headers).to.include({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'private, no-store, no-transform',
        'x-accel-buffering': 'no',
      })
      expect(reader.headers['content-length']).to.equal(undefined)
      await reader.next('ready')
      expect(reader.raw).not.to.contain('\r')
      expect(reader.retry).to.equal(1000)
    })

    it('is served without a token where there is no identityLookup', async () => {
      await start()
      await isServed(await open('/particle/stream'))
    })

    it('is served by Bearer, by ?token= and by the body of a POST', async () => {
      await start({ identityLookup: trusting })
      const { token } = await shake(url('/particle'), {})
      await isServed(await open('/particle/stream', { Authorization: `Bearer ${token}` }))
      await isServed(await open('/particle/stream', { Authorization: `bearer ${token}` }))
      await isServed(await open(`/particle/stream?token=${token}`))
      const response = await fetch(url('/particle/stream'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token }),
      })
      expect(response.headers.get('content-type')).to.contain('text/event-stream')
      await response.body?.cancel()
    })

    it('is served to identities of any size', async () => {
      const long = { list: Array.from({ length: 5000 }, (_, index) => `group-${index}`) }
      await start({ identityLookup: () => long })
      const { token } = await shake(url('/particle'), {})
      const response = await fetch(url('/particle/stream'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token }),
      })
      expect(response.status).to.equal(200)
      await response.body?.cancel()
    })

    it('is served by a ticket once without the cookie, and again with it', async () => {
      await start({ identityLookup: trusting })
      const { stream, cookie } = await shake(url('/particle'), {})
      const Cookie = `theme=dark; particle=${'x'.repeat(22)}; ${cookie}`
      await isServed(await open(stream))
      await isRefused(stream)
      await isRefused(stream, { Cookie: `particle=${'x'.repeat(22)}` })
      await isServed(await open(stream, { Cookie }))
      await isServed(await open(stream, { Cookie }))
    })

    it('is served to nobody by a ticket that was used with its cookie', async () => {
      await start({ identityLookup: trusting })
      const { stream, cookie } = await shake(url('/particle'), {})
      await isServed(await open(stream, { Cookie: cookie }))
      await isRefused(stream)
    })

    it('takes no ticket for a token, and no token for a ticket', async () => {
      await start({ identityLookup: trusting })
      const { stream, token, session } = await shake(url('/particle'), {})
      const ticket = new URLSearchParams(stream.split('?')[1]).get('token') ?? ''
      await isRefused(`/particle/stream?token=${ticket.replace('ticket~', '')}`)
      await isRefused(`/particle/stream?token=ticket~${token}`)
      const answer = await post(listening.url, { identity: {}, previous: ticket })
      expect(answer.body.session).not.to.equal(session)
    })

    it('lets two sessions live side by side', async () => {
      const found = (identity: { team: string }) => identity
      await start({
        identityLookup: found,
        dataSources: {},
      })
      await made.server.disconnect()
      await listening.close()
      const store = memory()
      const users = store.collection('users')
      await users.insertMany([
        { _id: 'a', team: 'red' },
        { _id: 'b', team: 'blue' },
      ])
      made = make({
        identityLookup: found,
        dataSources: { users: { manifest: true, collection: users, criteria: { team: '@team' } } },
      })
      listening = await listen(made.handler)
      const red = await shake(url('/particle'), { team: 'red' })
      const blue = await shake(url('/particle'), { team: 'blue' })
      const [reds, blues] = [await open(red.stream), await open(blue.stream)]
      expect((await reds.next('payload')).data.data.map(({ _id }) => _id)).to.deep.equal(['a'])
      expect((await blues.next('payload')).data.data.map(({ _id }) => _id)).to.deep.equal(['b'])
    })

    it('is refused without a token, and with one that is forged, expired, or of another secret', async () => {
      await start({ identityLookup: trusting })
      const { token, session } = await shake(url('/particle'), {})
      const scope = scopeOf(made.server.options)
      const forged = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`
      const own = await new TokenSeal(SECRET, scope).seal(claims(session), later())
      const expired = await new TokenSeal(SECRET, scope).seal(claims(session), Date.now() - 1000)
      const foreign = await new TokenSeal('another secret altogether', scope).seal(
        claims(session),
        Date.now() + 60_000,
      )
      await isRefused('/particle/stream')
      await isRefused('/particle/stream?token=')
      for (const bad of [forged, expired, foreign, 'x', 'a.b.c', `${token}x`]) {
        await isRefused('/particle/stream', { Authorization: `Bearer ${bad}` })
        await isRefused(`/particle/stream?token=${bad}`)
      }
      await isServed(await open('/particle/stream', { Authorization: `Bearer ${token}` }))
      await isServed(await open('/particle/stream', { Authorization: `Bearer ${own}` }))
    })

    it('is refused with the token of a server of another path, other roots or another audience', async () => {
      await start({ identityLookup: trusting, audience: 'members' })
      const source = { manifest: true as const, collection: memory().collection('users') }
      const others = [
        make({ identityLookup: trusting }),
        make({ identityLookup: trusting, audience: 'staff' }),
        make({ identityLookup: trusting, audience: 'members', path: '/staff' }),
        make({ identityLookup: trusting, audience: 'members', dataSources: { salaries: source } }),
      ]
      for (const other of others) {
        const { path } = other.server.options
        const { body } = await request(other.http)
          .post(`${path}/handshake`)
          .send({ identity: {} })
          .expect(200)
        await isRefused(`/particle/stream?token=${body.token}`)
        await isRefused(body.stream.replace(path, '/particle'))
        const next = await post(listening.url, { identity: {}, previous: body.token })
        expect(next.body.session).not.to.equal(body.session)
      }
    })

    it('is refused with a forged token even where no identity is needed', async () => {
      await start()
      await isRefused('/particle/stream?token=x')
    })

    it('is refused where the identity holds an operator in the place of a value', async () => {
      const store = memory()
      await start({
        identityLookup: trusting,
        dataSources: {
          users: { manifest: true, collection: store.collection('users'), criteria: { team: '@team' } },
        },
      })
      refused(await post(listening.url, { identity: { team: { $ne: 1 } } }), 401, 'UNAUTHORIZED')
    })

    it('takes the position from Last-Event-ID or ?lastEventId=', async () => {
      await start({ identityLookup: trusting })
      const { stream, token } = await shake(url('/particle'), {})
      const auth = { Authorization: `Bearer ${token}` }
      const stay = await open(stream, auth)
      const { id = '' } = await stay.next('ready')
      expect(id).not.to.equal('')
      await made.users.insertOne({ _id: 'u2', email: 'bob@example.com' })
      for (const reader of [
        await open(stream, { ...auth, 'Last-Event-ID': id }),
        await open(`${stream}&lastEventId=${encodeURIComponent(id)}`, auth),
      ]) {
        expect((await reader.next('manifest')).data.resumed).to.equal(true)
        const { data } = await reader.next('delta')
        expect(data.oplist.map((op) => op.id)).to.deep.equal(['u2'])
        await reader.next('ready')
        expect(reader.names()).not.to.include('payload')
      }
    })

    it('starts anew, and says why, from a position that is not one', async () => {
      await start()
      for (const position of ['x', '0', '__proto__', 'a:b:c:d', 'x'.repeat(3000)]) {
        const reader = await open('/particle/stream', { 'Last-Event-ID': position })
        const { data } = await reader.next('manifest')
        expect(data).to.include({ resumed: false, reason: 'position-unknown' })
        expect((await reader.next('reset')).id).to.equal('')
        await reader.next('payload')
        await reader.next('ready')
      }
    })

    it('is turned away with 503 when the server is full, and served when there is room again', async () => {
      await start({ maxConnections: 1 })
      const only = await open('/particle/stream')
      await only.next('ready')
      const response = await request(listening.url).get('/particle/stream')
      refused(response, 503, 'UNAVAILABLE')
      expect(response.headers['retry-after']).to.match(/^\d+$/)
      refused(await post(listening.url, {}), 503, 'UNAVAILABLE')
      only.close()
      await eventually(() => made.server.stats().connections === 0, 'the release')
      await isServed(await open('/particle/stream'))
    })

    it('ends when the server closes, which then turns all away with 503', async () => {
      await start()
      const reader = await open('/particle/stream')
      await reader.next('ready')
      await made.server.disconnect()
      await reader.ended
      expect(made.server.stats()).to.deep.include({ connections: 0, views: 0 })
      const response = await request(listening.url).get('/particle/stream')
      refused(response, 503, 'UNAVAILABLE')
      expect(response.headers['retry-after']).to.match(/^\d+$/)
      refused(await post(listening.url, {}), 503, 'UNAVAILABLE')
    })

    it('lets go of everything when the client goes away', async () => {
      await start()
      const reader = await open('/particle/stream')
      await reader.next('ready')
      expect(made.server.stats()).to.deep.include({ connections: 1, views: 1 })
      reader.close()
      await eventually(() => made.server.stats().connections === 0, 'the release')
      expect(made.server.stats().views).to.equal(0)
    })
  })

  describe('routes', () => {
    it('answers what is not there with 404 on bare http, and leaves it to what follows elsewhere', async () => {
      const { http, handler } = make()
      for (const path of [
        '/',
        '/particle',
        '/particle/',
        '/particle/handshake/',
        '/Particle/stream',
        '/x?y=/particle/stream',
      ])
        refused(await request(http).get(path), 404, 'NOT_FOUND')
      const app = express()
        .use(handler)
        .use((_request, response) => void response.send('mine'))
      expect((await request(app).get('/particle/other')).text).to.equal('mine')
    })

    it('answers a wrong method with 405 and the right one', async () => {
      const { http } = make()
      for (const [method, path, allow] of [
        ['get', '/particle/handshake', 'POST'],
        ['put', '/particle/handshake', 'POST'],
        ['put', '/particle/stream', 'GET'],
        ['head', '/particle/stream', 'GET'],
        ['delete', '/particle/client.js', 'GET'],
      ] as const) {
        const response = await request(http)[method](path)
        expect(response.status, `${method} ${path}`).to.equal(405)
        expect(response.headers.allow).to.contain(allow)
        if (method !== 'head') refused(response, 405, 'METHOD_NOT_ALLOWED')
      }
      expect((await post(http, {})).status).to.equal(200)
    })

    it('stands where options.path says', async () => {
      const { http } = make({ path: '/live/v1' })
      const { body, headers } = await request(http).post('/live/v1/handshake').send({}).expect(200)
      expect(body.stream).to.match(/^\/live\/v1\/stream\?token=/)
      // The browser's own default is the folder of the address that it asked for.
      expect(headers['set-cookie']?.[0]).not.to.contain('Path')
      await request(http).post('/particle/handshake').send({}).expect(404)
    })

    it('knows the prefix that it is mounted under', async () => {
      const { handler, server } = make()
      const listening = await listen(express().use('/api/v2', handler))
      const { stream, cookie, token } = await shake(`${listening.url}/api/v2/particle`)
      expect(stream).to.match(/^\/api\/v2\/particle\/stream\?token=/)
      for (const headers of [{ Cookie: cookie }, { Authorization: `Bearer ${token}` }]) {
        const reader = await openStream(`${listening.url}${stream}`, headers)
        await reader.next('ready')
        reader.close()
      }
      await server.disconnect()
      await listening.close()
    })

    it('keeps the parameters of its mount out of the cookie, whatever they hold', async () => {
      const { handler, server } = make()
      const listening = await listen(express().use('/t/:tenant', handler))
      const tenants = [
        'a;Domain=evil.example',
        'a%3B%20Max-Age=0',
        'a;SameSite=None,b=c',
        'a%0d%0aX-Evil:%201',
      ]
      for (const tenant of tenants) {
        const { headers } = await request(listening.url)
          .post(`/t/${tenant}/particle/handshake`)
          .send({})
          .expect(200)
        expect(headers['set-cookie'], tenant).to.have.length(1)
        expect(headers['set-cookie']?.[0], tenant).to.match(
          /^particle=[\w-]{22}; Max-Age=3600; HttpOnly; SameSite=Strict$/,
        )
        expect(headers, tenant).not.to.have.property('x-evil')
      }
      await server.disconnect()
      await listening.close()
    })

    it('guards every answer against other pages, and leaves what the application has set', async () => {
      const { handler, server } = make()
      const guards = {
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
      }
      const bare = await listen(handler)
      const own = { 'cross-origin-resource-policy': 'cross-origin', 'referrer-policy': 'same-origin' }
      const app = express().use((_request, response, next) => {
        response.set(own)
        next()
      })
      const dressed = await listen(app.use(handler))
      for (const [{ url }, expected] of [
        [bare, guards],
        [dressed, { ...guards, ...own }],
      ] as const) {
        for (const path of ['handshake', 'stream?token=none', 'client.js', 'nothing'])
          if (url === bare.url || path !== 'nothing')
            expect((await request(url).get(`/particle/${path}`)).headers, path).to.include(expected)
        expect((await request(url).post('/particle/handshake').send({})).headers).to.include(expected)
        const reader = await openStream(`${url}/particle/stream`)
        expect(reader.headers).to.include(expected)
        reader.close()
      }
      await server.disconnect()
      await Promise.all([bare.close(), dressed.close()])
    })

    it('carries the server', () => {
      const { server } = make()
      expect(server.middleware().server).to.equal(server)
    })
  })

  describe('pages of other origins', () => {
    const ORIGIN = 'https://app.example.com'
    const cors = (response: request.Response) =>
      Object.keys(response.headers).filter((name) => name.startsWith('access-control-'))

    it('are let in by allowOrigin, with credentials', async () => {
      const { http } = make({ allowOrigin: [ORIGIN, 'https://b.example.com'] })
      const preflight = await request(http)
        .options('/particle/handshake')
        .set({ Origin: ORIGIN, 'Access-Control-Request-Method': 'POST' })
      expect(preflight.status).to.equal(204)
      expect(preflight.headers).to.include({
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
      })
      expect(preflight.headers['access-control-allow-methods']).to.contain('POST')
      expect(preflight.headers['access-control-allow-headers']).to.match(/content-type/i)
      expect(preflight.headers['access-control-allow-headers']).to.match(/authorization/i)
      expect(preflight.headers.vary).to.match(/origin/i)
      const answer = await post(http, {}).set('Origin', ORIGIN)
      expect(answer.status).to.equal(200)
      expect(answer.headers).to.include({
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
      })
      expect(answer.headers['access-control-expose-headers']).to.match(/retry-after/i)
      expect(answer.headers['set-cookie']?.[0]).to.match(/; HttpOnly; SameSite=None; Secure; Partitioned$/)
    })

    it('see the errors of theirs as well', async () => {
      const { http } = make({ allowOrigin: ORIGIN, identityLookup: () => null })
      const response = await post(http, {}).set('Origin', ORIGIN)
      refused(response, 401, 'UNAUTHORIZED')
      expect(response.headers['access-control-allow-origin']).to.equal(ORIGIN)
    })

    it('get no word when they are not allowed', async () => {
      for (const allowOrigin of [undefined, ORIGIN]) {
        const { http } = make({ allowOrigin })
        const origin = { Origin: 'https://evil.example.com' }
        expect(cors(await request(http).options('/particle/handshake').set(origin))).to.deep.equal([])
        expect(cors(await post(http, {}).set(origin))).to.deep.equal([])
      }
    })

    it('are all let in by *, without credentials', async () => {
      const { http } = make({ allowOrigin: '*' })
      const response = await post(http, {}).set('Origin', 'https://anyone.example.com')
      expect(response.headers['access-control-allow-origin']).to.equal('*')
      expect(response.headers).not.to.have.property('access-control-allow-credentials')
    })

    it('leave the cookie of a page of the own origin as it is, whatever a proxy made of the Host', async () => {
      const { handler } = make({ allowOrigin: 'https://other.example.com' })
      const app = express().use(handler)
      const own = await post(app, {}).set({ Origin: 'http://shop.example.com', Host: 'backend:8080' })
      expect(own.headers['set-cookie']?.[0]).to.match(/SameSite=Strict$/)
    })

    it('keep what others said of Vary', async () => {
      const { handler } = make({ allowOrigin: ORIGIN })
      const app = express()
        .use((_request, response, next) => {
          response.setHeader('Vary', 'Accept-Language')
          next()
        })
        .use(handler)
      const { headers } = await post(app, {}).set('Origin', ORIGIN)
      expect(headers.vary)
        .to.match(/Accept-Language/i)
        .and.match(/Origin/i)
    })
  })
})

function raise(error: Error): never {
  throw error
}

function claims(session = sessionId()): Claims {
  return { session, given: {}, identity: {}, views: {}, at: Date.now() }
}

function later(): number {
  return Date.now() + 60_000
}
