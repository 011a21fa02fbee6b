import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { DEBUG_NAMES, type DebugEvent, type DebugName } from '../../lib/server/support/diagnostics.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Adapter, ChangeListener } from '../../lib/source/source.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { NotingSink } from '../support/sinks.ts'
import { openStream, presenting } from '../support/sse.ts'

/** Stand in all that no event may hold. */
const SECRETS = {
  presented: 'a-password-of-ada',
  found: 'ada@example.com',
  value: 'the-team-of-ada',
  document: 'the-salary-of-ada',
  failure: 'postgres://ada:secret@db',
  revoked: 'ada-was-fired',
}

/** A memory whose following a spec can disturb. */
function disturbed() {
  const store = memory()
  let listener: ChangeListener | undefined
  let fails = false
  const adapter: Adapter = {
    name: store.name,
    open: (following, from) => {
      if (fails) throw new Error(SECRETS.failure)
      listener = following
      return store.open(following, from)
    },
    compare: (a, b) => store.compare(a, b),
    read: (collection, query, each) => store.read(collection, query, each),
    lookup: (...ids) => store.lookup(...ids),
  }
  return {
    users: store.collection('users'),
    handle: { adapter, collectionName: 'users' },
    following: () => listener,
    refuse: (refused: boolean) => {
      fails = refused
    },
  }
}

