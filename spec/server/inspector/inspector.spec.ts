import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { expect } from 'chai'
import express from 'express'
import helmet from 'helmet'
import request from 'supertest'
import type { Figures, TailRecord } from '../../../lib/inspector/messages.ts'
import type { Sink } from '../../../lib/server/delivery/sink.ts'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../../support/http.ts'
import { presenting } from '../../support/sse.ts'
import { readStream, type StreamReader } from '../../support/stream.ts'

const ADMIN = { 'X-Admin': 'yes' }
const isAdmin = ({ headers }: IncomingMessage) => headers['x-admin'] === 'yes'

describe('The inspector', () => {
  let users = memory().collection('users')
  const readers: StreamReader[] = []
  let errors: Error[] = []
  let server: Server
  let listening: Listening | undefined

  const make = (options: Partial<ServerOptions> = {}) => {
    errors = []
    server = new Server({
      identityLookup: (identity) => identity,
      dataSources: { users: { manifest: true, collection: users } },
      onError: (error) => errors.push(error),
      inspector: isAdmin,
      ...options,
    })
    return server.middleware()
  }
  const serve = async (options: Partial<ServerOptions> = {}) => {
    listening = await listen(make(options))
    return `${listening.url}/particle`
  }
  /** Opens the stream of a client, and returns its token. */
  const visit = async (url: string, user: string) => {
    const { token } = await shake(url, { user })
    const reader = await readStream(`${url}/stream`, presenting(token))
    readers.push(reader)
    await eventually(() => reader.names().includes('ready'), 'the client is ready')
    return token
  }
  const inspect = async (url: string, query = '') => {
    const reader = await readStream(`${url}/inspect/events${query}`, ADMIN)
    readers.push(reader)
    await eventually(() => reader.of('figures').length > 0, 'figures')
    return reader
  }
  const figures = (reader: StreamReader): Figures => reader.of('figures').at(-1)?.data

  before(() => {
    if (!existsSync(new URL('../../../dist/browser/inspector.js', import.meta.url)))
      throw new Error('Build first: npm run build')
  })
  beforeEach(async () => {
    users = memory().collection('users')
    await users.insertOne({ _id: 'u1', salary: 5000 })
  })
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader.close()
    await server.disconnect()
    await listening?.close()
    listening = undefined
  })

  describe('to a request', () => {
    const paths = ['/particle/inspect', '/particle/inspect/events']

    it('is not there unless the option is set', async () => {
      for (const inspector of [undefined, false])
        for (const path of paths) {
          const answer = await request(createServer(make({ inspector })))
            .get(path)
            .set(ADMIN)
          expect(answer.status).to.equal(404)
        }
    })

    it('is refused where the guard says no, with nothing of the page', async () => {
      for (const inspector of [() => false, async () => false, (() => undefined) as never])
        for (const path of paths) {
          const answer = await request(createServer(make({ inspector }))).get(path)
          expect(answer.status).to.equal(403)
          expect(answer.body.error.code).to.equal('FORBIDDEN')
          expect(errors).to.deep.equal([])
        }
    })

    const broken: [name: string, guard: () => unknown, message: string][] = [
      [
        'throws',
        () => {
          throw new Error('hidden')
        },
        'inspector failed: Error: hidden',
      ],
      ['rejects', () => Promise.reject(new Error('hidden')), 'inspector failed: Error: hidden'],
      [
        'returns a user in place of true',
        async () => ({ name: 'ann' }),
        'inspector must return true or false',
      ],
    ]
    for (const [name, guard, message] of broken) {
      it(`is refused, and onError names the guard, where the guard ${name}`, async () => {
        for (const path of paths) {
          const answer = await request(createServer(make({ inspector: guard as never }))).get(path)
          expect(answer.status).to.equal(503)
          expect(answer.text).to.not.include('hidden')
          expect(errors.map((error) => error.message).join()).to.include(message)
          expect(errors[0]).to.include({ code: 'CALLBACK_FAILED' })
        }
      })
    }

    it('gives pages of other origins nothing, also those of allowOrigin', async () => {
      const http = createServer(make({ allowOrigin: 'https://app.example' }))
      for (const path of paths) {
        const foreign = { ...ADMIN, Origin: 'https://app.example' }
        const preflight = await request(http).options(path).set(foreign)
        expect(preflight.status).to.equal(405)
        expect(preflight.headers).to.not.have.property('access-control-allow-origin')
        const { headers } = await request(http).head('/particle/inspect').set(foreign)
        expect(headers).to.not.have.property('access-control-allow-origin')
        expect(headers).to.include({ 'cross-origin-resource-policy': 'same-origin' })
      }
    })

    it('answers with one page that asks nobody else, also behind Helmet and a mount point', async () => {
      const app = express().use(helmet()).use('/api', make())
      const { status, text, headers } = await request(app).get('/api/particle/inspect').set(ADMIN)
      expect(status).to.equal(200)
      expect(headers['content-type']).to.equal('text/html; charset=utf-8')
      expect(headers['cache-control']).to.equal('private, no-store')
      expect(headers['content-security-policy'])
        .to.include("default-src 'none'")
        .and.include("frame-ancestors 'none'")
        .and.not.include('unsafe')
      expect(text).to.include('<title>Particle inspector</title>')
      expect(text).to.not.match(/(?:src|href)=|https?:\/\//)
      expect((await request(app).head('/api/particle/inspect').set(ADMIN)).status).to.equal(200)
    })
  })

  describe('without a guard', () => {
    const environment = process.env.NODE_ENV
    afterEach(() => {
      if (environment === undefined) delete process.env.NODE_ENV
      else process.env.NODE_ENV = environment
    })

    it('is refused in production, and the error says what to give', () => {
      process.env.NODE_ENV = 'production'
      expect(() => make({ inspector: true })).to.throw(/inspector needs a guard where NODE_ENV is production/)
      expect(() => make({ inspector: () => true })).to.not.throw()
      expect(() => make({ inspector: 'yes' as never })).to.throw(/inspector must be a function/)
    })

    it('admits this machine alone, by its own names, without a proxy between', async () => {
      const url = await serve({ inspector: true })
      const get = (headers: Record<string, string>) =>
        request(url.replace('/particle', '')).get('/particle/inspect').set(headers)
      expect((await get({})).status).to.equal(200)
      expect((await get({ Host: 'localhost:3000' })).status).to.equal(200)
      for (const headers of [
        { Host: 'rebound.example' },
        { 'X-Forwarded-For': '127.0.0.1' },
        { Via: '1.1 a' },
      ])
        expect((await get(headers)).status).to.equal(403)
    })
  })

  describe('shows', () => {
    it('the connections with a digest of their identity, the views, the log and the sources', async () => {
      const url = await serve()
      await visit(url, 'ann@example.com')
      await visit(url, 'ann@example.com')
      await visit(url, 'bob@example.com')
      const before = server.stats().replay.changes
      await users.updateOne({ _id: 'u1' }, { $set: { salary: 6000 } })
      await eventually(() => server.stats().replay.changes > before, 'the change')
      const reader = await inspect(url)
      const { streams, log, ...shown } = figures(reader)
      expect(shown).to.deep.include({ connections: 3, views: 1, buffered: 0, found: 3 })
      expect(shown.roots).to.deep.equal([
        { root: 'users', views: 1, connections: 3, loading: 0, documents: 1 },
      ])
      expect(shown.shown).to.have.length(1)
      expect(shown.shown[0]).to.include({ root: 'users', viewers: 3, documents: 1 })
      expect(shown.sources[0]).to.include({ name: 'memory', state: 'open', views: 1 })
      expect(shown.changes).to.equal(before + 1)
      expect(log).to.include({ changes: shown.changes, maxBytes: 16_777_216, maxAge: 120_000 })
      expect(log.age).to.be.within(0, 60_000)
      for (const { roots, state, buffered, age } of streams) {
        expect({ roots, state, buffered }).to.deep.equal({ roots: ['users'], state: 'ready', buffered: 0 })
        expect(age).to.be.within(0, 60_000)
      }
      const [bob, ...anns] = streams.map(({ identity }) => identity)
      expect(new Set(anns).size).to.equal(1)
      expect(bob)
        .to.match(/^[\w-]{10}$/)
        .and.not.equal(anns[0])
      expect(JSON.stringify(reader.events)).to.not.include('example.com')
    })

    it('the connections that a search finds', async () => {
      const url = await serve()
      await visit(url, 'ann')
      await visit(url, 'bob')
      const [first, second] = figures(await inspect(url)).streams
      for (const find of [String(first?.stream), first?.session, first?.identity] as string[]) {
        const { streams, found } = figures(await inspect(url, `?find=${encodeURIComponent(find)}`))
        expect(found).to.equal(1)
        expect(streams.map(({ stream }) => stream)).to.deep.equal([first?.stream])
      }
      expect(figures(await inspect(url, '?find=users')).found).to.equal(2)
      expect(second?.session).to.not.equal(first?.session)
    })

    it('the steps of the server, and new figures each second', async () => {
      const url = await serve()
      const reader = await inspect(url)
      await visit(url, 'ann')
      await eventually(() => reader.of('step').some(({ data }) => data.name === 'stream.ready'), 'the step')
      await eventually(() => figures(reader).connections === 1, 'the figures')
    })

    it('each event of one connection in words, and no token', async () => {
      const url = await serve()
      const token = await visit(url, 'ann')
      await visit(url, 'bob')
      const stream = figures(await inspect(url)).streams.at(-1)?.stream
      const reader = await inspect(url, `?tail=${stream}`)
      const tail = (): TailRecord[] => reader.of('tail').map(({ data }) => data)
      await users.updateOne({ _id: 'u1' }, { $set: { salary: 6000 } })
      await eventually(() => tail().some(({ event }) => event === 'delta'), 'the change')
      const change = tail().find(({ event }) => event === 'delta')
      expect(change?.words).to.deep.equal(['users "u1": salary changed: 6000'])
      expect(JSON.parse(change?.data ?? '')).to.deep.equal(['users', ['set', 'u1', 'salary', 6000]])
      await server.refresh()
      await eventually(() => tail().some(({ event }) => event === 'session'), 'the new token')
      const text = JSON.stringify(reader.events)
      expect(text).to.include('The client gets a new token')
      expect(text).to.not.include(token.slice(0, 20)).and.not.include('"token')
    })

    it('the end of the connection that a page tails, and that there is none', async () => {
      const url = await serve()
      await visit(url, 'ann')
      const stream = figures(await inspect(url)).streams[0]?.stream
      const reader = await inspect(url, `?tail=${stream}`)
      const ends = (of: StreamReader) => of.of('tail').filter(({ data }) => data.event === 'closed')
      expect(ends(reader)).to.have.length(0)
      server.revoke(() => true)
      await eventually(() => ends(reader).length === 1, 'the end')
      expect(ends(reader)[0]?.data.words[0]).to.match(
        new RegExp(`^Stream ${stream} .*closed after .*revoked`),
      )
      const [missing] = ends(await inspect(url, `?tail=${stream}`))
      expect(missing?.data.words).to.deep.equal([`Stream ${stream} is not open here`])
    })

    it('what is shown once for two pages that tail one connection, also after one has gone', async () => {
      const url = await serve()
      await visit(url, 'ann')
      const stream = figures(await inspect(url)).streams[0]?.stream
      const [one, two] = [await inspect(url, `?tail=${stream}`), await inspect(url, `?tail=${stream}`)]
      const changes = (reader: StreamReader) =>
        reader.of('tail').filter(({ data }) => data.event === 'delta').length
      await users.updateOne({ _id: 'u1' }, { $inc: { salary: 1 } })
      await eventually(() => changes(one) === 1 && changes(two) === 1, 'the change on both')
      one.close()
      await users.updateOne({ _id: 'u1' }, { $inc: { salary: 1 } })
      await eventually(() => changes(two) === 2, 'the change on the other')
      expect(changes(one)).to.equal(1)
      expect(readers[0]?.of('delta')).to.have.length(2)
    })
  })

  it('holds no events for a page that does not read, and then says how many it left out', async () => {
    const url = await serve()
    await visit(url, 'ann')
    const [first] = figures(await inspect(url)).streams
    let text = ''
    let buffered = 0
    const sink: Sink = {
      write: (bytes) => {
        text += bytes
        buffered += bytes.length
        return false
      },
      buffered: () => buffered,
      onDrain: () => {},
      end: () => {},
    }
    const close = server.inspector?.open(sink, { tail: first?.stream })
    const note = 'x'.repeat(20_000)
    for (let salary = 0; salary < 100; salary++) {
      await users.updateOne({ _id: 'u1' }, { $set: { note: `${salary}${note}` } })
      await new Promise(setImmediate)
    }
    expect(text).to.include('event: tail')
    expect(buffered).to.be.within(64 * 1024, 80_000)
    buffered = 0
    await users.updateOne({ _id: 'u1' }, { $set: { salary: 5 } })
    await eventually(() => text.includes('salary changed: 5'), 'the next change')
    expect(text).to.match(/event: skipped\ndata: \{"events":\d+\}\n\nevent: tail/)
    close?.()
    const { length } = text
    await users.updateOne({ _id: 'u1' }, { $set: { salary: 6 } })
    await new Promise(setImmediate)
    expect(text).to.have.length(length)
  })

  it('ends with the server, also for its pages', async () => {
    const url = await serve()
    await visit(url, 'ann')
    const stream = figures(await inspect(url)).streams[0]?.stream
    const reader = await inspect(url, `?tail=${stream}`)
    await server.disconnect()
    await eventually(() => reader.ended(), 'the end')
  })
})
