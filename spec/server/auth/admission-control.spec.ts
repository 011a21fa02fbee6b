import { expect } from 'chai'
import { AdmissionControl } from '../../../lib/server/auth/admission-control.ts'
import { type Limits, resolveLimits } from '../../../lib/server/options/limits.ts'
import { Faults } from '../../../lib/server/support/faults.ts'

const OFFICE = '192.0.2.1'

/** An admission control, and what it reported. */
const make = (limits: Limits = {}, maxConnections = Number.POSITIVE_INFINITY) => {
  const errors: Error[] = []
  const faults = new Faults((error) => errors.push(error))
  return { errors, control: new AdmissionControl(resolveLimits(limits), maxConnections, faults) }
}
const codeOf = (act: () => unknown) => {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}
/** Calls so many times; the codes of the errors. */
const refusals = (times: number, act: (index: number) => unknown) =>
  Array.from({ length: times }, (_, index) => codeOf(() => act(index))).filter((code) => code !== undefined)

describe('server/auth/admission-control', () => {
  describe('lets in by default', () => {
    it('an office of 500 people behind one address, each with four tabs that reconnect at once', () => {
      const { control, errors } = make()
      const refused = refusals(500 * 4, () => {
        const answered = control.handshake(OFFICE)
        control.stream(OFFICE)
        setImmediate(answered)
      })
      expect(refused).to.deep.equal([])
      expect(errors).to.deep.equal([])
    })

    it('5,000 clients that come back at once through a proxy that Express does not know, all lookups being slow', () => {
      const { control, errors } = make()
      const proxy = '10.0.0.1'
      const refused = refusals(5_000, () => {
        control.handshake(proxy)
        control.stream(proxy)
      })
      expect(refused).to.deep.equal([])
      expect(errors).to.deep.equal([])
    })

    it('a load test of 10,000 streams from this machine', () => {
      const { control } = make()
      const refused = refusals(10_000, () => {
        control.handshake('127.0.0.1')()
        control.stream('127.0.0.1')
      })
      expect(refused).to.deep.equal([])
    })

    it('a suite of specs that makes a handshake and a stream for each test, thousands of times', () => {
      const { control } = make()
      const refused = refusals(9_000, () => {
        control.handshake('127.0.0.1')()
        control.stream('127.0.0.1')
        control.streamEnded('127.0.0.1')
      })
      expect(refused).to.deep.equal([])
    })
  })

  it('turns away what one address asks for too often, and nobody else', () => {
    const { control, errors } = make({ handshakesPerSecondPerAddress: 0.1 })
    expect(refusals(5, () => control.handshake(OFFICE)())).to.deep.equal(Array(3).fill('TOO_MANY_HANDSHAKES'))
    expect(refusals(2, () => control.handshake('192.0.2.2')())).to.deep.equal([])
    expect(errors).to.have.length(1)
    expect(String(errors[0])).to.contain(OFFICE).and.to.contain('limits.handshakesPerSecondPerAddress')
  })

  it('turns away what waits too much, and takes the next one when one is answered', () => {
    const { control } = make({ handshakesWaiting: 3, handshakesWaitingPerAddress: 2 })
    const [first] = [control.handshake(OFFICE), control.handshake(OFFICE)]
    expect(codeOf(() => control.handshake(OFFICE))).to.equal('TOO_MANY_HANDSHAKES')
    control.handshake('192.0.2.2')
    expect(codeOf(() => control.handshake('192.0.2.3'))).to.equal('TOO_MANY_HANDSHAKES')
    first?.()
    expect(codeOf(() => control.handshake('192.0.2.3'))).to.equal(undefined)
  })

  it('counts renewals apart: strangers that fill every place turn no open stream away', () => {
    const { control } = make({ handshakesWaiting: 2, handshakesPerSecond: 0.1 })
    expect(refusals(10, () => control.handshake(OFFICE))).to.have.length(8)
    expect(refusals(2, () => control.handshake(OFFICE, 'session'))).to.deep.equal([])
  })

  it('turns away what one session renews all at once, and keeps the places of its address for others', () => {
    const { control, errors } = make({ handshakesWaitingPerAddress: 3 })
    const answered = control.handshake(OFFICE, 'eve')
    expect(refusals(10, () => control.handshake(OFFICE, 'eve'))).to.deep.equal(
      Array(9).fill('TOO_MANY_HANDSHAKES'),
    )
    expect(codeOf(() => control.handshake(OFFICE, 'ann'))).to.equal(undefined)
    expect(errors.map(({ message }) => message)).to.have.length(1)
    // What its address turns away leaves no trace in the session's own count.
    expect(refusals(5, () => control.handshake(OFFICE, 'ben'))).to.have.length(5)
    answered()
    expect(codeOf(() => control.handshake(OFFICE, 'ben'))).to.equal(undefined)
  })

  it('lets no more wait than there is room for', () => {
    const { control } = make({}, 2)
    expect(refusals(5, () => control.handshake(undefined))).to.have.length(3)
  })

  it('bounds the streams of an address', () => {
    const { control, errors } = make({ streamsPerAddress: 2 })
    for (let times = 0; times < 2; times++) control.stream(OFFICE)
    expect(refusals(100, () => control.stream(OFFICE))).to.deep.equal(Array(100).fill('TOO_MANY_STREAMS'))
    expect(errors).to.have.length(1)
    expect(refusals(100, () => control.stream(undefined))).to.deep.equal([])
    control.streamEnded(OFFICE)
    expect(refusals(2, () => control.stream(OFFICE))).to.have.length(1)
  })
})
