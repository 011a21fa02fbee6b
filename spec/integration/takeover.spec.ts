import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { related } from '../../lib/policy/relation.ts'
import { Identification } from '../../lib/server/auth/identification.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { Tickets } from '../../lib/server/tokens/ticket.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, listen, shake } from '../support/http.ts'
import { openStream } from '../support/sse.ts'

const SECRET = 'one secret for all nodes'

interface Answer {
  status: number
  token: string
  session: string
  expiresAt: string
  stream: string
  live: boolean
}

type Lookup = (given: unknown, done: unknown, request?: IncomingMessage) => unknown

const userOf: Lookup = (_given, _done, request) => {
  const user = request?.headers['x-user']
  return user === undefined ? null : { user }
}

describe('integration: who may turn an open stream', () => {
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })

  const node = async (identityLookup: Lookup, options: Partial<ServerOptions> = {}) => {
    const cards = memory().collection('cards')
    await cards.insertMany([
      { _id: '1', owner: 'ann', text: "Ann's card" },
      { _id: '2', owner: 'bob', text: "Bob's card" },
    ])
    const dataSources = { cards: { collection: cards, criteria: { owner: '@user' }, manifest: true } }
    const server = new Server({ secret: SECRET, ...options, dataSources, identityLookup } as ServerOptions)
    let heads = 0
    const handler = server.middleware()
    const http = createServer((request, response) => {
      heads++
      handler(request, response)
    }).listen(0)
    await once(http, 'listening')
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    ends.push(async () => {
      await server.disconnect()
      http.closeAllConnections()
      http.close()
    })
    const present = async (body: object, headers: Record<string, string> = {}): Promise<Answer> => {
      const response = await fetch(`${url}/particle/handshake`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ identity: null, ...body }),
      })
      return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) }
    }
    const open = async (token: string) => {
      const stream = { text: '', ended: false, close: () => controller.abort() }
      const controller = new AbortController()
      const response = await fetch(`${url}/particle/stream`, {
        headers: { Authorization: `Bearer ${token}` },
        signal: controller.signal,
      })
      const read = async () => {
        const decoder = new TextDecoder()
        for await (const chunk of response.body ?? []) stream.text += decoder.decode(chunk, { stream: true })
      }
      void read()
        .catch(() => {})
        .finally(() => {
          stream.ended = true
        })
      await eventually(() => stream.text.includes('event: ready'), 'event: ready')
      return stream
    }
    /** Resolves when the head of one more request has come. */
    const head = async (before = heads) => eventually(() => heads > before, 'the head of the request')
    return { server, url, present, open, head }
  }

  /** A lookup of which one call waits until it is let go. */
  const held = () => {
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    return { gate, release: () => release() }
  }

  it("a renewal of the server's own that is slow does not undo a handshake that came meanwhile", async () => {
    const { gate, release } = held()
    let isHeld = false
    const { server, present, open } = await node(async (given) => {
      if (given === 'ann' && isHeld) await gate
      return { user: given }
    })
    const ann = await present({ identity: 'ann', carrier: 'header' })
    const stream = await open(ann.token)
    isHeld = true
    const refreshed = server.refresh()
    const bob = await present({ identity: 'bob', previous: ann.token, carrier: 'header' })
    expect(bob.live).to.equal(true)
    await eventually(() => stream.text.includes("Bob's card"), "Bob's card")
    const { length } = stream.text
    release()
    await refreshed
    // A refresh of all brings every stream up to date: nothing else is under way.
    await server.refresh()
    expect(stream.text.slice(length)).not.to.include("Ann's card")
  })

  it('a handshake that is slow does not undo one that began after it', async () => {
    const { gate, release } = held()
    const { present, open } = await node(async (given, done, request) => {
      const found = userOf(given, done, request)
      if (request?.headers['x-slow']) await gate
      return found
    })
    const ann = await present({ carrier: 'header' }, { 'x-user': 'ann' })
    const stream = await open(ann.token)
    const again = { previous: ann.token, carrier: 'header' }
    const slow = present(again, { 'x-user': 'ann', 'x-slow': '1' })
    const bob = await present(again, { 'x-user': 'bob' })
    expect(bob.live).to.equal(true)
    await eventually(() => stream.text.includes("Bob's card"), "Bob's card")
    const { length } = stream.text
    release()
    expect(await slow).to.include({ status: 200, live: false })
    expect(stream.text.slice(length)).not.to.include("Ann's card")
  })

  it('who has an expired token can neither end the stream of its session nor change it', async () => {
    const { present, open } = await node(userOf, { sessionTtl: 5_000, heartbeat: 1_500 })
    const first = await present({ carrier: 'header' }, { 'x-user': 'ann' })
    const stream = await open(first.token)
    let { token } = first
    const renew = async () => {
      const next = await present({ previous: token, carrier: 'header' }, { 'x-user': 'ann' })
      expect(next).to.include({ live: true, session: first.session })
      token = next.token
    }
    const end = Date.parse(first.expiresAt)
    await eventually(() => Date.now() > end - 2_000, 'the second half of the first token')
    await renew()
    await eventually(
      () => Date.now() > end + 1_000,
      'the end of the first token, and the second it is rounded by',
    )
    const other = await present({ previous: first.token, carrier: 'header' }, { 'x-user': 'bob' })
    expect(other.session).not.to.equal(first.session)
    expect(other.live).to.equal(false)
    expect(await present({ previous: first.token, carrier: 'header' })).to.include({ status: 401 })
    await renew()
    expect(stream.text).not.to.include("Bob's card")
    expect(stream.ended).to.equal(false)
  })

  it('a refusal ends all streams of the session, and so does it where the newest one has gone', async () => {
    const { server, present, open } = await node(userOf)
    const { token } = await present({ carrier: 'header' }, { 'x-user': 'ann' })
    const streams = [await open(token), await open(token), await open(token)]
    streams.at(-1)?.close()
    await eventually(() => server.stats().connections === 2, 'two streams')
    expect(await present({ previous: token, carrier: 'header' })).to.include({ status: 401 })
    await eventually(() => streams.every(({ ended }) => ended), 'the end of all streams')
  })

  it('a ticket without its cookie opens one stream at each node that shares a secret, and no second one', async () => {
    const [one, two] = [await node(userOf), await node(userOf)]
    const { stream } = await one.present({}, { 'x-user': 'ann' })
    const status = async (url: string) => {
      const controller = new AbortController()
      const response = await fetch(`${url}${stream}`, { signal: controller.signal })
      controller.abort()
      return response.status
    }
    const statuses: number[] = []
    for (const { url } of [two, one, two, one]) statuses.push(await status(url))
    expect(statuses).to.deep.equal([200, 200, 401, 401])
  })

  it('a ticket of a node whose clock is ahead does not outlive the others', async () => {
    const tickets = new Tickets(SECRET)
    const { now } = Date
    const expiresAt = now() + 9e6
    const claims = { session: 's', given: null, identity: {}, views: {}, at: 1, expiresAt }
    try {
      Date.now = () => now() + 3_600_000
      const ticket = await tickets.issue(claims, 'browser')
      Date.now = now
      const outcome = await tickets.redeem(ticket, []).then(
        () => 'redeemed',
        () => 'refused',
      )
      expect(outcome).to.equal('refused')
    } finally {
      Date.now = now
    }
  })

  /** Begins a handshake whose body is held back; what is returned sends it. */
  const begun = async (url: string, body: object, headers: Record<string, string>) => {
    const { hostname, port } = new URL(url)
    const outgoing = request({
      hostname,
      port,
      path: '/particle/handshake',
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
    })
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
    outgoing.write(' ')
    return async (): Promise<Answer> => {
      outgoing.end(JSON.stringify({ identity: null, carrier: 'header', ...body }))
      const [response] = await answered
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      return { status: response.statusCode, ...JSON.parse(Buffer.concat(chunks).toString()) }
    }
  }

  it('a handshake whose body comes after a logout has the rights of none', async () => {
    const { server, url, head } = await node(userOf)
    const coming = head()
    const finish = await begun(url, {}, { 'x-user': 'ann' })
    // The handler has the request's head by now, as a session middleware has.
    await coming
    server.revoke(() => true, 'logged out')
    const { token, status } = await finish()
    const opened =
      token && (await fetch(`${url}/particle/stream`, { headers: { Authorization: `Bearer ${token}` } }))
    expect(opened ? opened.status : status).to.equal(401)
  })

  it('a handshake that began before another does not bring its user back, however late its body comes', async () => {
    const { url, present, open, head } = await node(userOf)
    const first = await present({}, { 'x-user': 'ann' })
    const stream = await open(first.token)
    const coming = head()
    const finish = await begun(url, { previous: first.token }, { 'x-user': 'ann' })
    await coming
    expect((await present({ previous: first.token }, { 'x-user': 'bob' })).live).to.equal(true)
    await eventually(() => stream.text.includes("Bob's"), "Bob's card")
    const before = stream.text.length
    expect((await finish()).live).to.equal(false)
    expect(stream.text.slice(before)).not.to.contain("Ann's")
    stream.close()
  })

  it('a late refusal does not end the stream of a newer handshake', async () => {
    const { server, url, present, open, head } = await node(userOf)
    const first = await present({}, { 'x-user': 'ann' })
    const stream = await open(first.token)
    const coming = head()
    const finish = await begun(url, { previous: first.token }, {})
    await coming
    expect((await present({ previous: first.token }, { 'x-user': 'bob' })).live).to.equal(true)
    expect((await finish()).status).to.equal(401)
    expect(server.stats().connections).to.equal(1)
    stream.close()
  })

  it('rights that are refreshed during a lookup are not read again from the same request', async () => {
    const { gate, release } = held()
    let lookups = 0
    const { server, present } = await node(async (given, done, request) => {
      lookups++
      await gate
      return userOf(given, done, request)
    })
    const answer = present({}, { 'x-user': 'ann' })
    await eventually(() => lookups === 1, 'the lookup')
    await server.refresh()
    release()
    expect((await answer).status).to.equal(503)
    expect(lookups).to.equal(1)
    expect((await present({}, { 'x-user': 'ann' })).status).to.equal(200)
  })

  it('a lookup comes to an end where rights are refreshed all the time', async () => {
    let lookups = 0
    const { server, present } = await node(async (given) => {
      lookups++
      void server.refresh()
      return { user: String(given) }
    })
    const { status } = await present({ identity: 'ann' })
    expect(status).to.equal(503)
    expect(lookups).to.equal(3)
  })

  it('an identity of operators is refused where a function takes it for a value', async () => {
    const cards = memory().collection<{ owner: string }>('cards')
    await cards.insertOne({ owner: 'ann' })
    const server = new Server({
      identityLookup: (given: { user: string }) => ({ user: given.user }),
      dataSources: {
        cards: {
          collection: cards,
          manifest: true,
          criteria: (identity: { user: string }) => ({ owner: identity.user }),
        },
      },
    } as ServerOptions)
    const refusal = await server.register({ user: { $ne: null } }, () => {}).catch((error) => error)
    expect(refusal).to.include({ code: 'UNAUTHORIZED' })
    const stop = await server.register({ user: 'ann' }, () => {})
    stop()
    await server.disconnect()
  })

  it('identities of up to 200,000 characters are served and renewed, and longer ones refused with a sentence', async () => {
    const errors: Error[] = []
    const { present } = await node((given) => ({ user: 'ann', list: 'x'.repeat(Number(given)) }), {
      onError: (error) => errors.push(error),
    })
    const first = await present({ identity: 150_000, carrier: 'header' })
    expect(first.status).to.equal(200)
    const again = await present({ identity: 150_000, previous: first.token, carrier: 'header' })
    expect(again.status).to.equal(200)
    expect((await present({ identity: 300_000 })).status).to.equal(503)
    expect(errors.map(({ message }) => message).join()).to.match(
      /identityLookup returned 3000\d\d characters/,
    )
    const address = await present({ identity: 20_000 })
    expect(address.stream).to.equal('/particle/stream')
    expect(errors.map(({ message }) => message).join()).to.match(/is too long for an address/)
  })

  it('an expired token does not revive positions of before a lapse', async () => {
    const store = memory()
    const [links, cards] = [
      store.collection('links'),
      store.collection<{ _id: string; text: string }>('cards'),
    ]
    await links.insertOne({ _id: 'link', user: 'ann', card: 'c' })
    await cards.insertOne({ _id: 'c', text: 'one' })
    const server = new Server({
      heartbeat: 500,
      sessionTtl: 2_000,
      identityLookup: (given: string) => ({ user: given }),
      dataSources: {
        cards: {
          collection: cards,
          manifest: true,
          criteria: { _id: related('@user').through(links, 'user', 'card') },
        },
      },
    } as ServerOptions)
    const listening = await listen(server.middleware())
    ends.push(() => server.disconnect().then(() => listening.close()))
    const first = await shake(`${listening.url}/particle`, 'ann')
    const streamOf = ({ token }: { token: string }, id?: string) =>
      openStream(`${listening.url}/particle/stream`, {
        Authorization: `Bearer ${token}`,
        ...(id ? { 'Last-Event-ID': id } : {}),
      })
    const reader = await streamOf(first)
    const { id } = await reader.next('ready')
    const told = (operation: string) =>
      reader.until((event) => event.event === 'delta' && event.data.oplist[0]?.operation === operation)
    await links.deleteOne({ _id: 'link' })
    await told('unset')
    await cards.updateOne({ _id: 'c' }, { $set: { text: 'SECRET of the lapse' } })
    await cards.updateOne({ _id: 'c' }, { $set: { text: 'harmless' } })
    await links.insertOne({ _id: 'again', user: 'ann', card: 'c' })
    await told('set')
    await eventually(
      () => Date.parse(first.expiresAt) + 1_100 < Date.now(),
      'the end of the first token',
      8_000,
    )
    const back = await streamOf(await shake(`${listening.url}/particle`, 'ann', first.token), id)
    await back.next('ready')
    expect(back.raw).not.to.contain('SECRET')
    reader.close()
    back.close()
  })

  it('a token so old that its revocation is forgotten carries nothing over', async () => {
    const { server, present } = await node(userOf, { sessionTtl: 1_000, heartbeat: 500 })
    const { token, session } = await present({ carrier: 'header' }, { 'x-user': 'ann' })
    server.revoke(() => true)
    const clock = performance.now.bind(performance)
    try {
      performance.now = () => clock() + 70_000
      server.revoke(() => false)
      const next = await present({ previous: token, carrier: 'header' }, { 'x-user': 'ann' })
      expect(next.session).not.to.equal(session)
    } finally {
      performance.now = clock
    }
  })

  it('a stream whose token was refreshed while it was admitted is told to present itself', async () => {
    const { server, present } = await node(userOf)
    const { token } = await present({ carrier: 'header' }, { 'x-user': 'ann' })
    const admitted = server
      .openStream(token, [], { open: () => undefined })
      .catch((error: { code?: string }) => error.code)
    await server.refresh()
    expect(await admitted).to.equal('TOKEN_STALE')
  })

  const lookup = (_given: unknown, _done: unknown, request: IncomingMessage | undefined = undefined) =>
    request ? {} : null
  const wrapper = (...args: unknown[]) => lookup(args[0], args[1], args[2] as IncomingMessage)
  for (const [name, fn] of Object.entries({
    'bound with a default': lookup.bind(undefined),
    'bound with rest parameters': wrapper.bind(undefined),
    'a Proxy of a wrapper': new Proxy(wrapper, {}),
  })) {
    it(`a lookup without a text of its own is taken to read the request: ${name}`, () => {
      const { readsRequest } = new Identification(fn as never, () => {}, 10)
      expect(readsRequest).to.equal(true)
    })
  }
})
