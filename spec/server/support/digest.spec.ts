import { expect } from 'chai'
import fc from 'fast-check'
import { digest, STALE } from '../../../lib/server/support/digest.ts'

describe('server/digest', () => {
  const rows: [string, number][] = [
    ['', 3338908027751811],
    ['a', 7929297801672961],
    ['revenge', 4051478007546757],
    ['revenue', 8309097637345594],
  ]
  for (const [text, expected] of rows) {
    it(`of ${JSON.stringify(text)} is that of cyrb53`, () => expect(digest(text)).to.equal(expected))
  }

  it('is a whole number that is not the one of what is unknown, and the same for the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(digest(text)).to.be.within(0, Number.MAX_SAFE_INTEGER).and.to.equal(digest(text))
        expect(Number.isInteger(digest(text))).to.equal(true)
        expect(digest(text)).not.to.equal(STALE)
      }),
    )
  })

  it('tells a hundred thousand texts apart that differ little', () => {
    const digests = new Set<number>()
    for (let i = 0; i < 100_000; i++) digests.add(digest(`{"_id":${i},"n":${i % 7}}`))
    expect(digests.size).to.equal(100_000)
  })

  it('is another one where one unit of the text is another one', () => {
    const units = fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(units, fc.nat(), fc.integer({ min: 1, max: 0xffff }), (codes, where, by) => {
        const other = [...codes]
        const at = where % codes.length
        other[at] = ((codes[at] ?? 0) + by) % 0x10000
        expect(digest(String.fromCharCode(...other))).not.to.equal(digest(String.fromCharCode(...codes)))
      }),
    )
  })
})
