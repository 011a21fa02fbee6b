import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import type { ClientOptions } from '../../lib/client/options.ts'
import type { Clock } from '../../lib/client/transport.ts'
import type { Model } from '../../lib/model/document.ts'
import { eventually } from '../support/http.ts'
import { FAST, FastClock, html, type LittleAnswer, LittleServer, refusal, reset } from './little.ts'

/** Longer than a spec, by whatever clock. */
const NEVER = 3_600_000

describe('http transport', () => {
  let server: LittleServer
  let url: string
  let client: Client<Model>
  let errors: Error[]

  beforeEach(async () => {
    server = new LittleServer()
    url = await server.listen()
    errors = []
  })

  afterEach(() => {
    client?.close()
    server.close()
  })

  const connect = (clock: Clock = FAST, options: ClientOptions<Model> = {}) => {
    client = new Client({ url, onError: (error) => errors.push(error), ...options }, { clock })
    return client
  }
  const messages = () => errors.map(({ message }) => message)

  describe('builds its addresses', () => {
    it('from its own url, whatever a proxy makes of that on the way to the server', async () => {
      url = url.replace('/particle', '/api/particle/?tenant=1#top')
      await connect().ready()
      expect(server.streams.map(({ request }) => request.url)).to.deep.equal([
        '/api/particle/stream?tenant=1',
      ])
    })

    it('without changing a URL, which React Native can not do', async () => {
      const { URL } = globalThis
      class NativeUrl {
        readonly href: string
        constructor(address: string, base?: string) {
          this.href = `${new URL(address, base).href}/`
        }
      }
      globalThis.URL = NativeUrl as typeof URL
      try {
        connect()
      } finally {
        globalThis.URL = URL
      }
      await client.ready()
      expect(server.streams[0]?.url.pathname).to.equal('/particle/stream')
    })

    it('only where its url is absolute, or there is a page', () => {
      for (const options of [{}, { url: '/particle' }, { url: 'http://' }]) {
        expect(() => new Client(options))
          .to.throw()
          .with.property('code', 'INVALID_OPTION')
      }
    })
  })

  it('needs a fetch that gives answers as they come, or an EventSource', async () => {
    const { Response } = globalThis
    globalThis.Response = class {} as typeof Response
    try {
      expect(() => new Client({ url }))
        .to.throw()
        .with.property('code', 'INVALID_OPTION')
    } finally {
      globalThis.Response = Response
    }
    const whole: typeof fetch = async (...args) => {
      const response = await fetch(...args)
      if (args[0] === `${url}/handshake`) return response
      return Object.defineProperty(response, 'body', { value: undefined })
    }
    const refused = await connect(FAST, { fetch: whole })
      .ready()
      .catch((error) => error)
    expect(refused).to.include({ code: 'INVALID_OPTION' })
  })

  it('sends a token that is too long for a header in a body, and the position with it', async () => {
    const token = 'x'.repeat(3501)
    server.more = { token }
    await connect().ready()
    server.onStream = () => server.goOn()
    server.drop()
    await eventually(() => server.streams.length === 2 && client.status === 'ready', 'another stream')
    for (const { request } of server.streams) {
      expect(request.method).to.equal('POST')
      expect(request.headers.authorization).to.equal(undefined)
    }
    expect(server.streams.map(({ position }) => position)).to.deep.equal([undefined, 'p1'])
    expect(server.streams[1]?.token).to.equal(token)
  })

  it('presents itself anew when the token is expired, unless a session event renewed it', async () => {
    for (const renewed of [false, true]) {
      server.handshakes.length = server.streams.length = 0
      const clock = new FastClock(100)
      server.heartbeat = NEVER
      server.more = { expiresAt: new Date(Date.now() + 20_000).toISOString() }
      await connect(clock).ready()
      if (renewed) server.send('session', { token: 'token-9', expiresAt: '2100-01-01T00:00:00Z' })
      await eventually(() => clock.now() > Date.now() + 20_000, 'the end of the token')
      server.drop()
      await eventually(() => server.streams.length === 2, 'another stream')
      expect(server.handshakes.map(({ previous }) => previous)).to.deep.equal(
        renewed ? [undefined] : [undefined, 'token-1'],
      )
      expect(server.streams[1]?.token).to.equal(renewed ? 'token-9' : 'token-2')
      client.close()
    }
  })

  describe('is refused by nothing but an answer of Particle’s own form', () => {
    const foreign: [what: string, answer: LittleAnswer][] = [
      ...[200, 400, 401, 403, 404, 405, 413, 415, 431, 500].map((status): [string, LittleAnswer] => [
        `a page with the status ${status}`,
        html(status),
      ]),
      ['a redirect to a login page', html(302, { Location: '/login' })],
      [
        'JSON of another route',
        (response) => response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"ok":false}'),
      ],
      ['an empty answer', (response) => response.writeHead(403).end()],
      [
        'half an answer',
        (response, request) => {
          response.writeHead(400, { 'Content-Type': 'application/json', 'Content-Length': 50 })
          response.write('{"error":{"code":"INVALID_', () => request.socket.destroy())
        },
      ],
      ['a reset connection', reset],
    ]
    for (const [what, answer] of foreign) {
      it(`so ${what} in place of a handshake is tried again`, async () => {
        server.handshakeAnswers.push(answer, answer)
        await connect().ready()
        expect(server.handshakes).to.have.length(3)
        expect(errors).to.have.length(answer === reset ? 0 : 1)
      })

      it(`so ${what} in place of a stream is tried again`, async () => {
        server.streamAnswers.push(answer)
        await connect().ready()
        expect(server.streams).to.have.length(2)
        expect(errors).to.deep.equal([])
      })
    }

    it('and tells what came from where, once an outage', async () => {
      server.handshakeAnswers.push(
        ...Array.from({ length: 3 }, () => html(404)),
        html(302, { Location: '/login' }),
      )
      server.handshakeAnswers.push(html(404))
      await connect().ready()
      expect(messages()).to.deep.equal([
        `POST ${url}/handshake answered 404 text/html, not JSON: is the client's url the one that the browser must use, and is Particle mounted there?`,
        `POST ${url}/handshake answered 200 text/html (redirected to ${url.replace('/particle', '/login')}), not JSON: is another route before Particle's?`,
      ])
    })
  })

  it('waits as long as Retry-After says, also for a stream, but never for more than five minutes', async () => {
    for (const [answers, delay] of [
      [server.handshakeAnswers, 20_000],
      [server.streamAnswers, 20_000],
      [server.handshakeAnswers, 300_000],
    ] as const) {
      const clock = new FastClock(1000)
      server.heartbeat = NEVER
      answers.push(refusal(503, 'UNAVAILABLE', { 'Retry-After': delay === 20_000 ? '20' : '86400' }))
      await connect(clock).ready()
      expect(clock.delays).to.include(delay)
      expect(errors).to.deep.equal([])
      client.close()
    }
  })

  describe('whose token opens no stream', () => {
    it('presents itself at once, once', async () => {
      const clock = new FastClock(100)
      server.heartbeat = NEVER
      server.refused.add('token-1').add('token-2')
      await connect(clock).ready()
      expect(server.handshakes).to.have.length(3)
      const waits = clock.delays.filter((delay) => delay < 30_000)
      expect(waits).to.have.length(1)
    })

    it('after a change of the secret loses no time', async () => {
      const clock = new FastClock(100)
      server.heartbeat = NEVER
      await connect(clock).ready()
      const complete = clock.now()
      await eventually(() => clock.now() > complete + 2000, 'an age of more than a second')
      server.refused.add('token-1')
      server.onStream = () => server.goOn()
      server.drop()
      await eventually(() => server.streams.length === 3 && client.status === 'ready', 'another stream')
      expect(server.handshakes.map(({ previous }) => previous)).to.deep.equal([undefined, 'token-1'])
      const waits = clock.delays.filter((delay) => delay < 30_000)
      expect(waits).to.have.length(1)
      expect(waits[0]).to.be.below(300)
    })

    it('sends it another way where something on the way takes the header for its own', async () => {
      const gate: LittleAnswer = (response, request) => {
        if (request.headers.authorization) html(401, { 'WWW-Authenticate': 'Basic' })(response, request)
        else server.stream(response)
      }
      server.streamAnswers.push(gate, gate, gate)
      await connect().ready()
      server.drop()
      await eventually(() => server.streams.at(-1)?.position === 'p1', 'another stream')
      expect(server.streams.map(({ request }) => request.method)).to.deep.equal(['GET', 'POST', 'POST'])
      expect(errors).to.deep.equal([])
    })
  })

  describe('that has no stream, though its handshakes are answered, says once what is likely', () => {
    const cases: [what: string, answer: LittleAnswer, told: RegExp][] = [
      ['a stream is not found', html(404), /stream answered 404 text\/html.*Does a proxy pass/],
      ['a page comes', html(200), /stream answered 200 text\/html, not text\/event-stream/],
      ['a gateway fails', html(502), /stream answered 502.*Does a proxy pass/],
      [
        'tokens are refused',
        refusal(401, 'UNAUTHORIZED'),
        /answered 401: No\. Do all nodes have the same secret/,
      ],
      [
        'there are too many streams',
        refusal(429, 'TOO_MANY_STREAMS'),
        /^GET \S*\/stream answered 429: No\.$/,
      ],
      ['connections are reset', reset, /stream failed: .*\. Does a proxy, a content blocker/],
      ['nothing comes', () => {}, /The stream was silent for too long.*proxy_buffering/],
    ]
    for (const [what, answer, told] of cases) {
      it(`where ${what}`, async () => {
        server.heartbeat = 4000
        server.streamAnswers.push(...Array.from({ length: 6 }, () => answer))
        connect(new FastClock(100))
        await eventually(() => server.streams.length === 6, 'six streams')
        expect(errors).to.have.length(1)
        expect(messages()[0]).to.match(told)
      })
    }
  })

  for (const how of ['end', 'drop'] as const) {
    it(`has a stream nearly all of the time where a proxy takes each away after 2.5 s (${how})`, async function () {
      this.timeout(20_000)
      const speed = 5
      server.heartbeat = NEVER
      const clock = new FastClock(speed)
      let open = 0
      let since = 0
      const statuses = new Set<string>()
      connect(clock, { onStatus: (status) => statuses.add(status) })
      await client.ready()
      server.onStream = () => {
        since = performance.now()
        server.goOn()
      }
      const begin = performance.now()
      since = begin
      for (let cuts = 1; cuts <= 8; cuts++) {
        await new Promise((resolve) => setTimeout(resolve, 2500 / speed))
        const streams = server.streams.length
        open += performance.now() - since
        server[how]()
        await eventually(() => server.streams.length > streams, 'another stream')
      }
      expect(open / (performance.now() - begin)).to.be.above(0.8)
      expect(server.handshakes).to.have.length(1)
      expect(statuses.has('reconnecting')).to.equal(how === 'drop')
      expect(errors).to.deep.equal([])
    })
  }

  it('backs off where streams are ended before they are a second old', async () => {
    const clock = new FastClock(10)
    server.heartbeat = NEVER
    server.onStream = () => {
      server.load()
      server.end()
    }
    connect(clock)
    await eventually(() => server.streams.length === 4, 'four streams')
    const waits = clock.delays.filter((delay) => delay < 30_000)
    expect(Math.min(...waits)).to.be.at.least(1000)
  })
})

