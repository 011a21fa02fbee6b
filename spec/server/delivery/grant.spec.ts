import { expect } from 'chai'
import {
  grantedAt,
  momentOf,
  Regrants,
  sameClient,
  sinceOf,
  WATCHED,
} from '../../../lib/server/delivery/grant.ts'

const BEFORE = { views: { a: 'A', b: 'B' }, since: { early: ['a'], late: ['b', WATCHED] } }

describe('server/grant', () => {
  it('holds from a moment on for all roots that are granted anew, and from their own for those that go on', () => {
    expect(sinceOf({ a: 'A', b: 'B' }, undefined, 'now')).to.deep.equal({ now: ['a', 'b', WATCHED] })
    expect(sinceOf({ a: 'A', b: 'B' }, BEFORE, 'now')).to.deep.equal(BEFORE.since)
    expect(sinceOf({ a: 'A', b: 'other', c: 'C' }, BEFORE, 'now')).to.deep.equal({
      early: ['a'],
      late: [WATCHED],
      now: ['b', 'c'],
    })
  })

  it('says since when a root is granted, if it is', () => {
    const moments = ['a', 'b', 'c'].map((root) => momentOf(BEFORE, root))
    expect(moments).to.deep.equal(['early', 'late', undefined])
    expect(momentOf({ views: { a: 'A' } }, 'a')).to.equal(undefined)
  })

  it('can be made one of a later moment', () => {
    expect(grantedAt('now', BEFORE)).to.deep.equal({ ...BEFORE, since: { now: ['a', 'b', WATCHED] } })
  })

  it('is kept in mind by session and root where a stream went on with another view', () => {
    const regrants = new Regrants()
    regrants.note('s', { a: 'A', b: 'B' }, { a: 'A', b: 'C' }, 'one')
    regrants.note('s', { a: 'A', b: 'C' }, { a: 'A', b: 'C' }, 'two')
    regrants.note('s', { a: 'A', b: 'C' }, { a: 'B', b: 'C' }, 'three')
    expect(['a', 'b', 'c'].map((root) => regrants.momentOf('s', root))).to.deep.equal([
      'three',
      'one',
      undefined,
    ])
  })

  it('counts as one of all watched roots where a session has lost more than are kept in mind', () => {
    const regrants = new Regrants(2)
    regrants.regrant('s', ['a', 'b'], 'one')
    regrants.regrant('s', ['c'], 'two')
    regrants.regrant('s', ['a'], 'three')
    expect(['a', 'b', 'x'].map((root) => regrants.momentOf('s', root))).to.deep.equal(['three', 'two', 'two'])
  })

  it('refuses positions of before the last view of a forgotten session: 10,000 are kept in mind', () => {
    const regrants = new Regrants()
    const momentsOf = (...sessions: string[]) => sessions.map((session) => regrants.momentOf(session, 'a'))
    regrants.note('first', {}, { a: 'A' }, 'one')
    regrants.note('second', {}, { a: 'A' }, 'two')
    for (let n = 0; n < 9_998; n++) regrants.note(`${n}`, {}, { a: 'A' }, 'three')
    expect(momentsOf('first', 'second', '0', 'unknown')).to.deep.equal(['one', 'two', 'three', undefined])
    // The copy counts too, and its own moment is older than what was forgotten by the end.
    regrants.copy('first', 'copy')
    expect(momentsOf('first', 'second', 'copy', 'unknown')).to.deep.equal(['one', 'two', 'one', 'one'])
    regrants.note('last', {}, { a: 'A' }, 'four')
    expect(momentsOf('first', 'second', 'copy', 'unknown')).to.deep.equal(['two', 'two', 'one', 'two'])
    for (let n = 0; n < 9_999; n++) regrants.note(`${n}`, { a: 'A' }, { a: 'B' }, 'five')
    expect(momentsOf('copy', 'unknown')).to.deep.equal(['three', 'three'])
  })

  it('is one client’s where the same was found, or the same presented to a lookup that goes by that', () => {
    const [ann, same, renamed, other] = [
      { given: 'ann', identity: { id: 1, team: 'a' } },
      { given: 'another login', identity: { team: 'a', id: 1 } },
      { given: 'ann', identity: { id: 1, team: 'b' } },
      { given: 'ben', identity: { id: 2, team: 'a' } },
    ]
    const rows = [same, renamed, other].map((each) => [
      sameClient(ann, each, true),
      sameClient(ann, each, false),
    ])
    expect(rows).to.deep.equal([
      [true, true],
      [true, false],
      [false, false],
    ])
  })
})
