import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import express, { type RequestHandler } from 'express'
import particle from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { type Listening, listen } from '../support/http.ts'

type Visit = IncomingMessage & { session?: { userId?: number } }
type Lookup = NonNullable<Parameters<typeof particle.middleware>[0]['identityLookup']>

/** A session middleware, as far as a lookup sees of one: the cookie `user` says who is logged in. */
const session = ((request: Visit, _response: unknown, next: () => void) => {
  const user = /user=(\d+)/.exec(request.headers.cookie ?? '')?.[1]
  Object.assign(request, { session: user === undefined ? {} : { userId: Number(user) } })
  next()
}) as unknown as RequestHandler
const db = {
  find: (id: unknown, done: (error: unknown, found?: unknown) => void) => setTimeout(done, 100, null, { id }),
}

describe('An identityLookup over HTTP', () => {
  let listening: Listening | undefined
  afterEach(async () => await listening?.close())

  /** What a handshake with this lookup is answered, in an application that mounts its session before Particle or after. */
  const shake = async (identityLookup: Lookup, options: { cookie?: string; late?: boolean } = {}) => {
    const errors: Error[] = []
    const middleware = particle.middleware({
      identityLookup,
      dataSources: { jobs: { collection: memory().collection('jobs'), manifest: true } },
      onError: (error) => errors.push(error),
    })
    const app = express()
    for (const handler of options.late ? [middleware, session] : [session, middleware]) app.use(handler)
    listening = await listen(app)
    const began = performance.now()
    const { status } = await fetch(`${listening.url}/particle/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(options.cookie ? { Cookie: options.cookie } : {}) },
      body: JSON.stringify({ identity: 'ann' }),
    })
    return { status, soon: performance.now() - began < 2000, errors: errors.map(({ message }) => message) }
  }
  const accepted = { status: 200, soon: true, errors: [] }
  const refused = { status: 401, soon: true, errors: [] }

  const lookups: [string, Lookup, boolean][] = [
    [
      'returns early',
      (_identity, _done, request: Visit) => {
        if (!request.session?.userId) return
        return { userId: request.session.userId }
      },
      false,
    ],
    [
      'is async and resolves to undefined',
      async (_identity, _done, request: Visit) => {
        if (!request.session?.userId) return undefined
        return { userId: request.session.userId }
      },
      false,
    ],
    ['hands done on', (identity, done) => db.find(identity, done) && undefined, true],
    ['hands done on in a block', (identity, done) => void db.find(identity, done), true],
    ['calls done later', (identity, done) => void setTimeout(() => done(null, { identity }), 100), true],
    ['is async and hands done on', async (identity, done) => void db.find(identity, done), true],
  ]
  for (const [how, lookup, known] of lookups) {
    it(`that ${how} ${known ? 'is waited for' : 'refuses a stranger at once, and takes who is logged in'}`, async () => {
      expect(await shake(lookup)).to.deep.equal(known ? accepted : refused)
      await listening?.close()
      expect(await shake(lookup, { cookie: 'user=7' })).to.deep.equal(accepted)
    })
  }

  it('that reads a session which is mounted after Particle is told so, whether it throws or refuses', async () => {
    const throwing = await shake(
      (_identity, _done, request: Visit) => ({ id: (request.session as { id: 1 }).id }),
      {
        late: true,
      },
    )
    expect(throwing.status).to.equal(503)
    expect(throwing.errors.join()).to.match(
      /^identityLookup threw: Cannot read .*request\.session is undefined: is a session middleware .* mounted after Particle's\?/,
    )
    await listening?.close()
    const refusing = await shake((_identity, _done, request: Visit) => request.session?.userId ?? null, {
      late: true,
    })
    expect(refusing.status).to.equal(401)
    expect(refusing.errors.join()).to.include("mounted after Particle's?")
  })
})
