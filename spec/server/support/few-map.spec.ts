import { expect } from 'chai'
import fc from 'fast-check'
import { FewMap } from '../../../lib/server/support/few-map.ts'

const KEYS = Array.from({ length: 24 }, (_, number) => `key ${number}`)

describe('server/few-map', () => {
  it('is a map, however many entries it has, whatever is set and deleted', () => {
    const step = fc.record({ sets: fc.boolean(), key: fc.constantFrom(...KEYS), value: fc.integer() })
    const count = fc.constantFrom(0, 3, 12, 15, 16, 17, 24)
    fc.assert(
      fc.property(count, fc.array(step), (count, steps) => {
        const first = KEYS.slice(0, count)
        const [few, map] = [new FewMap<number>(), new Map(first.map((key, index) => [key, index]))]
        few.append(first, [...map.values()])
        for (const { sets, key, value } of steps) {
          if (sets) {
            few.set(key, value)
            map.set(key, value)
          } else expect(few.delete(key)).to.equal(map.delete(key))
          expect([few.size, few.has(key), few.get(key)]).to.deep.equal([map.size, map.has(key), map.get(key)])
          expect([...few]).to.deep.equal([...map])
          expect([...few.keys()]).to.deep.equal([...map.keys()])
        }
      }),
    )
  })
})
