import { expect } from 'chai'
import fc from 'fast-check'
import { FewSet } from '../../../lib/server/support/few-set.ts'

const MEMBERS = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]

describe('server/few-set', () => {
  it('is a set, whatever is added and deleted', () => {
    const step = fc.record({ adds: fc.boolean(), member: fc.constantFrom(...MEMBERS) })
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const [few, set] = [new FewSet<object>(), new Set<object>()]
        for (const { adds, member } of steps) {
          if (adds) {
            few.add(member)
            set.add(member)
          } else expect(few.delete(member)).to.equal(set.delete(member))
          expect(few.size).to.equal(set.size)
          expect([...few]).to.deep.equal([...set])
        }
      }),
    )
  })
})
