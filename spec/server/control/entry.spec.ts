import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import {
  type ControlEntry,
  checkIdentityQuery,
  documentOf,
  entryOf,
  predicateOf,
} from '../../../lib/server/control/entry.ts'

const ENTRY: ControlEntry = {
  kind: 'revoke',
  query: { userId: 7, 'session.at': { $lt: '2026-01-01T00:00:00.000Z' } },
  reason: 'logged out',
  process: 'abc',
  at: 1.5,
  until: 9,
}

describe('server/control/entry', () => {
  it('is read as it was written', () => {
    expect(entryOf(documentOf('x', ENTRY))).to.deep.equal(ENTRY)
    expect(documentOf('x', ENTRY)).to.have.all.keys('_id', 'entry')
  })

  it('writes dates as JSON, as identities have them', () => {
    const at = new Date(0)
    const { query } = entryOf(documentOf('x', { ...ENTRY, query: { at: { $gt: at } } }))
    expect(query).to.deep.equal({ at: { $gt: at.toISOString() } })
  })

  it('selects identities by their fields, and an identity without fields by none', () => {
    const holds = predicateOf({ userId: { $in: [7, 8] } }) as (identity: unknown) => unknown
    expect([{ userId: 7, name: 'Ann' }, { userId: 9 }, {}, null, 7, [7]].map(holds)).to.deep.equal([
      true,
      false,
      false,
      false,
      false,
      false,
    ])
  })

  const refused: [what: string, query: unknown, sentence: string][] = [
    ['is no object', 7, 'must be a query'],
    ['has an undefined value', { userId: undefined }, 'has an undefined value'],
    ['has an undefined value deep inside', { $or: [{ a: { $in: [undefined] } }] }, 'has an undefined value'],
    ['has a RegExp', { name: /x/ }, 'at name that JSON can not hold: this is an object of RegExp'],
    ['has an unknown operator', { a: { $near: 1 } }, '$near'],
    ['runs code', { $where: 'true' }, '$where'],
    ['has a BigInt', { userId: 7n }, 'has a value at userId that JSON can not hold: this is a bigint'],
    ['has a number that is none', { $or: [{ level: { $gt: Number.NaN } }] }, 'at $or.0.level.$gt'],
    ['has a Date that is none', { at: { $lt: new Date('x') } }, 'at at.$lt'],
    ['has a promise', { a: Promise.resolve(1) }, 'holds a promise'],
  ]
  for (const [what, query, sentence] of refused)
    it(`refuses a query that ${what}`, () => {
      expect(() => checkIdentityQuery(query, 'revoke(query): query'))
        .to.throw(ParticleError, sentence)
        .with.property('code', 'INVALID_QUERY')
    })

  const broken: [what: string, entry: unknown][] = [
    ['nothing', undefined],
    ['no JSON', '{'],
    ['null', 'null'],
    ['another kind', JSON.stringify({ ...ENTRY, kind: 'grant' })],
    ['no time', JSON.stringify({ ...ENTRY, at: null })],
    ['no reason', JSON.stringify({ ...ENTRY, reason: 5 })],
    ['no query', JSON.stringify({ ...ENTRY, query: 'all' })],
    ['a query that runs code', JSON.stringify({ ...ENTRY, query: { $where: 'true' } })],
  ]
  for (const [what, entry] of broken)
    it(`names a document whose entry is ${what}`, () => {
      expect(() => entryOf({ _id: 'x', entry } as never))
        .to.throw(ParticleError, 'The document "x" of the control collection is no decision')
        .with.property('code', 'INVALID_MESSAGE')
    })
})
