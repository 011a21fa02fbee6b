import { expect } from 'chai'
import { IdLines } from '../../../lib/server/delivery/id-lines.ts'
import { PLAIN } from '../../support/positions.ts'

describe('server/id-lines', () => {
  it('name the point and the rights', () => {
    expect(new IdLines(PLAIN).line('tag:epoch:1:p', 'rights').toString()).to.equal(
      'id: tag:epoch:1:p:rights\n',
    )
  })

  it('are shared by all of the same rights at one point', () => {
    const ids = new IdLines(PLAIN)
    const [a, b, again] = [ids.line('p', 'a'), ids.line('p', 'b'), ids.line('p', 'a')]
    expect([again === a, b === a]).to.deep.equal([true, false])
    expect(ids.line('q', 'a').toString()).to.equal('id: q:a\n')
  })

  it('are sealed, and made anew when they are cleared: what is the same position has another text then', () => {
    let count = 0
    const ids = new IdLines({ seal: (position) => `${position}#${++count}` })
    const texts = [ids.line('p', 'a'), ids.line('p', 'a')].map(String)
    expect(texts).to.deep.equal(['id: p:a#1\n', 'id: p:a#1\n'])
    ids.clear()
    expect(ids.line('p', 'a').toString()).to.equal('id: p:a#2\n')
  })

  it('are kept of one point only, however many there were', () => {
    const ids = new IdLines(PLAIN)
    const first = ids.line('p', 'a')
    ids.line('q', 'a')
    expect(ids.line('p', 'a')).not.to.equal(first)
    expect(ids.line('p', 'a')).to.deep.equal(first)
  })

  it('are few, however many rights there are', () => {
    const ids = new IdLines(PLAIN)
    const lines = new Set(Array.from({ length: 10_000 }, (_, rights) => ids.line('p', `${rights}`)))
    const again = Array.from({ length: 10_000 }, (_, rights) => ids.line('p', `${rights}`))
    expect(again.filter((line) => lines.has(line)).length).to.be.at.most(1000)
    expect(again.map(String)).to.deep.equal([...lines].map(String))
  })
})
