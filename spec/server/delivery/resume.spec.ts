import { expect } from 'chai'
import fc from 'fast-check'
import { formatPoint, formatPosition } from '../../../lib/protocol/position.ts'
import { Regrants } from '../../../lib/server/delivery/grant.ts'
import { type ResumeContext, resumeFrom } from '../../../lib/server/delivery/resume.ts'
import { Feed } from '../../../lib/server/feed/feed.ts'
import { Log } from '../../../lib/server/feed/log.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import type { Claims } from '../../../lib/server/tokens/token.ts'
import { fingerprintsOf, rightsOf } from '../../../lib/server/view/fingerprint.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Adapter, ChangeListener } from '../../../lib/source/source.ts'
import { PLAIN } from '../../support/positions.ts'

type Rights = Pick<Claims, 'session' | 'views' | 'previous' | 'since'>

/** An adapter whose positions are numbers. */
const listeners: ChangeListener[] = []
const adapter = {
  name: 'numbers',
  open: async (listener: ChangeListener) => {
    listeners.push(listener)
    return { position: '0', close: async () => {} }
  },
  compare: (a: string, b: string) => Number(a || Number.NaN) - Number(b || Number.NaN),
  read: async () => ({ from: '0', to: '0' }),
} satisfies Adapter

const FLOOR = 5
const HEAD = 20

/** A log of which the entries 6 to 20 are kept; the first feed was at 10 times the sequence, the second at 7 throughout. */
const setUp = async () => {
  const log = new Log({ bytes: (HEAD - FLOOR) * 1000, ms: 1e6 })
  const adapters = () => feeds.map((feed) => feed.position ?? '')
  const host = { log, adapters, point: String, onError: () => {}, diagnostics: new Diagnostics() }
  const feeds: readonly [Feed, Feed] = [new Feed(adapter, host, 0), new Feed(adapter, host, 1)]
  const [first, second] = feeds
  listeners.length = 0
  const watcher = {
    collection: 'users',
    lost: () => {},
    take: () => {},
    needsDocument: () => false,
  } as unknown as View
  for (const feed of feeds) await feed.acquire(watcher)
  for (let at = 1; at <= HEAD; at++)
    log.append(
      { feed: first, changes: [], point: () => '', adapters: [String(at * 10), '7'], bytes: 1000 },
      Date.now(),
    )
  first.position = String(HEAD * 10)
  second.position = '7'
  const here: ResumeContext = {
    admissions: { positions: PLAIN, regrants: new Regrants(), losses: new Regrants() },
    epoch: 'now',
    log,
  }
  const opened: string[] = []
  const viewOf = (root: string, { key = root, feed = first as Feed, least = FLOOR, viewers = 1 } = {}) =>
    ({
      root,
      key,
      feed,
      viewers: { size: viewers },
      open: async () => opened.push(root),
      reaches: (at: number) => at >= least,
    }) as unknown as View
  return { here, feeds, viewOf, opened }
}
const claimsOf = (views: readonly View[], previous?: readonly View[]): Rights => ({
  session: 'session',
  views: fingerprintsOf(views),
  ...(previous ? { previous: fingerprintsOf(previous) } : {}),
})
const at = (views: readonly View[], { sequence = 12, epoch = 'now', adapters = ['120', '7'] } = {}) =>
  formatPosition(formatPoint({ epoch, sequence, adapters }), rightsOf(fingerprintsOf(views)))

/** What became of a position: the roots and where they go on, or why it does not hold at all. */
const outcome = async (
  text: string | undefined,
  views: readonly View[],
  claims: Rights | undefined,
  here: ResumeContext,
) => {
  const start = await resumeFrom(text, views, claims, here)
  expect(start.presented).to.equal(text !== undefined)
  if (!start.points) return start.reason
  expect(start.reason).to.equal(undefined)
  const { points } = start
  return Object.fromEntries(views.map((view) => [view.root, points.get(view) ?? start.reasonFor(view)]))
}

