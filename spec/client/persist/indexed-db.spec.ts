import { expect } from 'chai'
import { indexedDB } from '../../../lib/client/persist/index.ts'
import { ParticleError } from '../../../lib/errors.ts'

describe('indexedDB(name, options)', () => {
  it('takes a name, and a key that is a text or a number', () => {
    for (const options of [undefined, {}, { key: undefined }, { key: 'ann' }, { key: 7 }])
      expect(indexedDB('app', options)).to.be.a('function')
  })

  const mistakes: [what: string, args: unknown[], names: string][] = [
    ['an unknown option', ['app', { user: 'ann' }], 'the option "user" is not known'],
    ['a user in the place of the options', ['app', 'ann'], 'the option "ann" is not known'],
    ['null in the place of the options', ['app', null], 'the option "null" is not known'],
    ['a key of another type', ['app', { key: { id: 1 } }], 'a key that is a text or a number.'],
    ['no name', [], 'takes the name of a database'],
    ['an empty name', [''], 'takes the name of a database'],
    ['options in the place of the name', [{ key: 'ann' }], 'takes the name of a database'],
  ]
  for (const [what, args, names] of mistakes)
    it(`refuses ${what}, and says what it takes`, () => {
      const call = () => indexedDB(...(args as Parameters<typeof indexedDB>))
      expect(call).to.throw(ParticleError, names).with.property('code', 'INVALID_OPTION')
    })
})
