import { expect } from 'chai'
import fc from 'fast-check'
import { encode } from '../../lib/protocol/encode.ts'
import {
  formatPoint,
  formatPosition,
  NO_POSITION,
  type Position,
  parsePoint,
  parsePosition,
} from '../../lib/protocol/position.ts'

const letters = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength })
const BASE64URL = 'ABCXYZabcxyz0189-_'

const positions: fc.Arbitrary<Position> = fc.record({
  epoch: letters(BASE64URL, 1, 32),
  sequence: fc.nat({ max: 36 ** 9 - 1 }),
  // A server without adapters reads its own empty list as one adapter without a position: it has none to look up either way.
  adapters: fc.array(letters(`${BASE64URL}.~`, 0, 40), { minLength: 1, maxLength: 8 }),
  rights: letters(BASE64URL, 1, 32),
})
const textOf = (position: Position) => formatPosition(formatPoint(position), position.rights)

describe('protocol/position', () => {
  it('comes back from its text as it was', () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(parsePosition(textOf(position))).to.deep.equal(position)
        const { rights, ...point } = position
        expect(parsePoint(formatPoint(position))).to.deep.equal(point)
        expect(parsePoint(textOf(position))).to.equal(undefined)
      }),
      { numRuns: 500 },
    )
  })

  it('is fit for an id: line and for a header', () => {
    fc.assert(
      fc.property(positions, (position) => {
        const text = textOf(position)
        expect(text).to.match(/^[\x21-\x7e]+$/)
        expect(encode({ event: 'ready', data: {}, id: text })).to.contain(`id: ${text}\n`)
      }),
      { numRuns: 200 },
    )
  })

  it('is not made of any other text', () => {
    const good = textOf({ epoch: 'e', sequence: 35, adapters: ['1.2'], rights: 'r' })
    expect(good).to.equal('e:00000000z:1.2:r')
    for (const text of [
      '',
      '0',
      'a:b:c',
      NO_POSITION,
      'e:00000000z:1.2',
      'e:00000000z:1.2:',
      ':00000000z:1:r',
      'e::1:r',
      'e:-00000001:1:r',
      'e:00000001.:1:r',
      'e:00000000Z:1:r',
      'e:z:1:r',
      'e:000000000z:1:r',
      `${good}\n`,
      `\n${good}`,
      ` ${good}`,
      `${good} `,
      'e:00000000z:1:2:r',
      'e:00000000z:<script>:r',
      'e:00000000z:a\0b:r',
      'é:00000000z:1:r',
      `${'e'.repeat(33)}:00000000z:1:r`,
      `e:00000000z:${'1'.repeat(2001)}:r`,
      `e:00000000z:1:${'r'.repeat(33)}`,
      'undefined',
      '__proto__',
      '{"sequence":1}',
    ])
      expect(parsePosition(text), JSON.stringify(text)).to.equal(undefined)
  })

  it('is what it says, or nothing, of whatever text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), letters('te:z01|.~-\n ', 0, 30)), (text) => {
        const position = parsePosition(text)
        if (!position) return
        expect(Number.isSafeInteger(position.sequence)).to.equal(true)
        expect(position.sequence).to.be.at.least(0)
        // There is one text for a position.
        expect(textOf(position)).to.equal(text)
      }),
      { numRuns: 1000 },
    )
  })
})
