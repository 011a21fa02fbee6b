import cluster from 'node:cluster'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import type { Criteria } from '../../../lib/policy/criteria.ts'
import { related } from '../../../lib/policy/relation.ts'
import type { IdentityLookup } from '../../../lib/server/options/identity-lookup.ts'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { bundled } from '../../support/bundled.ts'

const SECRET = 'the secret of the specs'

/** What a server with these options tells as it is made. */
const told = (options: Partial<ServerOptions>) => {
  const errors: Error[] = []
  const dataSources = { users: { collection: memory().collection('users'), manifest: true as const } }
  new Server({ dataSources, onError: (error) => errors.push(error), ...options })
  for (const error of errors) expect(error).to.include({ name: 'ParticleError', code: 'MISCONFIGURED' })
  return errors.map(({ message }) => message)
}
const managed = <T>(run: () => T): T => {
  process.env.NODE_APP_INSTANCE = '1'
  try {
    return run()
  } finally {
    delete process.env.NODE_APP_INSTANCE
  }
}

describe('server/setup', () => {
  it('says nothing of a single process, or where there is a secret', () => {
    expect(told({})).to.deep.equal([])
    expect(managed(() => told({ secret: SECRET }))).to.deep.equal([])
  })

  it('warns of a server without a source', () => {
    expect(told({ dataSources: {} })).to.deep.equal([
      'dataSources is empty, so that clients get no documents: name a root in it',
    ])
  })

  it('warns of a process of PM2 without a secret', () => {
    const [message, ...more] = managed(() => told({}))
    expect(message).to.match(/^PM2 runs this process, and the option secret is not set/)
    expect(more).to.deep.equal([])
  })

  it('warns of a worker of a cluster without a secret', async function () {
    this.timeout(20_000)
    cluster.setupPrimary({
      exec: await bundled(join(import.meta.dirname, '../../support/worker.ts')),
      execArgv: [],
    })
    const worker = cluster.fork()
    const [messages] = await once(worker, 'message')
    worker.kill()
    expect(messages).to.have.length(1)
    expect(messages[0]).to.match(/^This process is a worker of a cluster, and the option secret is not set/)
  })

  it('warns of an allowOrigin that keeps away the cookies that a lookup reads', () => {
    const lookup = (_id: unknown, _done: unknown, request?: { session?: { userId: number } }) =>
      request?.session ? { userId: request.session.userId } : null
    const identityLookup = lookup as unknown as IdentityLookup
    expect(told({ identityLookup, allowOrigin: '*' }).join()).to.match(
      /^allowOrigin is "\*", for which browsers send no cookies, and identityLookup reads request\.session/,
    )
    expect(told({ identityLookup, allowOrigin: 'https://app.example.com' })).to.deep.equal([])
    expect(told({ identityLookup: (identity) => identity, allowOrigin: '*' })).to.deep.equal([])
  })

  const collection = memory().collection('jobs')
  const refused: [string, Criteria, string][] = [
    ['a value', { $or: [{ team: { $in: '@session.teamIds' } }] }, '@session.teamIds'],
    ['the start of a relation', { _id: related('@userId').through('jobs', 'a', 'b') }, '@userId'],
  ]
  for (const [what, criteria, name] of refused) {
    it(`refuses a criteria that takes ${what} from the identity where there is no lookup`, () => {
      const make = () => told({ dataSources: { jobs: { collection, manifest: true, criteria } } })
      const message = `dataSources.jobs.criteria takes "${name}" from the identity, but there is no identityLookup`
      expect(make).to.throw(ParticleError, message).with.property('code', 'INVALID_OPTION')
    })
  }

  it('warns of operators without their $', () => {
    const of = (criteria: Criteria) =>
      told({ dataSources: { jobs: { collection, manifest: true, criteria } } })
    expect(of({ team: { in: ['a'] }, $and: [{ at: { gte: 5, lt: 7 } }] })).to.deep.equal([
      'dataSources.jobs.criteria compares "team" with an object or a list that has "in": "$in" was perhaps meant',
      'dataSources.jobs.criteria compares "at" with an object or a list that has "gte": "$gte" was perhaps meant',
    ])
    expect(of({ or: [{ a: 1 }, { a: 2 }] }).join()).to.include('"$or" was perhaps meant')
    expect(of({ team: { $in: ['a'] }, shape: { type: 'in', size: 3 }, or: ['a'] })).to.deep.equal([])
  })

  it('warns of a parameter in the criteria of a source without params', () => {
    const of = (criteria: Criteria) =>
      told({ dataSources: { jobs: { collection, manifest: true, criteria } } })
    expect(of({ $or: [{ a: 1 }, { room: { $in: [':room'] } }] })).to.deep.equal([
      'dataSources.jobs.criteria compares with the text ":room", since the source has no params: ' +
        "add params: { room: 'string' } for a parameter",
    ])
    expect(of({ at: { $in: ['::room', '12:30', ':', ': )'] } })).to.deep.equal([])
    const watched = { jobs: { collection, manifest: true as const, params: { room: 'string' as const } } }
    expect(told({ dataSources: { jobs: { ...watched.jobs, criteria: { room: ':room' } } } })).to.deep.equal(
      [],
    )
  })

  it('warns of a criteria function that can show nothing', () => {
    const criteria = new Function('return (identity) => { owner: identity.id }')() as Criteria
    const [message] = told({ dataSources: { jobs: { collection, manifest: true, criteria } } })
    expect(message).to.match(/^dataSources\.jobs\.criteria shows nothing to anybody: its block has no return/)
  })

  it('warns of a lookup that can refuse only', () => {
    const mistaken = new Function('return (identity) => { userId: identity.id }')() as IdentityLookup
    const [message] = told({ identityLookup: mistaken })
    expect(message).to.match(/^identityLookup refuses everybody: its block has no return/)
    expect(
      told({
        identityLookup: (_identity, done) => {
          done()
        },
      }),
    ).to.deep.equal([])
  })
})
