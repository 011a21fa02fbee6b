import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import express, { type RequestHandler } from 'express'
import express4 from 'express4'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { listen } from '../support/http.ts'

const ANY = { type: () => true }
const IDENTITY = { user: 'Jürgen & Söhne', rights: [1, 2], nested: { a: 'x=y' } }
const BODY = JSON.stringify({ identity: IDENTITY })

/** Reads a request to its end and keeps nothing. */
const drain: RequestHandler = (request, _response, next) => void request.resume().once('end', () => next())

/** The middlewares that an application has before Particle. */
type Ahead = (framework: typeof express) => RequestHandler[]

/** Those that the identity arrives behind. */
const TAKEN: Record<string, Ahead> = {
  nothing: () => [],
  'express.json()': ({ json }) => [json()],
  'express.json({ strict: false })': ({ json }) => [json({ strict: false })],
  'express.json() of any type': ({ json }) => [json(ANY)],
  'express.raw() of its own type': ({ raw }) => [raw()],
  'express.raw() of any type': ({ raw }) => [raw(ANY)],
  'express.text() of its own type': ({ text }) => [text()],
  'express.text() of any type': ({ text }) => [text(ANY)],
  'express.urlencoded() of its own type': ({ urlencoded }) => [urlencoded({ extended: true })],
  'all four, of their own types': ({ json, raw, text, urlencoded }) => [
    json(),
    raw(),
    text(),
    urlencoded({ extended: false }),
  ],
  'a parser that leaves an empty body': ({ json }) => [json({ type: 'application/x-other' })],
  'a middleware that keeps a view of the bytes': ({ raw }) => [
    raw(ANY),
    (request, _response, next) => {
      const padded = new Uint8Array(request.body.length + 8)
      padded.set(request.body, 4)
      request.body = padded.subarray(4, 4 + request.body.length)
      next()
    },
  ],
  'a middleware that looks at the chunks': () => [
    (request, _response, next) => {
      request.on('data', () => {})
      next()
    },
  ],
  'a middleware that set an encoding': () => [
    (request, _response, next) => {
      request.setEncoding('utf8')
      next()
    },
  ],
  'a middleware that set the encoding hex': () => [
    (request, _response, next) => {
      request.setEncoding('hex')
      next()
    },
  ],
  'a middleware that paused the request': () => [
    (request, _response, next) => {
      request.pause()
      setTimeout(next, 5)
    },
  ],
}

/** Those that are refused, and by which word. */
const REFUSED: Record<string, [ahead: Ahead, status: number, message: RegExp]> = {
  'express.urlencoded() of any type': [
    ({ urlencoded }) => [urlencoded({ extended: false, ...ANY })],
    400,
    /express\.urlencoded.*read the JSON of the body as a form/,
  ],
  'express.urlencoded({ extended: true }) of any type': [
    ({ urlencoded }) => [urlencoded({ extended: true, ...ANY })],
    400,
    /express\.urlencoded.*read the JSON of the body as a form/,
  ],
  'a middleware that reads it and keeps nothing': [() => [drain], 400, /kept nothing of it.*Mount Particle/],
  'a middleware that reads it and leaves {}': [
    () => [
      drain,
      (request, _response, next) => {
        request.body = {}
        next()
      },
    ],
    400,
    /kept nothing of it.*Mount Particle/,
  ],
  'a middleware that reads a part of it': [
    () => [
      (request, _response, next) => {
        request.once('readable', () => {
          request.read(4)
          next()
        })
      },
    ],
    400,
    /part of the body.*Mount Particle/,
  ],
  'a middleware that puts something else there': [
    ({ json }) => [
      json(),
      (request, _response, next) => {
        request.body = { data: request.body }
        next()
      },
    ],
    400,
    /none of the fields identity.*but data/,
  ],
  'a middleware that puts a map there': [
    ({ json }) => [
      json(),
      (request, _response, next) => {
        request.body = new Map(Object.entries(request.body))
        next()
      },
    ],
    400,
    /kept nothing of it/,
  ],
}

describe('The body of a handshake', () => {
  /** Sends a body behind middlewares; the answer, and the identity that arrived. */
  async function send(
    ahead: RequestHandler[],
    framework: typeof express,
    body: string = BODY,
    headers: Record<string, string> = {},
  ) {
    const identities: unknown[] = []
    const errors: Error[] = []
    const server = new Server({
      dataSources: { users: { collection: memory().collection('users'), manifest: true } },
      identityLookup: (identity: unknown, _done, _request?: IncomingMessage) => {
        identities.push(identity)
        return {}
      },
      onError: (error) => errors.push(error),
    })
    const app = framework().set('env', 'test')
    if (ahead.length > 0) app.use(...ahead)
    const listening = await listen(app.use(server.middleware()))
    const response = await fetch(`${listening.url}/particle/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body,
    })
    const text = await response.text()
    await listening.close()
    expect(errors).to.deep.equal([])
    const { error } = text.startsWith('{') ? JSON.parse(text) : { error: undefined }
    return { status: response.status, identities, message: error?.message as string | undefined }
  }

  for (const [version, framework] of Object.entries({ '5': express, '4': express4 as typeof express })) {
    describe(`in Express ${version}`, () => {
      for (const [name, ahead] of Object.entries(TAKEN)) {
        it(`arrives behind ${name}`, async () => {
          expect(await send(ahead(framework), framework)).to.deep.equal({
            status: 200,
            identities: [IDENTITY],
            message: undefined,
          })
        })
      }
      for (const [name, [ahead, status, message]] of Object.entries(REFUSED)) {
        it(`is refused behind ${name}, with a word of the cause`, async () => {
          const answer = await send(ahead(framework), framework)
          expect(answer.status).to.equal(status)
          expect(answer.identities).to.deep.equal([])
          expect(answer.message).to.match(message)
        })
      }

      it('may be empty: who has nothing to present sends {}', async () => {
        for (const ahead of [[], [framework.json()], [framework.raw(ANY)]]) {
          for (const body of ['{}', ' { } ']) {
            const { status, identities } = await send(ahead, framework, body)
            expect([status, identities]).to.deep.equal([200, [null]])
          }
        }
      })

      it('is refused where it names no field that is known', async () => {
        for (const ahead of [[], [framework.json()]]) {
          const { status, message } = await send(ahead, framework, '{"identty":{"user":1}}')
          expect(status).to.equal(400)
          expect(message).to.match(/none of the fields identity, previous.*but identty/)
        }
      })

      it('is refused by its size, whoever read it', async () => {
        const large = JSON.stringify({ identity: 'x'.repeat(150_000) })
        for (const ahead of [[], [framework.json({ limit: '1mb' })], [framework.json()]])
          expect((await send(ahead, framework, large)).status).to.equal(413)
      })

      it('may be compressed where express.json() reads it, and is refused with 415 elsewhere', async () => {
        const { gzipSync } = await import('node:zlib')
        const zipped = gzipSync('{}') as unknown as string
        const gzip = { 'Content-Encoding': 'gzip' }
        expect((await send([framework.json()], framework, zipped, gzip)).status).to.equal(200)
        const refused = await send([], framework, zipped, gzip)
        expect(refused.status).to.equal(415)
        expect(refused.message).to.contain('Content-Encoding')
      })
    })
  }
})
