import { expect } from 'chai'
import fc from 'fast-check'
import { formatPoint, formatPosition, NO_POSITION } from '../../../lib/protocol/position.ts'
import { PositionSeal } from '../../../lib/server/tokens/position-seal.ts'

const SECRET = 'the secret of the specs'
const seal = new PositionSeal(SECRET, 'scope')
const positions = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abcz019:|.~-_'), minLength: 1, maxLength: 400 }),
  fc
    .tuple(fc.nat(), fc.nat(), fc.bigInt(0n, 2n ** 48n - 1n))
    .map(([sequence, at, digest]) =>
      formatPosition(
        formatPoint({ epoch: 'a1b2c3d4e5f6', sequence, adapters: [`1764108718.${at}.0`] }),
        digest.toString(16).padStart(12, '0'),
      ),
    ),
)

describe('server/position-seal', () => {
  it('opens what it sealed, on any node that has the secret and the context', () => {
    const other = new PositionSeal(SECRET, 'scope')
    fc.assert(
      fc.property(positions, (position) => {
        expect(other.open(seal.seal(position))).to.equal(position)
      }),
      { numRuns: 500 },
    )
  })

  it('opens nothing of another secret or context, and without a secret nothing of another process', () => {
    const others = [
      new PositionSeal('another secret of ours', 'scope'),
      new PositionSeal(SECRET, 'other'),
      new PositionSeal(undefined, 'scope'),
      new PositionSeal(undefined, 'scope'),
    ]
    const texts = [seal, ...others].map((each) => each.seal('position'))
    for (const [index, each] of [seal, ...others].entries()) {
      expect(texts.map((text) => each.open(text))).to.deep.equal(
        texts.map((_, at) => (at === index ? 'position' : undefined)),
      )
    }
  })

  it('opens nothing that was changed, cut or put together', () => {
    fc.assert(
      fc.property(positions, positions, fc.nat(), fc.nat(63), (a, b, where, letter) => {
        const [one, two] = [seal.seal(a), seal.seal(b)]
        const at = where % one.length
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
        const texts = [
          `${one.slice(0, at)}${alphabet[letter]}${one.slice(at + 1)}`,
          one.slice(0, at),
          `${one}${two}`,
          `${one.slice(0, at)}${two.slice(at)}`,
          `${one} `,
          `${one}\n`,
          `${one}=`,
        ]
        for (const text of texts)
          if (text !== one && text !== two) expect(seal.open(text), text).to.equal(undefined)
      }),
      { numRuns: 500 },
    )
  })

  it('opens no other text, however long', () => {
    for (const text of ['', NO_POSITION, 'A'.repeat(60), 'A'.repeat(92), 'A'.repeat(100_000), 'é'.repeat(60)])
      expect(seal.open(text)).to.equal(undefined)
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => seal.open(text) === undefined))
  })

  it('gives a position another text each time, and texts of one length to positions of about one length', () => {
    const texts = Array.from({ length: 1000 }, () => seal.seal('epoch:1:p:rights'))
    expect(new Set(texts).size).to.equal(1000)
    // No character says more than another.
    for (let at = 0; at < (texts[0]?.length ?? 0); at++)
      expect(new Set(texts.map((text) => text[at])).size, `character ${at}`).to.be.greaterThan(40)
    expect(new Set([...texts, seal.seal('epoch:123456:p:rights')].map(({ length }) => length)).size).to.equal(
      1,
    )
  })

  it('gives all positions of a store texts of one length, 48 or 60 characters', () => {
    const of = (sequence: number, at: string) =>
      seal.seal(
        formatPosition(formatPoint({ epoch: 'a1b2c3d4e5f6', sequence, adapters: [at] }), '0123456789ab'),
      )
    const texts = {
      48: [
        '1764108718.1.0',
        '1764108718.65535.4294967295',
        '1764108718625-0',
        '1764108718625-17',
        'a1b2c3d4e5-1',
        'a1b2c3d4e5-4294967295',
      ],
      60: ['0123456789ab.0000000000000001.0', '0123456789ab.ffffffffffffffff.99999'],
    }
    for (const [length, positions] of Object.entries(texts))
      for (const [index, at] of positions.entries())
        expect(of(10 ** index, at).length, at).to.equal(Number(length))
  })

  it('gives positions of several stores texts of one length, however many digits their counts have', () => {
    const lengths = [1, 9, 255, 256, 9_999, 65_535].map((count) => {
      const adapters = [`a1b2c3d4e5-${count}`, `1764108718.${count}.4294967295`, `f1b2c3d4e5-${count}`]
      const point = formatPoint({ epoch: 'a1b2c3d4e5f6', sequence: 3 * count, adapters })
      return seal.seal(formatPosition(point, '0123456789ab')).length
    })
    expect(new Set(lengths).size).to.equal(1)
  })

  it('is fit for an id: line, a header and an address', () => {
    fc.assert(fc.property(positions, (position) => /^[\w-]+$/.test(seal.seal(position))))
  })

  it('gives no position where there is too much to say', () => {
    expect(seal.seal('x'.repeat(2400))).not.to.equal(NO_POSITION)
    expect(seal.open(seal.seal('x'.repeat(2400)))).to.equal('x'.repeat(2400))
    expect(seal.seal('x'.repeat(2401))).to.equal(NO_POSITION)
  })
})
