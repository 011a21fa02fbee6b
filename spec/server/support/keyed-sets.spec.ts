import { expect } from 'chai'
import { KeyedSets } from '../../../lib/server/support/keyed-sets.ts'

describe('server/support/keyed-sets', () => {
  it('hold the members of each key in the order in which they came, and nothing of a key without any', () => {
    const [one, two] = [{ id: 1 }, { id: 2 }]
    const sets = new KeyedSets<object>()
    for (const member of [one, two, one]) sets.add('a', member)
    sets.add('b', two)
    expect([[...(sets.of('a') ?? [])], sets.of('b')?.size]).to.deep.equal([[one, two], 1])
    sets.delete('a', one)
    sets.delete('b', two)
    sets.delete('c', two)
    expect([[...(sets.of('a') ?? [])], sets.of('b'), sets.of('c')]).to.deep.equal([
      [two],
      undefined,
      undefined,
    ])
  })

  it('hold nothing without a key', () => {
    const sets = new KeyedSets<object>()
    sets.add(undefined, {})
    sets.delete(undefined, {})
    expect(sets.of(undefined)).to.equal(undefined)
  })
})
