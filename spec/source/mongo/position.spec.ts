import { expect } from 'chai'
import fc from 'fast-check'
import { ALL, comparePositions, formatPosition, parsePosition } from '../../../lib/source/mongo/position.ts'

const number = fc.integer({ min: 0, max: ALL })

describe('positions of MongoDB', () => {
  it('are ordered by seconds, then increment, then ordinal, as numbers', () => {
    const ordered = ['9.9.9', '10.1.0', '10.2.0', '10.10.0', '10.10.2', '10.10.10', `10.10.${ALL}`, '11.0.0']
    const shuffled = [...ordered].reverse()
    expect(shuffled.sort(comparePositions)).to.deep.equal(ordered)
    expect(comparePositions('1.2.3', '1.2.3')).to.equal(0)
  })

  it('come back from their text', () => {
    fc.assert(
      fc.property(number, number, number, (t, i, ordinal) => {
        expect(parsePosition(formatPosition({ t, i }, ordinal))).to.deep.equal({ time: { t, i }, ordinal })
      }),
      { numRuns: 200 },
    )
  })

  for (const malformed of [
    '',
    '1',
    '1.2',
    '1.2.3.4',
    'a.b.c',
    '1.2.-3',
    '1..3',
    '1.2.3 ',
    '1.2.4294967296',
    '01234567890.1.1',
  ]) {
    it(`can't be compared when one is ${JSON.stringify(malformed)}`, () => {
      expect(comparePositions(malformed, '1.2.3')).to.be.NaN
      expect(comparePositions('1.2.3', malformed)).to.be.NaN
    })
  }
})
