import { expect } from 'chai'
import { nearest } from '../../lib/model/nearest.ts'

describe('The nearest name', () => {
  const meant: [name: string, known: string[], found: string][] = [
    ['dataSource', ['identityLookup', 'dataSources', 'dependsOn'], 'dataSources'],
    ['critera', ['manifest', 'collection', 'criteria'], 'criteria'],
    ['$inn', ['$eq', '$in', '$nin', '$not'], '$in'],
    ['jbs', ['users', 'jobs'], 'jobs'],
    ['usrId', ['userId', 'accountId'], 'userId'],
    ['sessionTTL', ['sessionTtl'], 'sessionTtl'],
    ['indentity', ['identity', 'onData'], 'identity'],
    ['onDtaa', ['onData', 'onDebug'], 'onData'],
    ['id', ['_id', 'name'], '_id'],
  ]
  for (const [name, known, found] of meant) {
    it(`of ${name} among ${known.join(', ')} is ${found}`, () => {
      expect(nearest(name, known)).to.equal(found)
    })
  }

  it('is none where nothing is near', () => {
    expect(nearest('transport', ['url', 'identity', 'fetch'])).to.equal(undefined)
    expect(nearest('a', ['b'])).to.equal(undefined)
    expect(nearest('', ['x'])).to.equal(undefined)
    expect(nearest('users', [])).to.equal(undefined)
  })

  it('is the first of those that are equally near', () => {
    expect(nearest('cart', ['card', 'cars'])).to.equal('card')
  })

  it('is found without much work for a text of any length', () => {
    expect(nearest('x'.repeat(1_000_000), ['users'])).to.equal(undefined)
  })
})
