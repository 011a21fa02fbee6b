import { expect } from 'chai'
import { identityKey } from '../../lib/policy/identity.ts'

describe('identityKey', () => {
  it('is the same for equal identities, whatever the order of their fields', () => {
    expect(identityKey({ a: 1, b: { c: [1, { x: 1, y: 2 }], d: null } })).to.equal(
      identityKey({ b: { d: null, c: [1, { y: 2, x: 1 }] }, a: 1 }),
    )
    expect(identityKey({ at: new Date(0), gone: undefined })).to.equal(
      identityKey({ at: '1970-01-01T00:00:00.000Z' }),
    )
  })

  it('differs for identities that differ', () => {
    const identities = [
      undefined,
      null,
      {},
      [],
      '',
      'undefined',
      0,
      '0',
      { a: 1 },
      { a: '1' },
      { a: null },
      [1, 2],
      [2, 1],
    ]
    expect(new Set(identities.map(identityKey)).size).to.equal(identities.length)
  })
})
