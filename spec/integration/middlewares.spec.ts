import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import compression from 'compression'
import cookieSession from 'cookie-session'
import express, { type Express, type RequestHandler } from 'express'
import { MemoryStore as Hits, rateLimit } from 'express-rate-limit'
import session, { MemoryStore } from 'express-session'
import helmet from 'helmet'
import morgan from 'morgan'
import onFinished from 'on-finished'
import onHeaders from 'on-headers'
import responseTime from 'response-time'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { collect } from '../support/garbage.ts'
import { eventually } from '../support/http.ts'
import { openStream, type SseReader } from '../support/sse.ts'

declare module 'express-session' {
  interface SessionData {
    user: string
  }
}

const KEY = 'of the limiter'

/** What the middlewares before Particle did. */
class Witness {
  readonly lines: string[] = []
  readonly finished: string[] = []
  readonly heads: string[] = []
  readonly hits = new Hits()

  /** The middlewares by their names, each as its own documentation has it. */
  readonly handlers: Record<string, RequestHandler> = {
    morgan: morgan(':method :url :status :user', {
      stream: { write: (line: string) => void this.lines.push(line.trim()) },
    }),
    compression: compression({ threshold: 0 }),
    'express-rate-limit': rateLimit({
      limit: 1000,
      store: this.hits,
      keyGenerator: () => KEY,
      validate: false,
    }),
    'response-time': responseTime(),
    helmet: helmet(),
    'on-finished': (request, response, next) => {
      onFinished(response, () => this.finished.push(request.path))
      next()
    },
    'on-headers': (request, response, next) => {
      onHeaders(response, () => this.heads.push(request.path))
      next()
    },
  }
}

// A token that expects a session, as those of applications do: it must find one when the stream ends.
morgan.token('user', (request) => {
  const { session } = request as { session?: { user?: string } }
  return session ? String(session.user) : 'nobody'
})

/** An application with a login by session, and Particle. */
class Shop {
  readonly store = new MemoryStore()
  readonly witness = new Witness()
  readonly server: Server
  readonly errors: Error[] = []
  readonly app: Express = express()
  #http: HttpServer | undefined

  constructor(options: Partial<session.SessionOptions> = {}) {
    const users = memory().collection('users')
    this.server = new Server({
      dataSources: { users: { manifest: true, collection: users } },
      identityLookup: (_identity, _done, request) => {
        const { session } = request as { session?: { user?: string } }
        return session?.user ? { userId: session.user } : null
      },
      onError: (error) => this.errors.push(error),
    })
    this.sessions = session({
      secret: 'cat',
      store: this.store,
      resave: true,
      saveUninitialized: false,
      ...options,
    })
  }

  readonly sessions: RequestHandler

  /** Serves it behind middlewares, in their order. */
  async start(middlewares: readonly RequestHandler[]): Promise<string> {
    this.app.use(...middlewares)
    this.app.post('/login', (request, response) => {
      request.session.user = 'ann'
      response.end()
    })
    this.app.post('/logout', (request, response, next) => {
      request.session.destroy((error) => {
        if (error) return next(error)
        this.server.revoke(() => true, 'logout')
        response.end()
      })
    })
    this.app.use(this.server.middleware())
    const http = createServer(this.app)
    this.#http = http
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  }

  /** The usual way to close. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#http?.listening) return resolve()
      this.#http.close(() => resolve())
    })
  }

  async stop(): Promise<void> {
    this.#http?.closeAllConnections()
    await this.close()
    await this.server.disconnect()
  }

  sessionIds(): Promise<string[]> {
    return new Promise((resolve) =>
      this.store.all((_error, sessions) => resolve(Object.keys(sessions ?? {}))),
    )
  }
}

/** A browser that is logged in, with its stream. */
class Browser {
  readonly url: string
  cookie = ''

  constructor(url: string) {
    this.url = url
  }

