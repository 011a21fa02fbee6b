import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import express from 'express'
import session from 'express-session'
import type { HandshakeAnswer } from '../../lib/protocol/messages.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'
import { openStream, type SseReader } from '../support/sse.ts'

declare module 'express-session' {
  interface SessionData {
    account: number
  }
}

type Sessions = IncomingMessage & {
  session: session.Session & Partial<session.SessionData>
  sessionID: string
}

/** An application whose users log in by a session cookie, as express-session keeps it. */
interface App {
  server: Server
  url: string
  /** The requests that lookups were run with. */
  seen: (IncomingMessage | undefined)[]
  sessions: session.MemoryStore
}

/** A browser of that application: it keeps the session's cookie. */
class Visitor {
  cookie = ''
  readonly #app: App

  constructor(app: App) {
    this.#app = app
  }

  async post(path: string, body: object = {}): Promise<Response> {
    const response = await fetch(`${this.#app.url}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Cookie: this.cookie },
      body: JSON.stringify(body),
    })
    for (const cookie of response.headers.getSetCookie())
      if (cookie.startsWith('connect.sid=')) this.cookie = cookie.split(';')[0] ?? ''
    return response
  }

  async handshake(previous?: string): Promise<HandshakeAnswer> {
    const response = await this.post('/particle/handshake', { identity: null, previous, carrier: 'header' })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return (await response.json()) as HandshakeAnswer
  }

  async open({ token }: { token: string }, id?: string): Promise<SseReader> {
    const headers = { Authorization: `Bearer ${token}`, Cookie: this.cookie }
    return openStream(`${this.#app.url}/particle/stream`, id ? { ...headers, 'Last-Event-ID': id } : headers)
  }
}

describe('A login by express-session', () => {
  const closing: (() => Promise<unknown>)[] = []
  let notes: MemoryCollection
  let members: MemoryCollection

  const start = async (options: Partial<ServerOptions> = {}, sessions = new session.MemoryStore()) => {
    const seen: App['seen'] = []
    const server = new Server({
      secret: 'the secret of all nodes',
      identityLookup: (_identity: unknown, _done: unknown, request?: IncomingMessage) => {
        seen.push(request)
        const { session, sessionID } = request as Sessions
        return session.account ? { userId: session.account, login: sessionID } : null
      },
      dataSources: { notes: { collection: notes, manifest: { text: true }, criteria: { owner: '@userId' } } },
      ...options,
    } as ServerOptions)
    const app = express()
    app.use(session({ secret: 'a secret', resave: true, saveUninitialized: false, store: sessions }))
    app.post('/login/:id', (request, response) => {
      request.session.account = Number(request.params.id)
      response.sendStatus(204)
    })
    app.post('/logout', (request, response, next) => {
      const login = request.sessionID
      request.session.destroy((error) => {
        if (error) return next(error)
        server.revoke((identity: { login?: string }) => identity.login === login, 'logged out')
        response.sendStatus(204)
      })
    })
    app.use(server.middleware())
    const listening: Listening = await listen(app)
    closing.push(() => server.disconnect().then(() => listening.close()))
    const made: App = { server, url: listening.url, seen, sessions }
    const visit = async (id: number) => {
      const visitor = new Visitor(made)
      await visitor.post(`/login/${id}`)
      return visitor
    }
    return { ...made, visit }
  }

  beforeEach(async () => {
    const store = memory()
    notes = store.collection('notes')
    members = store.collection('members')
    await notes.insertMany([
      { _id: 'a', owner: 1, text: 'of one' },
      { _id: 'b', owner: 2, text: 'of two' },
    ])
  })

  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()))
  })

  it('goes on over its open stream for any number of renewals', async () => {
    // A renewal has 1.2 s: it is asked for two heartbeats before the token ends.
    const { visit, server, seen } = await start({ sessionTtl: 3_000, heartbeat: 600 })
    const visitor = await visit(1)
    let answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    await reader.next('ready')
    for (let renewal = 0; renewal < 3; renewal++) {
      expect((await reader.next('renew')).data).to.include({ reason: 'expiring' })
      const next = await visitor.handshake(answer.token)
      expect(next).to.include({ live: true, session: answer.session })
      answer = next
    }
    await notes.updateOne({ _id: 'a' }, { $set: { text: 'still here' } })
    await reader.next('delta')
    expect(server.stats().connections).to.equal(1)
    expect(seen.every((request) => request !== undefined)).to.equal(true)
    reader.close()
  })

  it('ends the stream of a client that does not answer, with a reason', async () => {
    const { visit, server } = await start({ sessionTtl: 3_000, heartbeat: 600 })
    const visitor = await visit(1)
    const answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    const { id = '' } = await reader.next('ready')
    await reader.next('renew')
    expect((await reader.next('error')).data.code).to.equal('TOKEN_EXPIRED')
    await reader.ended
    expect(server.stats().connections).to.equal(0)
    await notes.updateOne({ _id: 'a' }, { $set: { text: 'meanwhile' } })
    const again = await visitor.open(await visitor.handshake(answer.token), id)
    expect((await again.next('manifest')).data.resumed).to.equal(true)
    expect((await again.next('delta')).data.oplist).to.have.length(1)
    again.close()
  })

  it('never runs a lookup that reads the request without one', async () => {
    const { visit, server, seen } = await start({
      dependsOn: (identity: { userId: number }) => [
        { collection: members, criteria: { userId: identity.userId } },
      ],
    })
    const visitor = await visit(1)
    let answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    // The handshake looked it up once more: what the identity depends on may have changed before it was watched.
    await reader.next('ready')
    expect(reader.names()).not.to.include('renew')

    const refreshed = server.refresh()
    expect((await reader.next('renew')).data).to.include({ reason: 'refresh' })
    answer = await visitor.handshake(answer.token)
    expect(await refreshed).to.equal(1)

    await members.insertOne({ userId: 1, team: 'red' })
    expect((await reader.next('renew')).data).to.include({ reason: 'dependency' })
    answer = await visitor.handshake(answer.token)
    expect(answer.live).to.equal(true)
    expect(seen.length).to.equal(4)
    expect(seen.every((request) => request !== undefined)).to.equal(true)
    reader.close()
  })

  it('asks a client once where several reasons ask at once', async () => {
    const { visit, server } = await start()
    const visitor = await visit(1)
    const answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    await reader.next('ready')
    const refreshed = Promise.all([server.refresh(), server.refresh()])
    await reader.next('renew')
    await visitor.handshake(answer.token)
    expect(await refreshed).to.deep.equal([1, 1])
    await notes.updateOne({ _id: 'a' }, { $set: { text: 'new' } })
    await reader.next('delta')
    expect(reader.names().filter((name) => name === 'renew')).to.have.length(1)
    reader.close()
  })

  it('sends a client that was away for a refresh to another handshake, not away', async () => {
    const { visit, server } = await start()
    const visitor = await visit(1)
    const answer = await visitor.handshake()
    await server.refresh()
    const response = await fetch(`${new URL((await visitor.post('/x')).url).origin}/particle/stream`, {
      headers: { Authorization: `Bearer ${answer.token}` },
    })
    expect(response.status).to.equal(401)
    expect((await response.json()).error.code).to.equal('TOKEN_STALE')
    const reader = await visitor.open(await visitor.handshake(answer.token))
    await reader.next('ready')
    reader.close()
  })

  it('gets what another user may see once that user has logged in on the page', async () => {
    const { visit } = await start()
    const visitor = await visit(1)
    const answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    await reader.next('ready')
    await visitor.post('/login/2')
    expect((await visitor.handshake(answer.token)).live).to.equal(true)
    const { data } = await reader.next('delta')
    expect(data.oplist.map(({ operation, id }) => [operation, id])).to.deep.equal([
      ['unset', 'a'],
      ['set', 'b'],
    ])
    reader.close()
  })

  it('ends the stream of a login that has expired in the session store', async () => {
    const { visit, sessions, server } = await start({ sessionTtl: 3_000, heartbeat: 600 })
    const visitor = await visit(1)
    const answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    await reader.next('renew')
    await new Promise<void>((resolve) => void sessions.clear(() => resolve()))
    const response = await visitor.post('/particle/handshake', { identity: null, previous: answer.token })
    expect(response.status).to.equal(401)
    expect((await reader.next('revoked')).data.reason).to.equal('identity-refused')
    await reader.ended
    expect(server.stats().connections).to.equal(0)
  })

  it('keeps its stream where a lookup fails during the renewal', async () => {
    let broken = false
    const { visit } = await start({
      sessionTtl: 3_000,
      heartbeat: 600,
      onError: () => {},
      identityLookup: (_identity: unknown, _done: unknown, request?: IncomingMessage) => {
        if (broken) throw new Error('the store is away')
        return { userId: (request as Sessions).session.account }
      },
    })
    const visitor = await visit(1)
    const answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    await reader.next('renew')
    broken = true
    const failed = await visitor.post('/particle/handshake', { identity: null, previous: answer.token })
    expect(failed.status).to.equal(503)
    broken = false
    expect((await visitor.handshake(answer.token)).live).to.equal(true)
    await notes.updateOne({ _id: 'a' }, { $set: { text: 'went on' } })
    await reader.next('delta')
    reader.close()
  })

  it('ends the streams of one login when it logs out, and of no other', async () => {
    const { visit, server, sessions } = await start()
    const [laptop, phone] = [await visit(1), await visit(1)]
    const [a, b] = [await laptop.handshake(), await phone.handshake()]
    const [one, two] = [await laptop.open(a), await phone.open(b)]
    await Promise.all([one.next('ready'), two.next('ready')])
    await laptop.post('/logout')
    expect((await one.next('revoked')).data.reason).to.equal('logged out')
    await one.ended
    expect(server.stats().connections).to.equal(1)
    await notes.updateOne({ _id: 'a' }, { $set: { text: 'for the phone' } })
    await two.next('delta')
    const again = await laptop.post('/particle/handshake', { identity: null, previous: a.token })
    expect(again.status).to.equal(401)
    const kept = await new Promise<object>((resolve) => {
      sessions.all((_error, all) => resolve(all ?? {}))
    })
    expect(Object.keys(kept)).to.have.length(1)
    two.close()
  })

  it('leaves nothing good of a handshake that falls into the logout', async () => {
    const sessions = new session.MemoryStore()
    const destroy = sessions.destroy.bind(sessions)
    let meanwhile = async () => {}
    // A remote store takes its time.
    sessions.destroy = (id, callback) => void meanwhile().then(() => destroy(id, callback))
    const { visit } = await start({}, sessions)
    const visitor = await visit(1)
    const tokens: HandshakeAnswer[] = []
    meanwhile = async () => void tokens.push(await visitor.handshake())
    await visitor.post('/logout')
    const [token] = tokens
    if (!token) throw new Error('There was no handshake meanwhile')
    expect((await visitor.open(token)).status).to.equal(401)
  })

  it('tells a client that another node holds its stream', async () => {
    const one = await start()
    const other = await start({}, one.sessions)
    const visitor = await one.visit(1)
    const answer = await visitor.handshake()
    const reader = await visitor.open(answer)
    const { id = '' } = await reader.next('ready')
    const elsewhere = new Visitor(other)
    elsewhere.cookie = visitor.cookie
    const renewed = await elsewhere.handshake(answer.token)
    expect(renewed).to.include({ live: false, session: answer.session })
    const again = await visitor.open(renewed, id)
    expect((await again.next('manifest')).data.resumed).to.equal(true)
    reader.close()
    await eventually(() => one.server.stats().connections === 1, 'the end of the first stream')
    again.close()
  })

  it('resolves a refresh where the stream ends before its client answers', async () => {
    const { visit, server } = await start()
    const visitor = await visit(1)
    const reader = await visitor.open(await visitor.handshake())
    await reader.next('ready')
    const refreshed = server.refresh()
    await reader.next('renew')
    reader.close()
    expect(await refreshed).to.equal(1)
  })
})
