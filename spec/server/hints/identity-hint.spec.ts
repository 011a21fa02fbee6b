import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import type { Json } from '../../../lib/model/document.ts'
import { Identification } from '../../../lib/server/auth/identification.ts'
import { missingMiddleware } from '../../../lib/server/hints/identity-hint.ts'
import type { IdentityLookup } from '../../../lib/server/options/identity-lookup.ts'

/** A lookup as applications write it in JavaScript, where the request has what middlewares put on it. */
const made = (text: string) =>
  new Function('find', `return ${text}`)((request: unknown) => request) as IdentityLookup
const bare = {} as IncomingMessage
const failed = async (lookup: IdentityLookup, request: object) => {
  const errors: Error[] = []
  const identification = new Identification(lookup, (error) => errors.push(error), 10)
  for (let time = 0; time < 2; time++)
    await identification.identify(null, request as IncomingMessage).catch(() => {})
  return errors
}

describe('server/identity-hint', () => {
  const unread = new TypeError("Cannot read properties of undefined (reading 'userId')")
  const missing: [string, string, Error | undefined, RegExp | undefined][] = [
    [
      'throws for want of a session',
      '(i, d, request) => request.session.userId',
      unread,
      /request\.session is undefined: is a session middleware/,
    ],
    [
      'refuses for want of a session',
      '(i, d, req) => req.session?.userId ?? null',
      undefined,
      /request\.session is undefined/,
    ],
    [
      'takes the session out of the request',
      '(i, d, { session }) => session?.userId ?? null',
      undefined,
      /request\.session/,
    ],
    [
      'takes it out in its block',
      '(i, d, req) => { const { session, ip } = req; return session && ip }',
      undefined,
      /request\.session/,
    ],
    [
      'reads cookies',
      "(i, d, req) => req.cookies['sid']",
      new TypeError("Cannot read properties of undefined (reading 'sid')"),
      /request\.cookies is undefined: is cookie-parser/,
    ],
    [
      'asks passport',
      '(i, d, req) => req.isAuthenticated() ? req.user : null',
      new TypeError('req.isAuthenticated is not a function'),
      /passport/,
    ],
    [
      'reads the user of passport',
      '(i, d, req) => ({ id: req.user.id })',
      unread,
      /request\.user is undefined/,
    ],
    ['hands its request on', '(i, d, req) => find(req)', unread, /request\.session is undefined/],
    ['refuses a user who is not logged in', '(i, d, req) => req.user ?? null', undefined, undefined],
    ['throws something else', '(i, d, req) => req.session.userId', new Error('down'), undefined],
    ['looks sessions up by itself', '(i) => find.session(i) ?? null', undefined, undefined],
    ['reads another session', '(i, d, req) => find(req).session?.id ?? null', undefined, undefined],
  ]
  for (const [how, text, error, expected] of missing) {
    it(`says ${expected ? 'which middleware is missing' : 'nothing'} where a lookup ${how}`, () => {
      const hint = missingMiddleware(made(text), bare, error)
      if (expected)
        expect(hint)
          .to.match(expected)
          .and.match(/mounted after Particle's\? Mount it before$/)
      else expect(hint).to.equal(undefined)
    })
  }

  it('says nothing where the request has what is read, or there is no request', () => {
    const lookup = made('(i, d, request) => request.session.userId')
    expect(missingMiddleware(lookup, { session: {} } as unknown as IncomingMessage)).to.equal(undefined)
    expect(missingMiddleware(lookup, undefined, unread)).to.equal(undefined)
  })

  it('is part of the error of a lookup that throws', async () => {
    const errors = await failed(made('(i, d, request) => ({ userId: request.session.userId })'), {})
    expect(errors).to.have.length(2)
    expect(errors[0]).to.include({ code: 'CALLBACK_FAILED' })
    expect(errors[0]?.message).to.match(
      /^identityLookup threw: Cannot read .*; request\.session is undefined/,
    )
    expect(errors[0]?.cause).to.be.instanceOf(TypeError)
  })

  for (const text of [
    '(request) => ({ userId: request.session.userId })',
    '({ session }) => session',
    'async (request, response) => request.user.id',
  ]) {
    it(`says which argument is the request where a lookup takes the first for it: ${text}`, async () => {
      const [error] = await failed(made(text), { session: { userId: 1 } })
      expect(error).to.include({ code: 'CALLBACK_FAILED' })
      expect(error?.message).to.match(
        /null.*; its first argument is the presented identity; the request is its third: \(identity, done, request\)$/,
      )
    })
  }

  it('says nothing of the arguments where a lookup declares the request, or fails otherwise', async () => {
    for (const text of ['(i, d, request) => i.user', '(...all) => all[0].user', '() => find.no.name'])
      expect(String(await failed(made(text), { session: {} }))).not.to.contain('first argument')
  })

  it('is told once of a lookup that refuses', async () => {
    const errors = await failed(made('(i, d, request) => request.session?.userId ? {} : null'), {})
    expect(errors.map(({ message }) => message)).to.deep.equal([
      "identityLookup refuses a client, and request.session is undefined: is a session middleware (express-session, cookie-session) mounted after Particle's? Mount it before",
    ])
    expect(errors[0]).to.include({ code: 'MISCONFIGURED' })
  })

  it('is told of a refused user whose session cookie nobody has read', async () => {
    const lookup = made('(i, d, request) => request.user ? { id: request.user.id } : null')
    const [error, ...more] = await failed(lookup, { headers: { cookie: 'theme=dark; connect.sid=s%3Ax' } })
    expect(error?.message).to.match(/request\.user is undefined: is the middleware that authenticates/)
    expect(more).to.deep.equal([])
    expect(await failed(lookup, { headers: { cookie: 'theme=dark' } })).to.deep.equal([])
    expect(await failed(lookup, { headers: { cookie: 'connect.sid=s%3Ax' }, session: {} })).to.deep.equal([])
  })

  it('is told of a refused user who has logged in by passport, which nobody has run', async () => {
    const lookup = made('(i, d, request) => request.user ? { id: request.user.id } : null')
    const [error, ...more] = await failed(lookup, { session: { passport: { user: 7 } } })
    expect(error?.message).to.match(/request\.user is undefined: is the middleware that authenticates/)
    expect(more).to.deep.equal([])
    expect(await failed(lookup, { session: { passport: {} } })).to.deep.equal([])
    expect(await failed(lookup, { session: { passport: { user: 7 } }, user: null })).to.deep.equal([])
  })

  it('is told of a refused user whose bearer token nobody has read', async () => {
    const lookup = made('(i, d, request) => request.auth?.sub ?? null')
    const [error] = await failed(lookup, { headers: { authorization: 'Bearer e30.e30.e30' } })
    expect(error?.message).to.match(/request\.auth is undefined: is the middleware that authenticates/)
    expect(await failed(lookup, { headers: { authorization: 'Basic YTpi' } })).to.deep.equal([])
  })

  describe('of a renewal without a request', () => {
    const jwt = (claims: object) =>
      ['{}', JSON.stringify(claims), '.'].map((part) => Buffer.from(part).toString('base64url')).join('.')
    const past = jwt({ sub: 7, exp: Math.floor(Date.now() / 1000) - 1 })
    const renewed = async (lookup: IdentityLookup, given: Json) => {
      const errors: Error[] = []
      const identification = new Identification(lookup, (error) => errors.push(error), 10)
      for (let time = 0; time < 2; time++) await identification.identify(given, undefined).catch(() => {})
      return errors.map(({ message }) => message)
    }

    it('is told once where the presented JWT has expired, and the lookup refuses it', async () => {
      for (const given of [past, { token: past }]) {
        const [message, ...more] = await renewed(() => null, given)
        expect(message).to.match(/^identityLookup refuses a client, and the presented JWT has expired/)
        expect(message).to.match(/the third parameter of identityLookup/)
        expect(more).to.deep.equal([])
      }
    })

    it('is part of the error of a lookup that throws', async () => {
      const lookup = () => {
        throw new Error('jwt expired')
      }
      const [message] = await renewed(lookup, past)
      expect(message).to.match(/^identityLookup threw: jwt expired; the presented JWT has expired/)
    })

    it('says nothing where the lookup reads the request, as for a client of the same process', async () => {
      expect(await renewed(made('(i, d, request) => request ? i : null'), past)).to.deep.equal([])
    })

    it('says nothing of a JWT that is valid, or has no end, and of other texts', async () => {
      const future = jwt({ exp: Date.now() / 1000 + 60 })
      for (const given of [future, jwt({ sub: 7 }), 'a.b.c', 'text', '..', null, [past].length, { n: 1 }])
        expect(await renewed(() => null, given)).to.deep.equal([])
    })
  })
})