describe('What a server reports of itself', () => {
  const servers: Server[] = []
  const listenings: Listening[] = []
  const published: unknown[] = []
  const listener = (event: unknown) => void published.push(event)
  afterEach(async () => {
    for (const name of DEBUG_NAMES) channel(`particle:${name}`).unsubscribe(listener)
    await Promise.all(servers.splice(0).map((server) => server.disconnect()))
    await Promise.all(listenings.splice(0).map((listening) => listening.close()))
  })

  /** A server whose lookup reads the request (or not), and all that its onDebug was told. */
  const serve = async (options: Partial<ServerOptions> = {}, readsRequest = true) => {
    const source = disturbed()
    await source.users.insertMany([
      { _id: 1, name: SECRETS.document, team: SECRETS.value },
      { _id: 2, name: SECRETS.document, team: 'others' },
    ])
    const events: DebugEvent[] = []
    const told: unknown[] = []
    const user = { team: SECRETS.value }
    const find = (presented: unknown) =>
      Object(presented).password === SECRETS.presented ? { mail: SECRETS.found, team: user.team } : null
    const server = new Server({
      identityLookup: readsRequest
        ? (presented, _done, request: IncomingMessage | undefined) =>
            request === undefined ? null : find(presented)
        : (presented) => find(presented),
      dataSources: {
        users: {
          manifest: { nmae: true, team: true },
          collection: source.handle,
          criteria: { team: '@team' },
        },
      },
      onError: () => {},
      onDebug: (message, event) => {
        events.push(event)
        told.push(message, event)
      },
      ...options,
    })
    servers.push(server)
    const listening = await listen(server.middleware())
    listenings.push(listening)
    const of = <N extends DebugName>(name: N) =>
      events.filter((event): event is Extract<DebugEvent, { name: N }> => event.name === name)
    const seen = (name: DebugName, count = 1) => eventually(() => of(name).length >= count, name)
    const url = `${listening.url}/particle`
    const present = (previous?: string) => shake(url, { password: SECRETS.presented }, previous)
    const stream = (token: string, position?: string) =>
      openStream(`${url}/stream`, presenting(token, position))
    return { ...source, server, url, user, events, told, of, seen, present, stream }
  }
  type Served = Awaited<ReturnType<typeof serve>>

  /** A client is turned away, comes in, and leaves. */
  const visits = async ({ url, seen, present, stream }: Served) => {
    await shake(url, { password: 'a guess' }).catch(() => {})
    await (await stream('eyJ.no.token')).ended
    const { token, session } = await present()
    const reader = await stream(token)
    await seen('stream.ready')
    reader.close()
    await seen('stream.close')
    return { session, token }
  }

  /** A client reads too slowly. */
  const reads = async ({ server, users, of, seen, present }: Served) => {
    const { token } = await present()
    const sink = new NotingSink()
    const { length } = of('stream.ready')
    await server.openStream(token, [], { open: () => sink })
    await seen('stream.ready', length + 1)
    sink.held = 100_000
    await users.insertOne({ _id: 9, team: SECRETS.value, name: SECRETS.document })
    await seen('stream.slow')
    sink.drain()
    await seen('stream.reset')
  }

  /** The source is disturbed while a client looks on. */
  const suffers = async ({ users, following, refuse, seen, present, stream }: Served) => {
    refuse(true)
    const { token } = await present()
    const reader = await stream(token)
    await seen('source.failed')
    refuse(false)
    await seen('stream.ready')
    following()?.error(new Error(SECRETS.failure))
    await seen('source.failed', 2)
    await users.insertOne({ _id: 8, team: SECRETS.value, name: SECRETS.document })
    await seen('source.recovered')
    return reader
  }

  it('says why a client gets nothing: it is refused, or its source fails', async () => {
    const served = await serve()
    const { session } = await visits(served)
    const refused = served.of('handshake.refused')
    expect(refused.map(({ ms: _, ...rest }) => rest)).to.deep.equal([
      { name: 'handshake.refused', status: 401, code: 'UNAUTHORIZED' },
    ])
    expect(refused[0]?.ms).to.be.at.least(0)
    expect(served.of('stream.refused')).to.deep.equal([
      { name: 'stream.refused', status: 401, code: 'UNAUTHORIZED' },
    ])
    const names = served.events.filter((event) => 'session' in event && event.session === session)
    expect(names.map(({ name }) => name)).to.deep.equal([
      'handshake',
      'stream.open',
      'stream.ready',
      'stream.close',
    ])
    expect(served.of('stream.close')[0]).to.include({ reason: 'connection-closed' })
    const other = await serve()
    await suffers(other)
    expect(other.of('source.failed').map(({ source, step }) => [source, step])).to.deep.equal([
      ['memory', 'open'],
      ['memory', 'follow'],
    ])
  })

  it('says why a client is reset again and again: it reads too slowly', async () => {
    const served = await serve({ maxBufferedBytes: 1_024 })
    await reads(served)
    expect(served.of('stream.slow')[0]?.bytes).to.be.at.least(100_000)
    const [open] = served.of('stream.open')
    expect(served.of('stream.reset')[0]).to.include({
      stream: open?.stream,
      session: open?.session,
      root: 'users',
      reason: 'slow-client',
    })
  })

  it('says why a client presents itself again: it was asked to, and by what', async () => {
    const served = await serve()
    const { server, of, seen, present, stream } = served
    const { token, session } = await present()
    await stream(token)
    await seen('stream.ready')
    const refreshed = server.refresh()
    await seen('stream.renew')
    await present(token)
    await refreshed
    expect(of('stream.renew')[0]).to.include({ session, reason: 'refresh' })
    expect(of('handshake').map(({ continued, live }) => [continued, live])).to.deep.equal([
      [false, false],
      [true, true],
    ])
  })

  it('says for each root whether it was resumed', async () => {
    const { of, seen, present, stream } = await serve()
    const { token } = await present()
    const first = await stream(token)
    const ready = await first.next('ready')
    first.close()
    await seen('stream.close')
    await stream(token, ready.id)
    await seen('stream.resume')
    await stream(token, 'forged')
    await seen('stream.resume', 2)
    expect(of('stream.resume').map(({ resumed, reason }) => [resumed, reason])).to.deep.equal([
      [['users'], undefined],
      [[], 'position-unknown'],
    ])
  })

  it('publishes nothing for a change that is sent', async () => {
    const { users, events, seen, present, stream } = await serve()
    const reader = await stream((await present()).token)
    await seen('stream.ready')
    const { length } = events
    await users.updateOne({ _id: 1 }, { $set: { nmae: 'x' } })
    await reader.next('delta')
    expect(events.slice(length)).to.deep.equal([])
  })

  it('names the source of a watched root alone, and no parameter', async () => {
    const source = {
      manifest: { team: true },
      collection: memory().collection('users'),
      params: { team: 'string' },
      criteria: { team: ':team' },
    } as const
    const { server, told, of, seen, present } = await serve({ dataSources: { users: source } })
    const { token } = await present()
    const watch = [`users?{"team":"${SECRETS.value}"}`]
    const sink = new NotingSink()
    const close = await server.openStream(token, [], { open: () => sink, watch })
    const lastId = () => sink.lines.findLast((line) => line.startsWith('id: '))?.slice(4)
    await eventually(() => lastId() !== undefined, 'a position')
    const position = lastId()
    close?.()
    await server.openStream(token, [], { open: () => new NotingSink(), watch, position })
    await seen('stream.resume')
    await server.openStream(token, [], { open: () => new NotingSink(), watch, position: 'forged' })
    await seen('stream.reset')
    expect(of('stream.resume').map(({ resumed }) => resumed)).to.deep.equal([['users'], []])
    expect([of('view.read')[0]?.root, of('stream.reset')[0]?.root]).to.deep.equal(['users', 'users'])
    expect(inspect(told, { depth: 10, maxArrayLength: null })).not.to.contain(SECRETS.value)
  })

  it('says who reads the changes of a source that is read once per host, until it is closed', async () => {
    const served = await serve()
    const reader = await served.stream((await served.present()).token)
    await served.seen('stream.ready')
    const figures = () => served.server.stats().sources.memory
    expect(figures()).not.to.have.property('role')
    served.following()?.role?.('own', 'the leader is silent')
    served.following()?.role?.('leader', 'no other process did')
    expect(figures()).to.have.property('role', 'leader')
    expect(served.told.flat()).to.include(
      'Source memory: this process reads the changes for its host, because no other process did',
    )
    reader.close()
    await served.seen('source.close')
    expect(figures()).not.to.have.property('role')
  })

  it('holds no identity, token, document, value or error of a source, in any event', async () => {
    for (const name of DEBUG_NAMES) channel(`particle:${name}`).subscribe(listener)
    const patient = await serve({ maxBufferedBytes: 1_024 })
    const { token } = await visits(patient)
    await reads(patient)
    const asking = await serve()
    await suffers(asking)
    const { token: other } = await asking.present()
    const reader = await asking.stream(other)
    const { id } = await reader.next('ready')
    await asking.stream(other, id)
    await asking.seen('stream.resume')
    void asking.server.refresh()
    await asking.seen('stream.renew')
    asking.following()?.lost('the log was trimmed', '99~')
    await asking.seen('source.lost')
    asking.following()?.role?.('follower', 'another process leads')
    await asking.seen('source.role')
    const going = await serve({}, false)
    await going.stream((await going.present()).token)
    await going.seen('stream.ready')
    going.user.team = 'others'
    await going.server.refresh()
    await going.seen('stream.diff')
    going.server.revoke(() => true, SECRETS.revoked)
    await going.seen('source.close')

    const all = [...patient.events, ...asking.events, ...going.events]
    const missing = DEBUG_NAMES.filter((name) => !all.some((event) => event.name === name))
    expect(missing, 'events that did not happen').to.deep.equal([])
    expect(published).to.have.length(all.length)
    const text = inspect([patient.told, asking.told, going.told, published], {
      depth: 10,
      maxArrayLength: null,
    })
    for (const secret of [...Object.values(SECRETS), token, other]) expect(text).not.to.contain(secret)
    expect(text).not.to.match(/eyJ[\w-]{10}|ticket~/)
  })
})

