import { expect } from 'chai'
import * as protocol from '../../lib/protocol/index.ts'

describe('particle/protocol', () => {
  it('has the pure functions and the schemas', () => {
    const { applyOp, applyDelta, filterPayload, filterDelta, encode, decode, parsePath } = protocol
    for (const pure of [applyOp, applyDelta, filterPayload, filterDelta, encode, decode, parsePath]) {
      expect(pure).to.be.a('function')
    }
    expect(protocol.eventSchemas.delta).to.have.property('title', 'delta')
    expect(protocol.PROTOCOL).to.equal(2)
  })
})
