import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { type Limits, resolveLimits } from '../../../lib/server/options/limits.ts'

const PAGE = readFileSync(new URL('../../../docs/help/limits.md', import.meta.url), 'utf8')

describe('server/options/limits', () => {
  it('have each a row in the docs, with the default', () => {
    for (const [name, value] of Object.entries(resolveLimits({ key: String }))) {
      const row = PAGE.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
      expect(row, name).to.be.a('string')
      if (typeof value === 'number') expect(row?.replaceAll('_', ''), name).to.contain(`| \`${value}\``)
    }
  })

  it('leave the streams of one identity alone where nothing tells which identities are one user', () => {
    expect(resolveLimits().streamsPerIdentity).to.equal(Number.POSITIVE_INFINITY)
    expect(resolveLimits({ key: String }).streamsPerIdentity).to.equal(100)
    expect(resolveLimits({ streamsPerIdentity: 2 }).streamsPerIdentity).to.equal(2)
    expect(resolveLimits({ streamsPerIdentity: 2 }).key({ b: 1, a: 2 }, undefined)).to.equal('{"a":2,"b":1}')
  })

  it('can be switched off', () => {
    expect(resolveLimits({ streamsPerAddress: Number.POSITIVE_INFINITY }).streamsPerAddress).to.equal(
      Number.POSITIVE_INFINITY,
    )
  })

  const wrong: [limits: unknown, sentence: RegExp][] = [
    [5, /^limits must be an object/],
    [{ streamPerAddress: 5 }, /streamPerAddress/],
    [{ streamsPerAddress: 0 }, /^limits.streamsPerAddress must be a number of at least 1/],
    [{ bodyMs: '5' }, /^limits.bodyMs must be a number/],
    [{ key: 'userId' }, /^limits.key must be a function/],
    [{ excessStreams: 'drop' }, /^limits.excessStreams must be "refuse" or "replace"/],
  ]
  for (const [limits, sentence] of wrong) {
    it(`are refused as ${JSON.stringify(limits)}`, () => {
      expect(() => resolveLimits(limits as Limits)).to.throw(sentence)
    })
  }
})
