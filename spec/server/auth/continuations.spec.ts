import { expect } from 'chai'
import type { Admission } from '../../../lib/server/auth/admitted.ts'
import { Continuations } from '../../../lib/server/auth/continuations.ts'
import { Revocations } from '../../../lib/server/auth/revocations.ts'
import type { Dependencies } from '../../../lib/server/relations/dependencies.ts'

const TTL = 60_000

describe('server/auth/continuations', () => {
  const setUp = () => {
    const rights = new Revocations(
      { sessionTtl: TTL },
      () => {},
      () => 'decided',
    )
    const following = { dependencies: () => '' } as unknown as Dependencies
    const continuations = new Continuations(rights, following, false)
    const admissionOf = (session: string, moment: string, more: Partial<Admission> = {}): Admission => {
      const at = Revocations.now()
      return {
        session,
        given: null,
        identity: 'ann',
        views: { cards: 'view' },
        since: { [moment]: ['cards'] },
        at,
        after: rights.stamp({}, at),
        expiresAt: Date.now(),
        ...more,
      }
    }
    const sinceOf = (before: Admission, identity = 'ann') =>
      Object.keys(continuations.grantOf(before, { given: null, identity }, 'now').since ?? {})
    return { rights, continuations, admissionOf, sinceOf }
  }

  it('keep a grant since which nothing was decided, and grant views now after a decision', () => {
    const { rights, admissionOf, sinceOf } = setUp()
    const before = admissionOf('s', 'then')
    expect(sinceOf(before)).to.deep.equal(['then'])
    expect(sinceOf(before, 'ben')).to.deep.equal(['now'])
    rights.refresh(() => true)
    expect(sinceOf(before)).to.deep.equal(['now'])
  })

  it('keep the grant of a stream that went on, for the same client and until the next decision', () => {
    const { rights, continuations, admissionOf, sinceOf } = setUp()
    const before = admissionOf('s', 'then')
    rights.refresh(() => true)
    continuations.note(admissionOf('s', 'went on'))
    expect(sinceOf(before)).to.deep.equal(['went on'])
    expect(sinceOf({ ...before, session: 'another' })).to.deep.equal(['now'])
    continuations.note(admissionOf('s', 'taken over', { identity: 'ben' }))
    expect(sinceOf(before)).to.deep.equal(['now'])
    continuations.note(admissionOf('s', 'went on'))
    rights.refresh(() => true)
    expect(sinceOf(before)).to.deep.equal(['now'])
  })

  it('forget a session whose tokens have run out, also where no other session comes', () => {
    const { rights, continuations, admissionOf, sinceOf } = setUp()
    const [old, young] = [admissionOf('old', 'then'), admissionOf('young', 'then')]
    rights.refresh(() => true)
    continuations.note(admissionOf('old', 'went on', { at: Revocations.now() + 1 }))
    continuations.note(admissionOf('young', 'went on', { at: Revocations.now() + 2 * TTL }))
    rights.reaches = ({ at }) => at > Revocations.now() + TTL
    continuations.sweep()
    expect([old, young].map((before) => sinceOf(before))).to.deep.equal([['now'], ['went on']])
  })

  it('forget the oldest of over 10,000 sessions', () => {
    const { rights, continuations, admissionOf, sinceOf } = setUp()
    const [first, second] = ['first', 'second'].map((session) => admissionOf(session, 'then'))
    if (!first || !second) throw new Error('No admissions')
    rights.refresh(() => true)
    continuations.note(admissionOf('first', 'went on'))
    continuations.note(admissionOf('second', 'went on'))
    for (let n = 0; n < 9_999; n++) continuations.note(admissionOf(`${n}`, 'went on'))
    expect([first, second].map((before) => sinceOf(before))).to.deep.equal([['now'], ['went on']])
  })
})
