import { expect } from 'chai'
import {
  comparePositions,
  formatLsn,
  formatPosition,
  parseLsn,
  parsePosition,
} from '../../../lib/source/postgres/position.ts'

const EPOCH = '0123456789ab'

describe('source/postgres/position', () => {
  it('is a text of hex digits and dots that can be read again', () => {
    const text = formatPosition(EPOCH, 0x16b374d848n, 7)
    expect(text).to.equal('0123456789ab.00000016b374d848.7')
    expect(parsePosition(text)).to.deep.equal({ epoch: EPOCH, at: 0x16b374d848n, ordinal: 7 })
  })

  it('orders by place, then by ordinal, and knows no order of two epochs', () => {
    const places = [
      formatPosition(EPOCH, 9n),
      formatPosition(EPOCH, 9n, 2),
      formatPosition(EPOCH, 9n, 10),
      formatPosition(EPOCH, 16n),
    ]
    for (const [i, a] of places.entries())
      for (const [j, b] of places.entries())
        expect(Math.sign(comparePositions(a, b))).to.equal(Math.sign(i - j))
    expect(comparePositions(places[0] ?? '', formatPosition('0123456789ac', 9n))).to.satisfy(Number.isNaN)
  })

  it('refuses what is malformed', () => {
    for (const text of [
      '',
      '1',
      `${EPOCH}.1.0`,
      `${EPOCH}.0000000000000001`,
      `${EPOCH}.0000000000000001.01`,
      ` ${formatPosition(EPOCH, 1n)}`,
    ]) {
      expect(parsePosition(text), text).to.equal(undefined)
      expect(comparePositions(text, formatPosition(EPOCH, 1n)), text).to.satisfy(Number.isNaN)
    }
  })

  it('reads and writes LSNs as PostgreSQL does', () => {
    for (const lsn of ['0/0', '0/16B3748', '16/B374D848', 'FFFFFFFF/FFFFFFFF'])
      expect(formatLsn(parseLsn(lsn))).to.equal(lsn)
    expect(parseLsn('16/B374D848')).to.equal(0x16b374d848n)
    expect(() => parseLsn('16B374D848')).to.throw(TypeError)
  })
})