describe('server/resume', () => {
  for (const epoch of ['now', 'other'])
    it(`resets the roots whose rights have not stayed the same since a position of ${epoch}`, async () => {
      const { here, viewOf, feeds } = await setUp()
      const views = [viewOf('users'), viewOf('teams')]
      const asked: unknown[] = []
      const rightsUnchangedSince: ResumeContext['rightsUnchangedSince'] = (sequenceOf) => {
        asked.push(...feeds.map(sequenceOf))
        return (root) => root === 'users'
      }
      const text = at(views, { epoch })
      const found = await outcome(text, views, undefined, { ...here, rightsUnchangedSince })
      expect(found).to.deep.equal({ users: 12, teams: 'rights-changed' })
      expect(asked[0]).to.equal(12)
      expect(
        await outcome(text, views, undefined, { ...here, rightsUnchangedSince: () => () => false }),
      ).to.equal('rights-changed')
    })

  describe('a position of this process', () => {
    const rows: [string, (both: View[], others: View[]) => [string | undefined, Rights?], unknown][] = [
      ['none', () => [undefined], undefined],
      ['none, with a token', (both) => [undefined, claimsOf(both)], undefined],
      ['an empty one', () => [''], 'position-unknown'],
      ['one that was taken back', () => ['none'], 'position-unknown'],
      ['a forged one', () => ['not a position'], 'position-unknown'],
      ['a forged count', () => ['now:-1::r'], 'position-unknown'],
      ['one of the future', (both) => [at(both, { sequence: 21 })], 'position-unknown'],
      ['one that the log is past', (both) => [at(both, { sequence: 4 })], 'history-lost'],
      ['the oldest that is kept', (both) => [at(both, { sequence: 5 })], { users: 5, teams: 5 }],
      ['the present', (both) => [at(both, { sequence: 20 })], { users: 20, teams: 20 }],
      ['one with a token', (both) => [at(both), claimsOf(both)], { users: 12, teams: 12 }],
      ['one of nobody’s rights', (_both, others) => [at(others)], 'rights-changed'],
      [
        'one of other rights than the token has',
        (both, others) => [at(others), claimsOf(both)],
        'rights-changed',
      ],
      [
        'one of the token before',
        (both, others) => [at(others), claimsOf(both, others)],
        { users: 'rights-changed', teams: 12 },
      ],
      [
        'one given after a token before of other rights',
        (both, others) => [at(both), claimsOf(both, others)],
        { users: 12, teams: 12 },
      ],
      [
        'one of a token whose rights mean something else by now',
        (_both, others) => [at(others), claimsOf(others)],
        { users: 'rights-changed', teams: 12 },
      ],
      [
        'one of before a root was there',
        (both) => [at(both.slice(1)), claimsOf(both, both.slice(1))],
        { users: 'rights-changed', teams: 12 },
      ],
    ]
    for (const [name, given, expected] of rows) {
      it(`${name}: ${expected === undefined ? 'starts from nothing' : JSON.stringify(expected)}`, async () => {
        const { here, viewOf } = await setUp()
        const both = [viewOf('users'), viewOf('teams')]
        const others = [viewOf('users', { key: 'other rights' }), viewOf('teams')]
        const [text, claims] = given(both, others)
        expect(await outcome(text, both, claims, here)).to.deep.equal(expected)
      })
    }

    const since = (sequence: number, adapters: string[], epoch = 'now') =>
      formatPoint({ epoch, sequence, adapters })
    const grants: [string, string, string, unknown][] = [
      ['of the moment of its grant', since(12, ['120', '7']), 'now', 12],
      ['of after its grant', since(11, ['110', '7']), 'now', 12],
      ['of before its grant, by the count', since(13, ['120', '7']), 'now', 'rights-changed'],
      ['of before its grant, by the store', since(0, ['121', '7']), 'now', 'rights-changed'],
      ['whose store did not say where it was', since(12, ['', '7']), 'now', 12],
      ['of another process, after its grant', since(99, ['120', '7']), 'then', 12],
      ['of another process, before its grant', since(0, ['121', '7']), 'then', 'rights-changed'],
      ['of another process, where it is not known', since(0, ['', '7']), 'then', 'rights-changed'],
      ['whose grant was by another process', since(99, ['120', '7'], 'then'), 'now', 12],
      ['whose grant was by another process, later', since(0, ['121', '7'], 'then'), 'now', 'rights-changed'],
      ['whose grant makes no sense', 'nonsense', 'now', 'rights-changed'],
    ]
    for (const [name, moment, epoch, expected] of grants) {
      it(`one ${name}: ${expected}`, async () => {
        const { here, viewOf } = await setUp()
        const views = [viewOf('users')]
        const claims = { ...claimsOf(views), since: { [moment]: ['users'] } }
        const held = await outcome(at(views, { epoch, adapters: ['120', '7'] }), views, claims, here)
        expect(held).to.deep.equal(typeof expected === 'number' ? { users: expected } : expected)
      })
    }

    it('holds for each root since that was granted, and for none that was not', async () => {
      const { here, viewOf } = await setUp()
      const views = ['users', 'teams', 'cards'].map((root) => viewOf(root))
      const claims = {
        ...claimsOf(views),
        since: { [since(12, ['120', '7'])]: ['users'], [since(13, ['130', '7'])]: ['teams'] },
      }
      expect(await outcome(at(views), views, claims, here)).to.deep.equal({
        users: 12,
        teams: 'rights-changed',
        cards: 'rights-changed',
      })
      const others = { ...claims, views: fingerprintsOf([viewOf('users', { key: 'other rights' })]) }
      expect(await outcome(at(views), views, others, here)).to.equal('rights-changed')
    })

    it('waits, where a source that is followed has not come to the moment of the grant', async () => {
      const { here, viewOf } = await setUp()
      const views = [viewOf('users')]
      const claims = { ...claimsOf(views), since: { [since(0, ['210', '7'], 'then')]: ['users'] } }
      const start = resumeFrom(undefined, views, claims, here)
      let begun = false
      void Promise.resolve(start).then(() => {
        begun = true
      })
      await new Promise((resolve) => setImmediate(resolve))
      expect(begun).to.equal(false)
      const change = { kind: 'clear' as const, position: '210', timestamp: '', collection: 'users' }
      listeners[0]?.changes([change], '210')
      await start
      expect(resumeFrom(undefined, views, claims, here)).not.to.be.instanceOf(Promise)
    })

    it('holds for the views that the log tells all of, and for no other', async () => {
      const { here, viewOf } = await setUp()
      const views = [viewOf('users'), viewOf('teams', { least: 13 })]
      expect(await outcome(at(views), views, undefined, here)).to.deep.equal({
        users: 12,
        teams: 'history-lost',
      })
    })
  })

  describe('a position of another process', () => {
    const then = (views: readonly View[], ...adapters: string[]) => at(views, { epoch: 'then', adapters })

    it('is found by the adapters’ own positions, for each feed by itself', async () => {
      const { here, feeds, viewOf } = await setUp()
      const views = [viewOf('users'), viewOf('teams', { feed: feeds[1] })]
      const found = (...adapters: string[]) => outcome(then(views, ...adapters), views, undefined, here)
      expect(await found('120', '7')).to.deep.equal({ users: 12, teams: 20 })
      expect(await found('129', '7')).to.deep.equal({ users: 12, teams: 20 })
      expect(await found('60', '6')).to.deep.equal({ users: 6, teams: 'history-lost' })
      expect(await found('40', '')).to.equal('history-lost')
      expect(await found('200', 'x')).to.deep.equal({ users: 20, teams: 'history-lost' })
    })

    it('is waited for where a source has not come to it yet', async () => {
      const { here, viewOf } = await setUp()
      const views = [viewOf('users')]
      const found = outcome(then(views, '205'), views, undefined, here)
      await new Promise((resolve) => setImmediate(resolve))
      for (const position of ['203', '210']) {
        const change = { kind: 'clear' as const, position, timestamp: '', collection: 'users' }
        listeners[0]?.changes([change], position)
      }
      expect(await found).to.deep.equal({ users: 21 })
    })

    it('opens no source for a view that the client has left meanwhile', async () => {
      const { here, viewOf, opened } = await setUp()
      const [left, kept] = [viewOf('users', { viewers: 0 }), viewOf('teams')]
      const found = await outcome(at([left, kept], { epoch: 'then' }), [left, kept], undefined, here)
      expect([found, opened]).to.deep.equal([{ users: 'history-lost', teams: 12 }, ['teams']])
    })

    it('holds for no source that has no place in it', async () => {
      const { here, viewOf } = await setUp()
      const own = new Feed(adapter, {
        log: here.log,
        adapters: () => [],
        point: String,
        onError: () => {},
        diagnostics: new Diagnostics(),
      })
      const views = [viewOf('users'), viewOf('calls', { feed: own })]
      expect(await outcome(then(views, '120'), views, undefined, here)).to.deep.equal({
        users: 12,
        calls: 'history-lost',
      })
    })
  })

  it('never throws, and never holds for what is no position of this process', async () => {
    const { here, viewOf } = await setUp()
    const views = [viewOf('users')]
    const text = fc.oneof(fc.string(), fc.stringMatching(/^now:[0-9a-z]{0,12}:?.*$/))
    await fc.assert(
      fc.asyncProperty(text, async (presented) => {
        expect(await outcome(presented, views, claimsOf(views), here)).to.be.a('string')
      }),
      { numRuns: 500 },
    )
  })

  it('holds for a root only where the client has the very view that the position was given for', async () => {
    const { here, viewOf } = await setUp()
    const key = fc.constantFrom('a', 'b', 'c')
    await fc.assert(
      fc.asyncProperty(key, key, key, key, async (now, granted, before, given) => {
        const [view, ...others] = [now, granted, before, given].map((each) => viewOf('users', { key: each }))
        if (!view) return
        const claims = claimsOf(others.slice(0, 1), others.slice(1, 2))
        const held = await outcome(at(others.slice(2)), [view], claims, here)
        expect(held).to.deep.equal(given === now ? { users: 12 } : 'rights-changed')
      }),
    )
  })
})
