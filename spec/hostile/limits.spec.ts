import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import { Client } from '../../lib/client/index.ts'
import { related } from '../../lib/policy/relation.ts'
import { createHandler } from '../../lib/server/http/middleware.ts'
import type { Limits } from '../../lib/server/options/limits.ts'
import type { ServerOptions } from '../../lib/server/options/options.ts'
import { Server } from '../../lib/server/server.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { openStream, type SseReader } from '../support/sse.ts'

describe('Limits over HTTP', () => {
  let closers: (() => unknown)[] = []

  /** An application behind a proxy that it trusts, so that specs can come from any address. */
  const start = async (limits: Limits, options: Partial<ServerOptions> = {}) => {
    const errors: Error[] = []
    const store = memory()
    const users = store.collection('users')
    const server = new Server({
      dataSources: { users: { manifest: true, collection: users } },
      identityLookup: (identity) => identity,
      onError: (error) => errors.push(error),
      limits,
      ...options,
    })
    const handler = createHandler(server)
    const app = express().set('trust proxy', true).use(handler)
    const listening: Listening = await listen(app)
    closers.push(
      () => server.disconnect(),
      () => listening.close(),
    )
    return { errors, server, users, store, url: `${listening.url}/particle`, port: listening.port }
  }
  const post = (url: string, identity: unknown, address = '192.0.2.1') =>
    fetch(`${url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': address },
      body: JSON.stringify({ identity }),
    })
  const opened = async (url: string, identity: unknown = {}, address = '192.0.2.1'): Promise<SseReader> => {
    const { token } = (await (await post(url, identity, address)).json()) as { token: string }
    return openToken(url, token, address)
  }
  const openToken = async (url: string, token: string, address = '192.0.2.1') => {
    const reader = await openStream(`${url}/stream`, {
      Authorization: `Bearer ${token}`,
      'X-Forwarded-For': address,
    })
    closers.push(() => reader.close())
    return reader
  }
  /** A raw connection to the server, with what it answered. */
  const raw = (port: number, text: string) => {
    const socket: Socket = connect(port, '127.0.0.1')
    const state = { socket, answer: '', closed: false }
    socket.on('data', (data) => {
      state.answer += data.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      state.closed = true
    })
    socket.write(text)
    closers.push(() => socket.destroy())
    return state
  }
  const head = (length: number) =>
    `POST /particle/handshake HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`

  afterEach(async () => {
    for (const close of closers.reverse()) await close()
    closers = []
  })

  it('let one address shake hands so often, and others as before', async () => {
    const { url, errors } = await start({ handshakesPerSecondPerAddress: 0.05 })
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(url, {})))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).to.have.length(1)
    expect(statuses.filter((status) => status === 429)).to.have.length(49)
    const refused = answers.find(({ status }) => status === 429)
    expect(refused?.headers.get('Retry-After')).to.equal('2')
    expect(await refused?.json()).to.have.nested.property('error.code', 'TOO_MANY_HANDSHAKES')
    expect((await post(url, {}, '192.0.2.2')).status).to.equal(200)
    expect(errors.map(({ message }) => message)).to.have.length(1)
  })

  it('count the peer of the socket where Express trusts no proxy', async () => {
    const server = new Server({
      dataSources: { users: { manifest: true, collection: memory().collection('users') } },
      limits: { handshakesPerSecondPerAddress: 0.05 },
      onError: () => {},
    })
    const listening = await listen(express().use(createHandler(server)))
    closers.push(
      () => server.disconnect(),
      () => listening.close(),
    )
    const url = `${listening.url}/particle`
    const statuses: number[] = []
    for (let index = 0; index < 5; index++) statuses.push((await post(url, {}, `192.0.2.${index}`)).status)
    expect(statuses).to.deep.equal([200, 429, 429, 429, 429])
  })

  it('let strangers who wait in a slow lookup turn nobody away who has a stream', async () => {
    let isSlow = false
    const waiting: (() => void)[] = []
    const lookup = (identity: { name: string }) =>
      isSlow && identity.name === 'stranger'
        ? new Promise<object>((resolve) => waiting.push(() => resolve(identity)))
        : identity
    const { url, server } = await start({ handshakesWaiting: 50 }, { identityLookup: lookup })
    const client = new Client({ url, identity: { name: 'ann' } })
    closers.push(() => client.close())
    await client.ready()
    isSlow = true
    const statuses: number[] = []
    const strangers = Array.from({ length: 60 }, async () => {
      statuses.push((await post(url, { name: 'stranger' })).status)
    })
    await eventually(() => waiting.length === 50 && statuses.length === 10, 'A full waiting room')
    expect(await server.refresh()).to.equal(1)
    expect(server.stats().connections).to.equal(1)
    expect(client.status).to.equal('ready')
    // They are looked up once more, since the refresh came meanwhile.
    isSlow = false
    for (const resolve of waiting) resolve()
    await Promise.all(strangers)
    expect(statuses.filter((status) => status === 429)).to.have.length(10)
  })

  it('bound the streams of an address, and give a place back when one ends', async () => {
    const { url, errors, server } = await start({ streamsPerAddress: 2 })
    const [first] = [await opened(url), await opened(url)]
    expect([(await opened(url)).status, (await opened(url, {}, '192.0.2.2')).status]).to.deep.equal([
      429, 200,
    ])
    expect(errors.map(({ message }) => message).join()).to.contain('limits.streamsPerAddress')
    first?.close()
    await eventually(() => server.stats().connections === 2, 'The end of a stream')
    expect((await opened(url)).status).to.equal(200)
  })

  it('refuse a further stream of an identity, and no stream of another one', async () => {
    const key = ({ user }: { user: string }) => user
    const { url, errors } = await start({ key, streamsPerIdentity: 2 })
    const open = async (user: string, device: number) => (await opened(url, { user, device })).status
    expect([await open('ann', 1), await open('ann', 2), await open('ann', 3)]).to.deep.equal([200, 200, 429])
    expect(await open('ben', 1)).to.equal(200)
    expect(errors).to.have.length(1)
  })

  it('replace the oldest stream of an identity, which does not come back', async () => {
    const key = ({ user }: { user: string }) => user
    const { url, server } = await start({ key, streamsPerIdentity: 1, excessStreams: 'replace' })
    const codes: string[] = []
    const make = (device: number) => {
      const identity = { user: 'ann', device }
      const client = new Client({ url, identity, onError: ({ code }) => codes.push(code) })
      closers.push(() => client.close())
      return client
    }
    const first = make(1)
    await first.ready()
    const second = make(2)
    await eventually(() => first.status === 'refused', 'The end of the oldest stream')
    await eventually(() => second.status === 'ready', 'The new stream')
    expect(codes).to.deep.equal(['REPLACED'])
    expect(first.data).to.deep.equal({})
    expect(server.stats().connections).to.equal(1)
  })

  const moved = async (excessStreams: 'refuse' | 'replace') => {
    const key = ({ user }: { user: string }) => (user === 'guest' ? undefined : user)
    const { url, server, errors } = await start({ key, streamsPerIdentity: 2, excessStreams })
    const readers: SseReader[] = []
    const live: unknown[] = []
    for (let index = 0; index < 4; index++) {
      const guest = await shake(url, { user: 'guest' })
      const reader = await openToken(url, guest.token)
      await reader.next('ready')
      readers.push(reader)
      live.push((await shake(url, { user: 'eve' }, guest.token)).live)
    }
    await eventually(() => server.stats().connections === 2, 'The end of two streams')
    return { url, server, readers, live, errors }
  }

  it('count a stream anew that goes on as another identity, and end it where that has too many', async () => {
    const { url, server, readers, live, errors } = await moved('refuse')
    expect(live).to.deep.equal([true, true, false, false])
    const [first, , third] = readers
    await third?.ended
    expect(third?.events.at(-1)).to.have.nested.property('data.code', 'TOO_MANY_STREAMS')
    expect(errors.map(({ message }) => message).join()).to.match(/^An identity asks for more than 2 streams/)
    expect((await opened(url, { user: 'eve' })).status).to.equal(429)
    first?.close()
    await eventually(() => server.stats().connections === 1, 'The end of a stream')
    expect((await opened(url, { user: 'eve' })).status).to.equal(200)
  })

  it('count a stream anew that goes on as another identity, and replace the oldest of that', async () => {
    const { readers, live } = await moved('replace')
    expect(live).to.deep.equal([true, true, true, true])
    for (const reader of readers.slice(0, 2)) {
      await reader.ended
      expect(reader.events.at(-1)).to.have.nested.property('data.reason', 'replaced')
    }
  })

  const wrongKeys: Record<string, () => unknown> = {
    'a promise': async () => 'ann',
    'a promise that fails': async () => {
      throw new Error('No user')
    },
    'an object': () => ({ user: 'ann' }),
    null: () => null,
    'a number': () => 7,
  }
  for (const [name, wrong] of Object.entries(wrongKeys))
    it(`refuse streams where limits.key returns ${name}, and say what it must return`, async () => {
      const { url, errors } = await start({ key: wrong as () => string, streamsPerIdentity: 2 })
      expect((await opened(url)).status).to.equal(503)
      expect(errors.map(({ message }) => message).join())
        .to.match(/^limits.key must return a text, or undefined/)
        .and.to.match(/; this is (a|another|null)\b/)
    })

  it("let one user's renewals turn away no renewal of another user behind the same address", async () => {
    let isSlow = false
    const waiting: (() => void)[] = []
    const lookup = (identity: { user: string }) =>
      isSlow && identity.user === 'eve'
        ? new Promise<object>((resolve) => waiting.push(() => resolve(identity)))
        : identity
    const { url } = await start({ handshakesWaitingPerAddress: 10 }, { identityLookup: lookup })
    const open = async (user: string) => {
      const { token } = await shake(url, { user })
      await (await openToken(url, token, '127.0.0.1')).next('ready')
      return token
    }
    const [eve, ann] = [await open('eve'), await open('ann')]
    isSlow = true
    let refused = 0
    const renewals = Array.from({ length: 10 }, () =>
      shake(url, { user: 'eve' }, eve).catch((error: Error) => {
        expect(error.message).to.contain('TOO_MANY_HANDSHAKES')
        refused++
      }),
    )
    await eventually(() => waiting.length + refused === 10, 'All renewals')
    expect(refused).to.equal(8)
    expect((await shake(url, { user: 'ann' }, ann)).live).to.equal(true)
    isSlow = false
    for (const answer of waiting) answer()
    await Promise.all(renewals)
    expect((await shake(url, { user: 'eve' }, eve)).live).to.equal(true)
  })

  it("let a client that comes back take its own dead stream's place", async () => {
    const { url, server } = await start({ streamsPerIdentity: 1 })
    const { token } = await shake(url, { user: 'ann' })
    const dead = await openToken(url, token)
    await dead.next('ready')
    expect((await openToken(url, token)).status).to.equal(200)
    await dead.ended
    expect(server.stats().connections).to.equal(1)
    expect(dead.names()).not.to.include('revoked')
  })

  it('end a stream after its life, and the client goes on without a loss', async () => {
    const { url, server, users } = await start({ streamMs: 1_000 }, { heartbeat: 100, sessionTtl: 60_000 })
    const client = new Client<{ dataSources: { users: { manifest: true } } }>({ url, identity: {} })
    closers.push(() => client.close())
    await client.ready()
    let ends = 0
    const left = server.openStream.bind(server)
    server.openStream = (...given) => {
      ends++
      return left(...given)
    }
    const resets: string[] = []
    client.on('**', (_data, event) => {
      if (event?.event === 'reset') resets.push(event.event)
    })
    for (let index = 0; ends < 2; index++) {
      await users.insertOne({ _id: index })
      await new Promise((resolve) => setTimeout(resolve, 50))
      if (index > 200) throw new Error('No stream ended')
    }
    const count = (await users.find().toArray()).length
    await eventually(() => (client.data.users as unknown[]).length === count, 'All documents')
    expect(resets).to.deep.equal([])
  })

  it('turn a stream away that needs a view too many, and let those in that need none', async () => {
    const store = memory()
    const dataSources = {
      users: { manifest: true as const, collection: store.collection('users'), criteria: { team: '@team' } },
    }
    const { url, errors } = await start({ views: 2 }, { dataSources })
    const open = async (team: string) => (await opened(url, { team })).status
    expect([await open('a'), await open('b'), await open('c')]).to.deep.equal([200, 200, 503])
    expect(await open('a')).to.equal(200)
    expect(errors.map(({ message }) => message).join()).to.contain('limits.views')
  })

  it('tell a client that a root is too large, at the edge, and show the other roots', async () => {
    const store = memory()
    const [big, small] = [store.collection('big'), store.collection('small')]
    await big.insertMany(Array.from({ length: 10 }, (_, _id) => ({ _id })))
    await small.insertOne({ _id: 1 })
    const dataSources = {
      big: { manifest: true as const, collection: big },
      small: { manifest: true as const, collection: small },
    }
    const { url, errors } = await start({ snapshotDocuments: 10 }, { dataSources })
    const fits = await opened(url)
    await fits.next('ready')
    fits.close()
    const smaller = await start({ snapshotDocuments: 9 }, { dataSources })
    const reader = await opened(smaller.url)
    const { data } = await reader.next('error')
    expect(data).to.deep.equal({
      root: 'big',
      code: 'LIMIT_EXCEEDED',
      message: 'big is larger than this server allows',
    })
    expect(reader.events.some((event) => event.event === 'payload' && event.data.root === 'small')).to.equal(
      true,
    )
    const others = await Promise.all([1, 2, 3].map(() => opened(smaller.url)))
    for (const other of others) await other.next('error')
    expect(errors).to.deep.equal([])
    expect(smaller.errors).to.have.length(1)
    expect(smaller.errors[0]?.message).to.contain('limits.snapshotDocuments')
  })

  it('bound a root by its bytes', async () => {
    const { url, users, errors } = await start({ snapshotBytes: 1_024 })
    await users.insertOne({ _id: 1, text: 'x'.repeat(1_000) })
    const fits = await opened(url)
    await fits.next('ready')
    fits.close()
    await users.insertOne({ _id: 2, text: 'x'.repeat(1_000) })
    const again = await start(
      { snapshotBytes: 1_024 },
      {
        dataSources: { users: { manifest: true as const, collection: users } },
      },
    )
    expect((await (await opened(again.url)).next('error')).data).to.include({ code: 'LIMIT_EXCEEDED' })
    expect(errors).to.deep.equal([])
  })

  it('give a query up that takes too long, and try again', async () => {
    const store = memory()
    const users = store.collection('users')
    await users.insertOne({ _id: 1 })
    let hangs = true
    const adapter = new Proxy(users.adapter, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (name === 'read' && hangs) return () => new Promise(() => {})
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const { url, errors } = await start(
      { queryMs: 50 },
      { dataSources: { users: { manifest: true, collection: { adapter, collectionName: 'users' } } } },
    )
    const reader = await opened(url)
    expect((await reader.next('error')).data).to.include({ root: 'users', code: 'SOURCE_FAILED' })
    hangs = false
    await reader.next('ready')
    expect(errors[0]?.message).to.contain('limits.queryMs')
  })

  it('bound what an identity is related to, and show all else', async () => {
    const store = memory()
    const [stuffs, links] = [store.collection('stuffs'), store.collection('links')]
    const link = (user: number, stuff: number) => links.insertOne({ _id: `${user} ${stuff}`, user, stuff })
    for (const stuff of [1, 2, 3]) {
      await stuffs.insertOne({ _id: stuff })
      await link(1, stuff)
      await link(2, stuff)
    }
    const criteria = { _id: related('@user').through('links', 'user', 'stuff') }
    const dataSources = { stuffs: { manifest: true as const, collection: stuffs, criteria } }
    const cacheConfig = { stuffs: {}, links: { user: 'users._id', stuff: 'stuffs._id' }, users: {} }
    const { url, errors } = await start({ relationValues: 3 }, { dataSources, cacheConfig })
    const [grown, other] = [await opened(url, { user: 1 }), await opened(url, { user: 2 })]
    for (const reader of [grown, other]) await reader.next('ready')
    await link(1, 4)
    expect((await grown.next('error')).data).to.include({ code: 'LIMIT_EXCEEDED' })
    await grown.ended
    const refused = await post(url, { user: 1 })
    expect([refused.status, await refused.json()]).to.have.nested.property('[1].error.code', 'LIMIT_EXCEEDED')
    expect(refused.status).to.equal(503)
    await stuffs.updateOne({ _id: 1 }, { $set: { seen: true } })
    await other.next('delta')
    expect(errors.map(({ message }) => message)).to.have.length(1)
    expect(errors[0]?.message).to.contain('limits.relationValues')
  })

  describe('for bodies', () => {
    it('answer 408 to one that does not come in time, and end its connection', async () => {
      const { port } = await start({ bodyMs: 50 })
      const slow = raw(port, `${head(100)}{"identity":`)
      await eventually(() => slow.closed, 'The end of the connection')
      expect(slow.answer)
        .to.match(/^HTTP\/1.1 408 /)
        .and.to.contain('BODY_TOO_SLOW')
    })

    it('hold no more of all than a bound, and let go of it', async () => {
      const { port, url, errors } = await start({ bodyBytesWaiting: 100_000 })
      const held = [1, 2].map(() => raw(port, head(90_000) + ' '.repeat(60_000)))
      await eventually(() => held.some(({ closed }) => closed), 'The end of one connection')
      expect(held.map(({ answer }) => answer).join()).to.match(/^,?HTTP\/1.1 503 /)
      expect(held.filter(({ closed }) => closed)).to.have.length(1)
      for (const { socket } of held) socket.destroy()
      expect((await post(url, 'x'.repeat(80_000))).status).to.equal(200)
      expect(errors.filter((error) => String(error).includes('bodyBytesWaiting'))).to.have.length(1)
    })

    for (const parser of [undefined, express.json({ limit: '500kb' })])
      it(`count one until its handshake is answered, ${parser ? 'read by express.json()' : 'read here'}`, async () => {
        const waiting: (() => void)[] = []
        const lookup = () => new Promise<object>((resolve) => waiting.push(() => resolve({})))
        const server = new Server({
          dataSources: { users: { manifest: true, collection: memory().collection('users') } },
          identityLookup: lookup,
          limits: { bodyBytesWaiting: 100_000 },
          onError: () => {},
        })
        const app = express()
        if (parser) app.use(parser)
        const listening = await listen(app.use(createHandler(server)))
        closers.push(
          () => server.disconnect(),
          () => listening.close(),
        )
        const send = () => post(`${listening.url}/particle`, 'x'.repeat(60_000))
        const first = send()
        await eventually(() => waiting.length === 1, 'The lookup')
        expect((await send()).status).to.equal(503)
        waiting[0]?.()
        expect((await first).status).to.equal(200)
        const next = send()
        await eventually(() => waiting.length === 2, 'The next lookup')
        waiting[1]?.()
        expect((await next).status).to.equal(200)
      })

    it('refuse one that is a byte too long', async () => {
      const { url } = await start({ bodyBytes: 1_024 })
      const frame = JSON.stringify({ identity: '' }).length
      expect((await post(url, 'x'.repeat(1_024 - frame))).status).to.equal(200)
      expect((await post(url, 'x'.repeat(1_025 - frame))).status).to.equal(413)
    })

    it('keep no server open that closes while one is awaited', async () => {
      const server = new Server({
        dataSources: { users: { manifest: true, collection: memory().collection('users') } },
      })
      const http = createServer(createHandler(server))
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
      const { port } = http.address() as { port: number }
      const pending = raw(port, `${head(100)}{"identity":`)
      await new Promise((resolve) => http.once('request', resolve))
      const began = performance.now()
      await new Promise<void>((resolve) => http.close(() => resolve()))
      expect(performance.now() - began).to.be.lessThan(3_000)
      await eventually(() => pending.closed, 'The end of the connection')
      expect(pending.answer).to.match(/^HTTP\/1.1 503 /)
      await server.disconnect()
    })
  })

  describe('for faults', () => {
    it('report a lookup that fails for everybody once, with a count later', async () => {
      const { url, errors } = await start(
        {},
        {
          identityLookup: () => {
            throw new Error('The database is down')
          },
        },
      )
      const answers = await Promise.all(Array.from({ length: 100 }, () => post(url, {})))
      expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([503]))
      expect(errors).to.have.length(1)
    })

    it('report a criteria that fails for one identity once', async () => {
      const users = memory().collection('users')
      const criteria = () => {
        throw new Error('No team')
      }
      const dataSources = { users: { manifest: true as const, collection: users, criteria } }
      const { url, errors } = await start({}, { dataSources })
      for (let times = 0; times < 20; times++) expect((await post(url, {})).status).to.equal(503)
      expect(errors).to.have.length(1)
    })
  })

  describe('for pipelined requests', () => {
    const GET = 'GET /particle/stream HTTP/1.1\r\nHost: a\r\n\r\n'

    it('end a stream behind which another request comes', async () => {
      const { port, server } = await start({}, { identityLookup: undefined })
      const piped = raw(port, GET)
      await eventually(() => server.stats().connections === 1, 'The stream')
      piped.socket.write(GET.repeat(200))
      await eventually(() => piped.closed && server.stats().connections === 0, 'The end of the connection')
    })

    const body = JSON.stringify({ identity: null, previous: 'x'.repeat(100_000) })

    it('answer handshakes one after the other, however long their bodies are', async () => {
      const { port } = await start({}, { identityLookup: () => ({}) })
      const piped = raw(port, (head(body.length) + body).repeat(3))
      await eventually(() => piped.answer.split('HTTP/1.1 200 OK').length === 4, 'The answers')
    })

    it('end a connection on which bodies wait behind a slow lookup', async () => {
      const { port, url } = await start(
        { bodyBytesWaiting: 150_000 },
        { identityLookup: (identity) => (identity === null ? new Promise<object>(() => {}) : {}) },
      )
      const piped = raw(port, `${head(2)}{}`)
      for (let index = 0; index < 20 && !piped.closed; index++) {
        piped.socket.write(head(30_000) + ' '.repeat(30_000))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await eventually(() => piped.closed, 'The end of the connection')
      expect((await post(url, 'x'.repeat(90_000))).status).to.equal(200)
    })

    it('end a connection on which more wait than a client has reason to send', async () => {
      const { port, server } = await start({}, { identityLookup: undefined })
      const piped = raw(port, GET.repeat(300))
      await eventually(() => piped.closed && server.stats().connections === 0, 'The end of the connection')
    })
  })

  it('take a target that names the host, as proxies send it', async () => {
    const { port } = await start({}, { identityLookup: undefined })
    const state = raw(
      port,
      'GET http://example.com/particle/stream?x=1 HTTP/1.1\r\nHost: example.com\r\n\r\n',
    )
    await eventually(() => state.answer.includes('event: manifest'), 'The stream')
  })
})