describe('http transport of a page of another origin', () => {
  let server: LittleServer
  let tried: RequestCredentials[]

  beforeEach(async () => {
    server = new LittleServer()
    await server.listen()
    tried = []
  })
  afterEach(() => server.close())

  /** A client of a page whose browser lets requests with these credentials through. */
  const connect = (
    lets: (credentials: RequestCredentials, time: number) => boolean,
    base = 'https://page.test/',
  ) => {
    const errors: Error[] = []
    const client = new Client(
      {
        url: server.url,
        onError: (error) => errors.push(error),
        fetch: async (input, init = {}) => {
          const { credentials = 'same-origin' } = init
          tried.push(credentials)
          if (!lets(credentials, tried.length)) throw new TypeError('Failed to fetch')
          return fetch(input, init)
        },
      },
      { clock: FAST, base },
    )
    return { client, errors }
  }

  it('does without cookies where the server lets all pages in, but not with their cookies', async () => {
    const { client, errors } = connect((credentials) => credentials === 'omit')
    await client.ready()
    expect(tried).to.deep.equal(['include', 'omit', 'include', 'omit'])
    expect(errors).to.deep.equal([])
    client.close()
  })

  it('says where a refusal may be due to the cookies that the browser kept back', async () => {
    server.handshakeAnswers.push(refusal(401, 'UNAUTHORIZED'))
    const { client, errors } = connect((credentials) => credentials === 'omit')
    await eventually(() => client.status === 'refused', 'the refusal')
    expect(errors.map(({ message }) => message).join()).to.match(/no cookies: name the origin/)
  })

  it('goes on with cookies where the network was away only for a moment', async () => {
    const { client } = connect((_, time) => time > 1)
    await client.ready()
    expect(tried).to.deep.equal(['include', 'omit', 'include', 'include'])
    client.close()
  })

  it('says that the server may not let it in where no request gets through', async () => {
    const { client, errors } = connect(() => false)
    await eventually(() => tried.length >= 8, 'four tries')
    expect(errors.map(({ message }) => message)).to.deep.equal([
      `POST ${server.url}/handshake failed: TypeError: Failed to fetch. Is the server there, and does its allowOrigin name this page's origin?`,
    ])
    client.close()
  })

  it('does nothing of this within its own origin', async () => {
    const { client, errors } = connect((_, time) => time > 2, new URL(server.url).origin)
    await client.ready()
    expect(tried).to.deep.equal(['include', 'include', 'include', 'include'])
    expect(errors).to.deep.equal([])
    client.close()
  })
})
