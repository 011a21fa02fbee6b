import { expect } from 'chai'
import { FailureReporter } from '../../lib/client/failure-reporter.ts'
import { ParticleError } from '../../lib/errors.ts'

function made() {
  const messages: string[] = []
  return { messages, reporter: new FailureReporter(({ message }) => messages.push(message)) }
}
const failing = (message: string) => ({ error: new ParticleError('UNAVAILABLE', message) })

describe('client/failure-reporter', () => {
  it('reports a failure after its number of tries, once per outage', () => {
    const { messages, reporter } = made()
    const failure = { ...failing('away'), reportAfter: 3 }
    for (const tries of [1, 2]) reporter.failed(failure, tries)
    expect(messages).to.deep.equal([])
    for (const tries of [3, 4]) reporter.failed(failure, tries)
    expect(messages).to.deep.equal(['away'])
    reporter.over()
    reporter.failed(failure, 3)
    expect(messages).to.deep.equal(['away', 'away'])
  })

  for (const [message, told] of [
    ['GET /stream answered 401: No', 'GET /stream answered 401: No. Why?'],
    ['GET /stream answered 401: No.', 'GET /stream answered 401: No. Why?'],
    ['Is another route first?', 'Is another route first? Why?'],
  ] as const) {
    it(`puts a whole sentence before the likely cause: ${message}`, () => {
      const { messages, reporter } = made()
      for (let time = 0; time < 3; time++) reporter.unopened({ ...failing(message), hint: 'Why?' })
      expect(messages).to.deep.equal([`Handshakes are answered, but no stream opens: ${told}`])
    })
  }
})
