import { expect } from 'chai'
import fc from 'fast-check'
import type { Json } from '../../../lib/model/document.ts'
import { digest, digestOf, STALE } from '../../../lib/server/view/digest.ts'

const value = fc.jsonValue().map((one) => JSON.parse(JSON.stringify(one)) as Json)

describe('server/digest', () => {
  it('is a whole number that is not the one of what is unknown', () => {
    fc.assert(
      fc.property(value, (one) => {
        expect(digest(one)).to.be.within(0, Number.MAX_SAFE_INTEGER)
        expect(Number.isInteger(digest(one))).to.equal(true)
        expect(digest(one)).not.to.equal(STALE)
      }),
    )
  })

  it('is the same for values of the same text, and another one for all others', () => {
    fc.assert(
      fc.property(value, value, (one, other) => {
        const isSame = JSON.stringify(one) === JSON.stringify(other)
        expect(digest(one) === digest(other)).to.equal(isSame)
        expect(digest(structuredClone(one))).to.equal(digest(one))
      }),
    )
  })

  it('is another one where the highest bits of any two words are others', () => {
    const digests = new Set<number>()
    const bytes = new DataView(new ArrayBuffer(64))
    const flip = (word: number) => bytes.setUint8(word * 4, bytes.getUint8(word * 4) ^ 0x80)
    for (let one = 0; one < 16; one++) {
      for (let other = 0; other < one; other++) {
        for (const word of [one, other]) flip(word)
        digests.add(digestOf(bytes, 0, 64))
        for (const word of [one, other]) flip(word)
      }
    }
    expect(digests.size).to.equal((16 * 15) / 2)
  })

  it('tells values apart that look alike', () => {
    const alike: Json[] = [
      1,
      '1',
      [1],
      ['1'],
      { 1: 1 },
      true,
      'true',
      null,
      'null',
      [],
      {},
      '',
      [null],
      [[]],
      [{}],
    ]
    alike.push({ a: { b: 1 } }, { a: 1, b: 1 }, { ab: 1 }, { a: 'b' }, { b: 'a' }, ['a', 'b'], ['ab'], 'ab')
    expect(new Set(alike.map(digest)).size).to.equal(alike.length)
  })

  it('tells a hundred thousand documents apart that differ little', () => {
    const digests = new Set<number>()
    for (let _id = 0; _id < 100_000; _id++) digests.add(digest({ _id, n: _id % 7 }))
    expect(digests.size).to.equal(100_000)
  })

  it('is another one where one unit of a text is another one', () => {
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
