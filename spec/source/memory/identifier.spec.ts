import { expect } from 'chai'
import { createId } from '../../../lib/source/memory/identifier.ts'

describe('An identifier', () => {
  it('has the shape of an ObjectId and begins with the time', () => {
    const id = createId(new Date('2026-01-02T03:04:05.678Z').getTime())
    expect(id).to.match(/^[0-9a-f]{24}$/)
    expect(Number.parseInt(id.slice(0, 8), 16) * 1000).to.equal(Date.parse('2026-01-02T03:04:05Z'))
  })

  it('is never given twice', () => {
    const ids = Array.from({ length: 10_000 }, () => createId(0))
    expect(new Set(ids).size).to.equal(ids.length)
  })
})
