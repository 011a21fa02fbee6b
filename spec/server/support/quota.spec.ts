import { expect } from 'chai'
import { Quota } from '../../../lib/server/support/quota.ts'

describe('server/support/quota', () => {
  it('gives places up to each bound, and tells which one is reached', () => {
    const quota = new Quota(3, 2)
    expect([quota.take('a'), quota.take('a')]).to.deep.equal([undefined, undefined])
    expect(quota.take('a')).to.equal('each')
    expect(quota.take('b')).to.equal(undefined)
    expect(quota.take('c')).to.equal('total')
    expect(quota.take(undefined)).to.equal('total')
  })

  it('gives a place again that was given back', () => {
    const quota = new Quota(2, 2)
    for (const key of ['a', 'a']) quota.take(key)
    quota.giveBack('a')
    expect([quota.take('a'), quota.take('a')]).to.deep.equal([undefined, 'each'])
    for (const key of ['a', 'a']) quota.giveBack(key)
    expect([quota.take('b'), quota.take(undefined), quota.take('c')]).to.deep.equal([
      undefined,
      undefined,
      'total',
    ])
  })
})
