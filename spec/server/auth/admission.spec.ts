import { expect } from 'chai'
import { Admissions } from '../../../lib/server/auth/admission.ts'
import { Log } from '../../../lib/server/feed/log.ts'
import { resolveOptions, type ServerOptions } from '../../../lib/server/options/options.ts'
import { Sources } from '../../../lib/server/registry/sources.ts'
import { Dependencies } from '../../../lib/server/relations/dependencies.ts'
import { LiveQueries } from '../../../lib/server/relations/live-query.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { fingerprintsOf } from '../../../lib/server/view/fingerprint.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { until } from '../../support/local.ts'

const store = memory()
const admit = (admissions: Admissions, token: string | undefined) =>
  admissions.admit(token, [], (admitted) => admitted)
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: { code?: string }) => error.code,
  )

describe('server/admission', () => {
  const setUp = (options: Partial<ServerOptions> = {}) => {
    const resolved = resolveOptions({
      secret: 'the secret of the specs',
      identityLookup: () => ({}),
      dataSources: {
        all: { manifest: true, collection: store.collection('cards') },
        own: { manifest: true, collection: store.collection('cards'), criteria: { team: '@team' } },
      },
      onError: () => {},
      ...options,
    })
    const host = {
      log: new Log({ bytes: 1, ms: 1 }),
      adapters: () => [],
      point: String,
      onError: () => {},
      diagnostics: new Diagnostics(),
    }
    const sources = new Sources(resolved.dataSources, host)
    const queries = new LiveQueries(host.log, () => {})
    const following = new Dependencies(sources, queries, undefined, () => {})
    const admissions = new Admissions(resolved, sources, following)
    const viewsOf = (identity: object) => fingerprintsOf(sources.viewsOf(identity as never))
    return { admissions, viewsOf }
  }
  /** Identities that are found when the spec says so. */
  const answering = () => {
    const waiting: ((identity: unknown) => void)[] = []
    const identityLookup = () => new Promise((resolve) => waiting.push(resolve))
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const answer = async (identity: unknown) => {
      while (waiting.length === 0) await turn()
      waiting.shift()?.(identity)
      await turn()
    }
    return { identityLookup, answer, waiting }
  }

  describe('a client that presents itself', () => {
    it('gets a session of what was found, of what it presented, and of the views that it may see', async () => {
      const { admissions, viewsOf } = setUp({
        identityLookup: () => ({ team: 'a' }),
        heartbeat: 1_000,
        sessionTtl: 5_000,
      })
      const before = Date.now()
      const admission = await admissions.identify({ user: 'ann' }, undefined)
      const { session, at, after, expiresAt, ...rest } = admission
      expect(rest).to.deep.equal({
        given: { user: 'ann' },
        identity: { team: 'a' },
        views: viewsOf({ team: 'a' }),
        since: { 0: ['all', 'own', '?'] },
      })
      expect(session).to.match(/^[\w-]{16}$/)
      expect(Object.values(after ?? {})).to.deep.equal([at])
      expect(Math.abs(at - before)).to.be.below(1_000)
      expect(expiresAt).to.be.within(before + 4_999, Date.now() + 5_000)
      expect((await admissions.identify({ user: 'ann' }, undefined)).session).not.to.equal(session)
    })

    it('brings the views of its last token along, or those before them where they are the same', async () => {
      let team = 'a'
      const { admissions, viewsOf } = setUp({ identityLookup: () => ({ team }) })
      const present = async (previous?: string) => {
        const admission = await admissions.identify(null, undefined, await admissions.previous(previous))
        return { admission, token: await admissions.tokens.seal(admission) }
      }
      const a = await present()
      const again = await present(a.token)
      team = 'b'
      const b = await present(again.token)
      const alsoB = await present(b.token)
      team = 'c'
      const c = await present(alsoB.token)
      expect([a, again, b, alsoB, c].map(({ admission }) => admission.previous)).to.deep.equal([
        undefined,
        undefined,
        viewsOf({ team: 'a' }),
        viewsOf({ team: 'a' }),
        viewsOf({ team: 'b' }),
      ])
    })

    it('brings nothing along with a token that is forged, or sealed by another server', async () => {
      const { admissions } = setUp({ identityLookup: () => ({ team: 'a' }) })
      const { admissions: other } = setUp({
        secret: 'quite another secret',
        identityLookup: () => ({ team: 'b' }),
      })
      const foreign = await other.tokens.seal(await other.identify(null, undefined))
      for (const previous of ['', 'forged', foreign])
        expect(await admissions.previous(previous)).to.equal(undefined)
    })

    it('brings the views of a token along that has expired', async () => {
      let team = 'a'
      const { admissions, viewsOf } = setUp({ identityLookup: () => ({ team }) })
      const admission = await admissions.identify(null, undefined)
      const token = await admissions.tokens.seal({ ...admission, expiresAt: Date.now() - 60_000 })
      expect(await codeOf(admit(admissions, token))).to.equal('UNAUTHORIZED')
      team = 'b'
      const before = await admissions.previous(token)
      expect((await admissions.identify(null, undefined, before)).previous).to.deep.equal(
        viewsOf({ team: 'a' }),
      )
    })

    it('is looked up once more where rights were refreshed while it was', async () => {
      const { identityLookup, answer } = answering()
      const { admissions } = setUp({ identityLookup })
      const identified = admissions.identify(null, undefined)
      const began = Date.now()
      admissions.rights.refresh(() => true)
      await answer({ team: 'old' })
      await answer({ team: 'new' })
      expect((await identified).identity).to.deep.equal({ team: 'new' })
      expect(Date.now() - began).to.be.below(5_000)
    })

    it('is not looked up for ever where it was revoked while it was: its token is refused', async () => {
      const { identityLookup, answer, waiting } = answering()
      const { admissions } = setUp({ identityLookup })
      const identified = admissions.identify(null, undefined)
      admissions.rights.revoke(() => true, 'left')
      await answer({ team: 'a' })
      const token = await admissions.tokens.seal(await identified)
      expect(waiting).to.deep.equal([])
      expect(await codeOf(admit(admissions, token))).to.equal('UNAUTHORIZED')
    })
  })

  describe('a stream', () => {
    it('needs a token where identities are looked up, and none where they are not', async () => {
      expect(await codeOf(admit(setUp({ identityLookup: () => ({}) }).admissions, undefined))).to.equal(
        'UNAUTHORIZED',
      )
      const dataSources = { all: { manifest: true as const, collection: store.collection('cards') } }
      const open = setUp({ identityLookup: undefined, dataSources })
      expect(await admit(open.admissions, undefined)).to.deep.equal({ renewed: false })
    })

    it('gets what its token seals, looked up by nobody', async () => {
      let lookups = 0
      const { admissions } = setUp({ identityLookup: () => ({ team: `${++lookups}` }) })
      const admission = await admissions.identify('x', undefined)
      const { admission: admitted, renewed } = await admit(
        admissions,
        await admissions.tokens.seal(admission),
      )
      const { expiresAt, ...claims } = admission
      expect(admitted).to.deep.include(claims)
      expect([renewed, lookups]).to.deep.equal([false, 1])
    })

    it('gets what is found now where its token is older than a refresh: the same session, and the views before', async () => {
      let team = 'a'
      const { admissions, viewsOf } = setUp({ identityLookup: () => ({ team }) })
      const admission = await admissions.identify('x', undefined)
      const token = await admissions.tokens.seal(admission)
      team = 'b'
      admissions.rights.refresh(({ team }: { team: string }) => team === 'a')
      const { admission: admitted, renewed } = await admit(admissions, token)
      expect(renewed).to.equal(true)
      expect(admitted).to.deep.include({
        session: admission.session,
        given: 'x',
        identity: { team: 'b' },
        views: viewsOf({ team: 'b' }),
        previous: viewsOf({ team: 'a' }),
      })
    })

    it('is refused where it was revoked, also while it was looked up anew', async () => {
      const { identityLookup, answer, waiting } = answering()
      const { admissions } = setUp({ identityLookup })
      const identified = admissions.identify('x', undefined)
      await answer({ team: 'a' })
      const token = await admissions.tokens.seal(await identified)
      admissions.rights.refresh(() => true)
      const admitted = admit(admissions, token)
      void answer({ team: 'a' })
      const { admission } = await admitted
      if (!admission) throw new Error('not admitted')
      const late = codeOf(admit(admissions, token))
      await until(() => waiting.length === 1)
      admissions.rights.revoke(() => true, 'left')
      void answer({ team: 'a' })
      expect(await late).to.equal('UNAUTHORIZED')
    })
  })

  it('open positions of the same secret, stores, path, roots and audience, and no others', () => {
    const collection = store.collection('cards')
    const positionsOf = (options: Partial<ServerOptions>) => setUp(options).admissions.positions
    const text = positionsOf({}).seal('position')
    expect(positionsOf({}).open(text)).to.equal('position')
    const others: Partial<ServerOptions>[] = [
      { secret: 'quite another secret' },
      { dataSources: { other: { manifest: true, collection } } },
      { dataSources: { cards: { manifest: true, payload: () => ({ data: [] }) } } },
      { path: '/staff' },
      { audience: 'staff' },
    ]
    for (const other of others)
      expect(positionsOf(other).open(text), Object.keys(other).join()).to.equal(undefined)
  })

  it('take those who present nothing for the empty identity', () => {
    const { admissions } = setUp()
    expect(
      admissions.meets(
        (identity: object, given: unknown) => Object.keys(identity).length === 0 && given === null,
        undefined,
      ),
    ).to.equal(true)
  })
})