describe('The figures of a server', () => {
  it('are told for each root and each source', async () => {
    const one = memory()
    const two = memory()
    await one.collection('users').insertMany([
      { _id: 1, team: 'a' },
      { _id: 2, team: 'b' },
    ])
    let send: ((data: { data: object[]; timestamp: string }) => void) | undefined
    const server = new Server({
      identityLookup: (identity) => identity,
      dataSources: {
        users: { manifest: true, collection: one.collection('users'), criteria: { team: '@team' } },
        stuffs: { manifest: true, collection: two.collection('stuffs') },
        clock: {
          manifest: true,
          payload: (_identity: unknown, done: (error: null, answer: never) => void) => {
            send = (answer) => done(null, answer as never)
          },
        },
      },
    })
    const none = { views: 0, connections: 0, loading: 0, documents: 0 }
    const closed = { state: 'closed', views: 0, changedAt: undefined, lag: undefined }
    expect(server.stats()).to.deep.equal({
      connections: 0,
      views: 0,
      sent: 0,
      buffered: 0,
      replay: { changes: 0, bytes: 0, age: 0 },
      roots: { users: none, stuffs: none, clock: none },
      sources: { memory: closed, 'memory:2': closed },
    })
    for (const team of ['a', 'a', 'b']) await server.register({ team }, () => {})
    await eventually(() => server.stats().roots.users?.documents === 2, 'two documents')
    await eventually(() => server.stats().roots.users?.loading === 0, 'users')
    const { roots, sources, connections, views } = server.stats()
    expect({ connections, views }).to.deep.equal({ connections: 3, views: 5 })
    expect(roots.users).to.deep.equal({ views: 2, connections: 3, loading: 0, documents: 2 })
    expect(roots.clock).to.deep.equal({ views: 2, connections: 3, loading: 3, documents: 0 })
    expect(sources.memory).to.include({ state: 'open', views: 2 })
    expect(sources['callbacks:clock']).to.include({ views: 2 })
    const before = Date.now()
    await one.collection('users').insertOne({ _id: 3, team: 'a' })
    await eventually(() => server.stats().roots.users?.documents === 3, 'the third')
    const { changedAt, lag } = server.stats().sources.memory ?? {}
    expect(Number(changedAt)).to.be.at.least(before)
    expect(lag).to.be.within(0, 1_000)
    send?.({ data: [], timestamp: new Date().toISOString() })
    await server.disconnect()
    expect(server.stats().sources.memory?.state).to.equal('closed')
  })
})
