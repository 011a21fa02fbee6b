import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { Identification } from '../../../lib/server/auth/identification.ts'
import type { IdentityLookup } from '../../../lib/server/options/identity-lookup.ts'

const make = (lookup: IdentityLookup | undefined, values = 1_000) => {
  const errors: Error[] = []
  return { errors, identification: new Identification(lookup, (error) => errors.push(error), values) }
}
const codeOf = async (identifying: Promise<unknown>) => {
  const error = await identifying.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).to.be.instanceOf(ParticleError)
  return (error as ParticleError).code
}

describe('server/session', () => {
  it('gives everybody the empty identity where there is no lookup', async () => {
    const { identification } = make(undefined)
    expect(identification.required).to.equal(false)
    expect(await identification.identify({ admin: true }, undefined)).to.deep.equal({})
  })

  it('gives what the lookup found, as JSON', async () => {
    const since = new Date(0)
    const { identification } = make((given) => ({ given, since, left: undefined }))
    expect(identification.required).to.equal(true)
    expect(await identification.identify('x', undefined)).to.deep.equal({
      given: 'x',
      since: '1970-01-01T00:00:00.000Z',
    })
  })

  it('shares nothing with what the lookup found', async () => {
    const user = { roles: ['reader'] }
    const { identification } = make(() => user)
    const identity = await identification.identify(null, undefined)
    user.roles.push('admin')
    expect(identity).to.deep.equal({ roles: ['reader'] })
  })

  it('tells a refusal from a failure', async () => {
    const errors: [unknown, string, number][] = [
      [Object.assign(new Error(), { status: 401 }), 'UNAUTHORIZED', 0],
      [{ status: 403 }, 'UNAUTHORIZED', 0],
      [Object.assign(new Error(), { status: 500 }), 'UNAVAILABLE', 1],
      [new Error('down'), 'UNAVAILABLE', 1],
      ['down', 'UNAVAILABLE', 1],
      [0, 'UNAVAILABLE', 1],
    ]
    for (const [error, code, told] of errors) {
      const made = make((_identity, done) => done(error))
      expect(await codeOf(made.identification.identify(null, undefined))).to.equal(code)
      expect(made.errors).to.have.length(told)
    }
  })

  const refusals: [string, IdentityLookup][] = [
    ['returns null', () => null],
    ['returns false', (_given, _done) => false],
    ['returns undefined', () => undefined],
    ['declares done, and returns undefined', (given, _done, _request) => (given ? { given } : undefined)],
    ['resolves to null', async () => null],
    ['declares done, and resolves to undefined', async (given, _done) => (given ? { given } : undefined)],
    ['calls done with null', (_given, done) => done(null, null)],
    ['calls done with false, later', (_given, done) => void setTimeout(done, 5, null, false)],
    ['calls done with nothing', (_given, done) => done()],
    ['is async and calls done with undefined', async (_given, done) => done(null, undefined)],
  ]
  for (const [how, lookup] of refusals) {
    it(`takes it for a refusal at once where a lookup ${how}`, async () => {
      const { identification, errors } = make(lookup)
      expect(await codeOf(identification.identify(null, undefined))).to.equal('UNAUTHORIZED')
      expect(errors).to.deep.equal([])
    })
  }

  const db = {
    find: (given: unknown, done: (error: unknown, user: unknown) => void) =>
      setTimeout(done, 20, null, { given }),
  }
  const waited: [string, IdentityLookup][] = [
    ['calls done later', (given, done) => void setTimeout(() => done(null, { given }), 20)],
    ['hands done on', (given, done) => void db.find(given, done)],
    ['is async and hands done on', async (given, done) => void db.find(given, done)],
    ['passes all of its arguments on', (...args) => void db.find(args[0], args[1])],
    ['is bound', ((given, done) => void db.find(given, done)) satisfies IdentityLookup],
  ]
  for (const [how, lookup] of waited) {
    it(`waits for an answer where a lookup ${how}`, async () => {
      const { identification } = make(how === 'is bound' ? lookup.bind(null) : lookup)
      expect(await identification.identify('x', undefined)).to.deep.equal({ given: 'x' })
    })
  }

  const later = async () => 1
  const lost: [string, IdentityLookup, string][] = [
    ['a promise', () => ({ userId: later() }), 'a promise in userId: await it first'],
    ['a promise in a list', () => ({ teams: [1, later()] }), 'a promise in teams.1: await it first'],
    [
      'a Map',
      () => ({ user: { roles: new Map() } }),
      'a Map in user.roles: make an object of it first, Object.fromEntries(map)',
    ],
    ['a Set', () => ({ roles: new Set() }), 'a Set in roles: make an array of it first, [...set]'],
    ['a function', () => ({ userId: later }), 'a function in userId: call it first'],
    ['a function alone', () => later, 'a function: call it first'],
  ]
  for (const [what, lookup, told] of lost) {
    it(`tells of ${what} in an identity, which JSON would lose`, async () => {
      const { identification, errors } = make(lookup)
      expect(await codeOf(identification.identify(null, undefined))).to.equal('UNAVAILABLE')
      expect(errors.map(({ message }) => message)).to.deep.equal([`identityLookup returned ${told}`])
      expect(errors[0]).to.include({ code: 'CALLBACK_FAILED' })
    })
  }

  it('says of an identity of thousands of levels that it is too deep', async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(20_000)}null${'}'.repeat(20_000)}`)
    const { identification, errors } = make(() => deep)
    expect(await codeOf(identification.identify(null, undefined))).to.equal('UNAVAILABLE')
    expect(errors[0]?.message).to.equal('identityLookup returned an identity that is nested too deep')
  })

  it('accepts the instance of a class with its methods, and what turns itself into JSON', async () => {
    class User {
      id = 1
      since = new Date(0)
      save = () => {}
    }
    const { identification, errors } = make(() => new User())
    const found = await identification.identify(null, undefined)
    expect(found).to.deep.equal({ id: 1, since: '1970-01-01T00:00:00.000Z' })
    expect(errors).to.deep.equal([])
  })

  it('refuses what is larger than the bound, and tells which option raises it', async () => {
    const at = (length: number) => make(() => ({ list: Array.from({ length }, () => 1) }), 10)
    expect(await at(9).identification.identify(null, undefined)).to.have.property('list')
    const { identification, errors } = at(10)
    expect(await codeOf(identification.identify(null, undefined))).to.equal('UNAVAILABLE')
    expect(errors.map(String).join())
      .to.contain('more than 10 fields')
      .and.to.contain('limits.identityValues')
  })
})
