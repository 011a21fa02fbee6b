import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { Identification } from '../../lib/server/session.ts'
import { Tickets } from '../../lib/server/ticket.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually } from '../support/http.ts'

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
    const http = createServer(server.middleware()).listen(0)
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
    return { server, url, present, open }
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
    const expiresAt = new Date(now() + 9e6)
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
    const admitted = server.admit(token, [], () => 'opened').catch((error: { code?: string }) => error.code)
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
