import { expect } from 'chai'
import { blocksOf, loosened, type Place } from '../../../lib/source/redis/block.ts'
import { translate } from '../../../lib/source/redis/entry.ts'
import { Mapping } from '../../../lib/source/redis/mapping.ts'

describe('source/redis/block', () => {
  const mappings = [new Mapping('users', '', {})]

  /** Which entries are blocked: `a` is a key alone, `A` its whole document, `*` a clear; `(` and `)` bound a transaction. `at`: as of which entry `a` and `b` were read. */
  function blocked(entries: string, at: Record<string, number>, earlier = false): string {
    return placesOf(entries, at, earlier)
      .map((place) => (place.blocked ? 'x' : '.'))
      .join('')
  }

  function placesOf(entries: string, at: Record<string, number>, earlier: boolean): readonly Place[] {
    let transaction: string | undefined
    let position = 0
    const all = [...entries].flatMap((letter) => {
      if (letter === '(' || letter === ')') {
        transaction = letter === '(' ? String(position) : undefined
        return []
      }
      const fields =
        letter === '*' ? ['prefix', 'users:', 'kind', 'clear'] : ['key', `users:${letter.toLowerCase()}`]
      if (/[A-Z]/.test(letter)) fields.push('document', '{}')
      if (transaction) fields.push('transaction', transaction)
      const translation = translate([`${++position}-0`, fields], mappings)
      return translation ? [translation] : []
    })
    return blocksOf(all, ({ id }) => {
      const reading = at[String(id)]
      return reading === undefined ? undefined : { at: `${reading}-0`, earlier }
    })
  }

  it('tells a document alone that did not change again before it was read', () => {
    expect(blocked('aBCa', { a: 1 })).to.equal('....')
    expect(blocked('AaBC', { a: 4 })).to.equal('....')
    expect(blocked('ABC', {})).to.equal('...')
  })

  it('tells it at once with all up to its last change before it was read', () => {
    expect(blocked('BaCADa', { a: 4 })).to.equal('.xxx..')
    expect(blocked('aBaC', { a: 4 })).to.equal('xxx.')
    expect(blocked('aBbCAB', { a: 5, b: 6 })).to.equal('xxxxxx')
    expect(blocked('aB*C', { a: 3 })).to.equal('xxx.')
    expect(blocked('aB*C', { a: 2 })).to.equal('....')
  })

  it('tells as it was read only what was read for one of its changes until then', () => {
    const asRead = (entries: string, at: Record<string, number>, earlier = false) =>
      placesOf(entries, at, earlier)
        .map((place) => (place.asRead ? 'x' : '.'))
        .join('')
    // What is known of b within a's block is what it was then: it was read for its last change alone.
    expect(asRead('aBab', { a: 4, b: 4 })).to.equal('x.xx')
    expect(blocked('aBab', { a: 4, b: 4 })).to.equal('xxx.')
    expect(asRead('AaBA', { a: 4 })).to.equal('.x.x')
    expect(asRead('aA', { a: 1 })).to.equal('x.')
    expect(asRead('BA', { a: 2 }, true)).to.equal('.x')
  })

  it('splits no transaction', () => {
    expect(blocked('(BaC)(DAE)F', { a: 5 })).to.equal('xxxxxx.')
  })

  it('tells at once what was overtaken by a reading of earlier', () => {
    expect(blocked('BACD', { a: 2 }, true)).to.equal('xx..')
    expect(blocked('ABCD', { a: 2 }, true)).to.equal('x...')
  })

  it('says nothing of before, since another node may have told what came in between', () => {
    const [change] = [
      translate(['1-0', ['key', 'users:a', 'kind', 'insert', 'document', '{}']], mappings)?.change,
    ]
    if (!change) throw new Error('There is no change')
    const before = { ...change, before: { _id: 'a' } } as typeof change
    expect(loosened(before, 't')).to.deep.equal({ ...change, kind: 'replace', transaction: 't' })
  })
})
