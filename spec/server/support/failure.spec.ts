import { expect } from 'chai'
import { asError } from '../../../lib/server/support/failure.ts'

describe('server/support/failure', () => {
  it('names an error without a message by its class, such as a time-out of the package redis', () => {
    class TimeoutError extends Error {}
    expect(asError(new TimeoutError(), 'redis').message).to.equal('redis: TimeoutError')
    expect(asError(new TypeError('no'), 'redis').message).to.equal('redis: no')
    expect(asError('full', 'redis').message).to.equal('redis: full')
  })
})
