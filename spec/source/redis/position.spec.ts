import { expect } from 'chai'
import fc from 'fast-check'
import { compareStreamIds, isStreamId, streamTimestamp } from '../../../lib/source/redis/position.ts'

describe('source/redis/position', () => {
  it('orders stream ids as Redis does, to 64 bits', () => {
    const part = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        const expected = a === c ? (b < d ? -1 : b > d ? 1 : 0) : a < c ? -1 : 1
        expect(Math.sign(compareStreamIds(`${a}-${b}`, `${c}-${d}`))).to.equal(expected)
      }),
    )
  })

  it('knows what is no stream id', () => {
    for (const text of [
      '',
      '-',
      '12',
      '1-',
      '-1',
      '01-1',
      '1-01',
      '1--1',
      'a-1',
      '1-1-1',
      '1-1 ',
      `${'9'.repeat(21)}-1`,
    ]) {
      expect(isStreamId(text), text).to.equal(false)
      expect(compareStreamIds(text, '1-1'), text).to.satisfy(Number.isNaN)
      expect(compareStreamIds('1-1', text), text).to.satisfy(Number.isNaN)
    }
    expect(isStreamId('1764000000000-0')).to.equal(true)
  })

  it('tells when an entry was appended, as far as its id can be a time', () => {
    expect(streamTimestamp('1764000000123-7')).to.equal('2025-11-24T16:00:00.123Z')
    expect(new Date(streamTimestamp('18446744073709551615-1')).getTime()).to.be.closeTo(Date.now(), 10_000)
  })
})