  async post(path: string, body = '{}'): Promise<Response> {
    const headers = { 'Content-Type': 'application/json', ...(this.cookie ? { Cookie: this.cookie } : {}) }
    const response = await fetch(`${this.url}${path}`, { method: 'POST', headers, body })
    const set = response.headers.getSetCookie().map((cookie) => cookie.split(';')[0])
    if (!this.cookie && set.length > 0) this.cookie = set.join('; ')
    return response
  }

  async stream(headers: Record<string, string> = {}): Promise<SseReader> {
    const answer = await this.post('/particle/handshake')
    expect(answer.status).to.equal(200)
    const { token } = (await answer.json()) as { token: string }
    const reader = await openStream(`${this.url}/particle/stream`, {
      Authorization: `Bearer ${token}`,
      Cookie: this.cookie,
      'Accept-Encoding': 'gzip',
      ...headers,
    })
    expect(reader.status).to.equal(200)
    return reader
  }
}

describe('Behind the middlewares of real applications', () => {
  const shops: Shop[] = []
  const open = (options?: Partial<session.SessionOptions>) => {
    const shop = new Shop(options)
    shops.push(shop)
    return shop
  }
  afterEach(async () => {
    for (const shop of shops.splice(0)) await shop.stop()
  })

  describe('a logout', () => {
    const settings = [true, false].flatMap((resave) =>
      [true, false].map((rolling) => ({ resave, rolling, cookie: { maxAge: 60_000 } })),
    )
    const orders: [string, (shop: Shop) => RequestHandler[]][] = [
      ['alone', ({ sessions }) => [sessions]],
      ['before all others', ({ sessions, witness }) => [sessions, ...Object.values(witness.handlers)]],
      ['after all others', ({ sessions, witness }) => [...Object.values(witness.handlers), sessions]],
    ]
    for (const options of settings) {
      for (const [where, middlewares] of orders) {
        const { resave, rolling } = options
        it(`stays one, with express-session ${where}, resave ${resave} and rolling ${rolling}`, async () => {
          const shop = open(options)
          const browser = new Browser(await shop.start(middlewares(shop)))
          await browser.post('/login')
          const reader = await browser.stream()
          await reader.next('ready')
          expect(await shop.sessionIds()).to.have.length(1)
          await browser.post('/logout')
          await reader.next('revoked')
          await reader.ended
          await eventually(() => shop.server.stats().connections === 0, 'the end')
          expect(await shop.sessionIds()).to.deep.equal([])
          expect((await browser.post('/particle/handshake')).status).to.equal(401)
          expect(shop.errors).to.deep.equal([])
        })
      }
    }

    const ends: [string, (shop: Shop, reader: SseReader) => unknown][] = [
      ['the browser goes away', (_shop, reader) => reader.close()],
      ['the server disconnects', (shop) => shop.server.disconnect()],
      ['the HTTP server closes', (shop) => shop.close()],
    ]
    for (const [when, end] of ends) {
      it(`is not undone when ${when}`, async () => {
        const shop = open()
        const browser = new Browser(await shop.start([shop.sessions]))
        await browser.post('/login')
        const reader = await browser.stream()
        await reader.next('ready')
        shop.store.clear()
        await end(shop, reader)
        await eventually(() => shop.server.stats().connections === 0, 'the end')
        expect(await shop.sessionIds()).to.deep.equal([])
      })
    }

    it('is not undone where a middleware compresses the stream in spite of its no-transform', async () => {
      for (const order of ['session first', 'compression first']) {
        const shop = open()
        const stubborn: RequestHandler = (_request, response, next) => {
          onHeaders(response, () => response.setHeader('Cache-Control', 'no-store'))
          next()
        }
        const compress = compression({ threshold: 0, filter: () => true })
        const [first, second] =
          order === 'session first' ? [shop.sessions, compress] : [compress, shop.sessions]
        // on-headers runs the last listener first.
        const browser = new Browser(await shop.start([first, second, stubborn]))
        await browser.post('/login')
        const reader = await browser.stream()
        expect(reader.headers['content-encoding'], order).to.equal('gzip')
        expect((await browser.post('/logout')).status).to.equal(200)
        await reader.ended
        expect(await shop.sessionIds(), order).to.deep.equal([])
        expect(shop.errors).to.deep.equal([])
      }
    })
  })

  describe('a stream', () => {
    const ends: [string, (shop: Shop, reader: SseReader) => unknown][] = [
      ['by revoke', (shop) => shop.server.revoke(() => true)],
      ['by disconnect', (shop) => shop.server.disconnect()],
      ['by the browser', (_shop, reader) => reader.close()],
      ['by the HTTP server', (shop) => shop.close()],
    ]
    for (const [how, end] of ends) {
      it(`that ended ${how} was logged, finished and counted once`, async () => {
        const shop = open()
        const { witness } = shop
        const browser = new Browser(await shop.start([...Object.values(witness.handlers), shop.sessions]))
        await browser.post('/login')
        const reader = await browser.stream()
        await reader.next('ready')
        expect(reader.headers['content-encoding']).to.equal(undefined)
        expect(reader.headers['x-response-time']).to.match(/^[\d.]+ms$/)
        expect(reader.headers['content-security-policy']).to.be.a('string')
        const of = (paths: string[]) => paths.filter((path) => path === '/particle/stream').length
        expect([of(witness.heads), of(witness.finished)]).to.deep.equal([1, 0])
        await end(shop, reader)
        await eventually(() => of(witness.finished) === 1, 'the end')
        await eventually(() => shop.server.stats().connections === 0, 'the release')
        expect(witness.lines.filter((line) => line.includes('/stream'))).to.deep.equal([
          'GET /particle/stream 200 ann',
        ])
        expect([of(witness.heads), of(witness.finished)]).to.deep.equal([1, 1])
        expect((await witness.hits.get(KEY))?.totalHits).to.equal(3)
        expect(shop.errors).to.deep.equal([])
      })
    }

    for (const name of Object.keys(new Witness().handlers)) {
      it(`goes straight to its socket behind ${name}`, async () => {
        const shop = open()
        const seen: unknown[] = []
        const spy: RequestHandler = (request, response, next) => {
          const { write } = response
          response.write = ((...args: Parameters<typeof write>) => {
            if (request.path === '/particle/stream') seen.push(args[0])
            return write.apply(response, args)
          }) as typeof write
          next()
        }
        const handler = shop.witness.handlers[name]
        const middlewares = handler ? [spy, handler, shop.sessions] : []
        const browser = new Browser(await shop.start(middlewares))
        await browser.post('/login')
        const reader = await browser.stream()
        await reader.next('ready')
        expect(seen).to.deep.equal([])
      })
    }

    it('sets the cookie of cookie-session with its head', async () => {
      const shop = open()
      const cookies = cookieSession({ keys: ['cat'] })
      const visits: RequestHandler = (request, _response, next) => {
        const state = request.session as { user?: string; visits?: number } | null
        if (request.path === '/particle/stream' && state) state.visits = 1
        next()
      }
      const url = await shop.start([cookies as RequestHandler, visits])
      const browser = new Browser(url)
      await browser.post('/login')
      const reader = await browser.stream()
      await reader.next('ready')
      expect(reader.headers['set-cookie']?.join()).to.match(/^session=/)
      shop.server.revoke(() => true)
      await reader.ended
      expect(shop.errors).to.deep.equal([])
    })

    it('keeps no session in memory', async function () {
      if (!collect) return this.skip()
      const shop = open()
      const references: WeakRef<object>[] = []
      const note: RequestHandler = (request, _response, next) => {
        if (request.path === '/particle/stream') references.push(new WeakRef(request.session))
        next()
      }
      const browser = new Browser(await shop.start([shop.sessions, note]))
      await browser.post('/login')
      const reader = await browser.stream()
      await reader.next('ready')
      expect(references).to.have.length(1)
      await eventually(() => {
        collect?.()
        return references[0]?.deref() === undefined
      }, 'the release of the session')
      expect(shop.server.stats().connections).to.equal(1)
    })
  })
})
