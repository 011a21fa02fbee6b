import { expect } from 'chai'
import fc from 'fast-check'
import { formatPoint, formatPosition } from '../../../lib/protocol/position.ts'
import { pack, unpack } from '../../../lib/server/tokens/position-pack.ts'

const room = Buffer.alloc(4096)
const beside = Buffer.alloc(6)
const bytesOf = (text: string, count = 1) => Buffer.from(room.subarray(0, pack(text, count, beside, room, 0)))

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
const word = fc.string({ unit: fc.constantFrom(...'abcxyzABZ0189_'), maxLength: 40 })
const number = fc.maxSafeNat().map(String)
const STORES = {
  'MongoDB’s': fc
    .tuple(fc.nat(4294967295), fc.nat(65_535), fc.constantFrom(0, 7, 4294967295))
    .map((parts) => parts.join('.')),
  'memory()’s': fc.tuple(hex(8), fc.nat(2 ** 31 - 1)).map((parts) => parts.join('-')),
  'Redis’': fc
    .tuple(fc.nat(2 ** 31 - 1), fc.nat(65_535))
    .map(([ms, sequence]) => `${1.7e12 + ms}-${sequence}`),
  'PostgreSQL’s': fc.tuple(hex(12), hex(16), fc.nat(65_535)).map((parts) => parts.join('.')),
}
const sequences = fc.nat(2 ** 31 - 1)
const position = (epoch: string, sequence: number, adapters: string[], rights: string) =>
  formatPosition(formatPoint({ epoch, sequence, adapters }), rights)

describe('server/position-pack', () => {
  it('leads back to each text, whatever the stores’ positions are', () => {
    const other = fc
      .array(fc.oneof(word, number, hex(16)), { maxLength: 4 })
      .chain((fields) =>
        fc
          .array(fc.constantFrom('.', '~', '-'), { minLength: 4, maxLength: 4 })
          .map((separators) => fields.map((field, at) => `${field}${separators[at]}`).join('')),
      )
    const adapters = fc.array(fc.oneof(other, ...Object.values(STORES)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(
        hex(12),
        sequences,
        adapters,
        hex(12),
        fc.nat(1e8),
        (epoch, sequence, positions, rights, count) => {
          const text = position(epoch, sequence, positions, rights)
          const packed = bytesOf(text, count)
          expect(unpack(packed, beside)).to.equal(text)
          expect(unpack(Buffer.concat([packed, Buffer.alloc(9)]), beside)).to.equal(text)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('leads back to a text of another form', () => {
    for (const text of ['p', 'epoch:1:p:rights', '0123456789ab:000000001:é:0123456789ab'.replace('é', 'x y')])
      expect(unpack(bytesOf(text), beside)).to.equal(text)
  })

  for (const [name, positions] of Object.entries(STORES)) {
    const most = name === 'PostgreSQL’s' ? 35 : 26
    it(`needs no more than ${most} bytes for ${name} positions`, () => {
      fc.assert(
        fc.property(hex(12), sequences, positions, hex(12), (epoch, sequence, at, rights) => {
          expect(bytesOf(position(epoch, sequence, [at], rights)).length).to.be.within(most - 16, most)
        }),
      )
    })
  }
})
