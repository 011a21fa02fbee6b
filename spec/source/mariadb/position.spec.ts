import { expect } from 'chai'
import fc from 'fast-check'
import { comparePositions, formatPosition, parsePosition } from '../../../lib/source/mariadb/position.ts'

const PLACE = { epoch: '0123456789ab', file: 12, birth: 1_795_967_687, at: 5_000_000_000, ordinal: 7 }
const at = (change: Partial<typeof PLACE>) => formatPosition({ ...PLACE, ...change })

describe('source/mariadb/position', () => {
  it('is a text of letters, digits, dots and hyphens that can be read again', () => {
    expect(at({})).to.equal('0123456789ab.12-1795967687.5000000000.7')
    const number = fc.integer({ min: 0, max: 9_999_999_999_999 })
    const place = fc.record({ file: number, birth: number, at: number, ordinal: number })
    fc.assert(
      fc.property(place, (numbers) => {
        const text = at(numbers)
        expect(text).to.match(/^[\w.~-]+$/)
        expect(parsePosition(text)).to.deep.equal({ ...PLACE, ...numbers })
      }),
    )
  })

  it('orders by file, then by offset, then by ordinal', () => {
    const positions = [
      at({ file: 9, birth: 1, at: 900, ordinal: 0 }),
      at({ file: 10, birth: 1, at: 4, ordinal: 0 }),
      at({ file: 10, birth: 1, at: 4, ordinal: 2 }),
      at({ file: 10, birth: 1, at: 4, ordinal: 10 }),
      at({ file: 10, birth: 1, at: 30, ordinal: 0 }),
      at({ file: 11, birth: 3, at: 4, ordinal: 0 }),
    ]
    for (const [i, a] of positions.entries())
      for (const [j, b] of positions.entries())
        expect(Math.sign(comparePositions(a, b))).to.equal(Math.sign(i - j))
  })

  it('knows no order of two epochs, or of two logs of one server', () => {
    const others = [
      { epoch: '0123456789ac' },
      // The same number, created at another time.
      { birth: PLACE.birth + 1 },
      // A later number that was created before, and an earlier one created after.
      { file: 13, birth: PLACE.birth - 1 },
      { file: 11, birth: PLACE.birth + 1 },
    ]
    for (const other of others) {
      expect(comparePositions(at({}), at(other)), JSON.stringify(other)).to.satisfy(Number.isNaN)
      expect(comparePositions(at(other), at({})), JSON.stringify(other)).to.satisfy(Number.isNaN)
    }
  })

  it('refuses what is malformed', () => {
    const texts = [
      '',
      '1',
      at({}).slice(1),
      `${at({})}.1`,
      ` ${at({})}`,
      at({}).replace('-', '.'),
      at({ at: -1 }),
    ]
    for (const text of [...texts, at({}).replace('.7', '.07'), at({}).slice(0, -1)]) {
      expect(parsePosition(text), text).to.equal(undefined)
      expect(comparePositions(text, at({})), text).to.satisfy(Number.isNaN)
    }
  })
})
