import { expect } from 'chai'
import { counted } from '../../lib/model/count.ts'

describe('model/count', () => {
  it('writes one in the singular, and all other numbers in the plural', () => {
    expect([0, 1, 2, 1.5].map((number) => counted(number, 'document'))).to.deep.equal([
      '0 documents',
      '1 document',
      '2 documents',
      '1.5 documents',
    ])
    expect(counted(2, 'reply', 'replies')).to.equal('2 replies')
  })
})
