import { expect } from 'chai'
import fc from 'fast-check'
import { formatPosition } from '../../lib/protocol/position.ts'
import { formatSince, type Here, resumeFrom } from '../../lib/server/resume.ts'
import { fingerprint } from '../../lib/server/sources.ts'
import type { Claims } from '../../lib/server/token.ts'
import type { View } from '../../lib/server/view.ts'

const HERE: Here = { tag: 'tag', epoch: 'now', head: 20, floor: 5 }
const at = (sequence: number, { tag = HERE.tag, epoch = HERE.epoch } = {}) =>
  formatPosition({ tag, epoch, sequence, adapters: ['7'] })

/** As much of a view as a position is held against. */
const viewOf = (root: string, key = root, resumes: (sequence: number) => boolean = () => true) =>
  ({ root, key, resumes }) as unknown as View
const VIEWS = [viewOf('users'), viewOf('teams')]
const printsOf = (views: readonly View[]) =>
  Object.fromEntries(views.map((view) => [view.root, fingerprint(view.key)]))
const OTHERS = printsOf([viewOf('users', 'other rights'), viewOf('teams')])

const claimsOf = (claims: Partial<Claims> = {}): Claims => ({
  session: 's',
  given: null,
  identity: {},
  views: printsOf(VIEWS),
  since: formatSince(HERE.epoch, 10),
  ...claims,
})

/** What became of a position: the roots that it holds for, or why it does not hold. */
const outcome = (text: string | undefined, claims?: Claims, views: readonly View[] = VIEWS) => {
  const start = resumeFrom(text, views, claims, HERE)
  const roots = views.map((view) => view.root).filter((root) => start.holds(root))
  expect(start.presented).to.equal(text !== undefined)
  if (start.sequence === undefined) expect(roots).to.deep.equal([])
  else expect(start.reason).to.equal(undefined)
  return start.sequence === undefined ? start.reason : [start.sequence, ...roots]
}

describe('server/resume', () => {
  const BOTH = ['users', 'teams']
  const rows: [string, string | undefined, Claims | undefined, unknown][] = [
    ['no position', undefined, undefined, undefined],
    ['no position, with a token', undefined, claimsOf(), undefined],
    ['an empty one', '', undefined, 'position-unknown'],
    ['a forged one', 'not a position', undefined, 'position-unknown'],
    ['a forged count', `${HERE.tag}:${HERE.epoch}:-1:`, undefined, 'position-unknown'],
    ['one of another secret', at(12, { tag: 'other' }), undefined, 'position-unknown'],
    ['one of another process', at(12, { epoch: 'then' }), undefined, 'position-unknown'],
    ['one of the future', at(21), undefined, 'position-unknown'],
    ['one that the log is past', at(4), undefined, 'history-lost'],
    ['the oldest that the log reaches back to', at(5), undefined, [5, ...BOTH]],
    ['the present', at(20), undefined, [20, ...BOTH]],
    ['the present, with a token', at(20), claimsOf(), [20, ...BOTH]],
    ['one given at the mark of the token', at(10), claimsOf(), [10, ...BOTH]],
    ['one given before the token, which names no previous one', at(9), claimsOf(), 'history-lost'],
    ['one of the previous token', at(9), claimsOf({ previous: printsOf(VIEWS) }), [9, ...BOTH]],
    ['one of a previous token of other rights', at(9), claimsOf({ previous: OTHERS }), [9, 'teams']],
    ['one given after the token, other rights before', at(10), claimsOf({ previous: OTHERS }), [10, ...BOTH]],
    ['one of a token of other rights', at(12), claimsOf({ views: OTHERS }), [12, 'teams']],
    ['one of a token that knew no such root', at(12), claimsOf({ views: {} }), 'history-lost'],
    [
      'one given before a token of other rights, the previous token having had the present ones',
      at(9),
      claimsOf({ views: OTHERS, previous: printsOf(VIEWS) }),
      [9, ...BOTH],
    ],
    [
      'one of a token that another process sealed',
      at(9),
      claimsOf({ since: formatSince('then', 900) }),
      [9, ...BOTH],
    ],
    [
      'one that can be of either token, since another process sealed them',
      at(12),
      claimsOf({ since: formatSince('then', 1), previous: OTHERS }),
      [12, 'teams'],
    ],
  ]
  for (const [name, text, claims, expected] of rows) {
    const answer = Array.isArray(expected) ? `holds for ${expected.slice(1).join(' and ')}` : `${expected}`
    it(`${name}: ${expected === undefined ? 'starts from nothing' : answer}`, () => {
      expect(outcome(text, claims)).to.deep.equal(expected)
    })
  }

  it('refuses a position that no view can be resumed from', () => {
    const views = VIEWS.map(({ root }) => viewOf(root, root, () => false))
    expect(outcome(at(12), claimsOf(), views)).to.equal('history-lost')
  })

  it('asks the views that the position was given for, and no other', () => {
    const views = [viewOf('users', 'users', () => true), viewOf('teams', 'teams', () => false)]
    const claims = claimsOf({ views: { teams: fingerprint('teams') } })
    expect(outcome(at(12), claims, views)).to.equal('history-lost')
  })

  it('resumes a client that sees nothing', () => {
    expect(outcome(at(12), claimsOf({ views: {} }), [])).to.deep.equal([12])
  })

  it('never throws, and never holds for what is no position of this process', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^tag:now:[0-9a-z]{0,12}:?.*$/))
    fc.assert(
      fc.property(text, fc.string(), (presented, since) => {
        const result = outcome(presented, claimsOf({ since }))
        if (Array.isArray(result)) expect(result[0]).to.be.within(HERE.floor, HERE.head)
      }),
      { numRuns: 500 },
    )
  })

  it('holds for a root only where the client has the very view that the position was given for', () => {
    const key = fc.constantFrom('a', 'b')
    fc.assert(
      fc.property(key, key, key, fc.integer({ min: 5, max: 20 }), (now, granted, before, sequence) => {
        const claims = claimsOf({
          views: { users: fingerprint(granted) },
          previous: { users: fingerprint(before) },
        })
        const given = sequence < 10 ? before : granted
        const held = outcome(at(sequence), claims, [viewOf('users', now)])
        expect(held).to.deep.equal(given === now ? [sequence, 'users'] : 'history-lost')
      }),
    )
  })
})
