import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { Faults } from '../../../lib/server/support/faults.ts'
import { eventually } from '../../support/http.ts'

const fault = (message: string) => new ParticleError('CALLBACK_FAILED', message)

describe('server/support/faults', () => {
  it('are reported at once, then once for each interval, with a count', async () => {
    const errors: Error[] = []
    const faults = new Faults((error) => errors.push(error), 40)
    for (let times = 0; times < 1_001; times++) faults.report(fault('The lookup failed'))
    faults.report(fault('Another one'))
    expect(errors.map(({ message }) => message)).to.deep.equal(['The lookup failed', 'Another one'])
    await eventually(() => errors.length === 3, 'The summary')
    expect(errors[2]?.message).to.match(/^The lookup failed \(1000 more times in \d+ s\)$/)
    expect(errors[2]).to.include({ code: 'CALLBACK_FAILED' })
  })

  it('are no more than a few at once, however many texts a client makes up', () => {
    const errors: Error[] = []
    const faults = new Faults((error) => errors.push(error))
    for (let index = 0; index < 1_000; index++) faults.report(fault(`No user ${index}`))
    expect(errors).to.have.length(21)
  })

  it('are passed on each time where no client causes them', () => {
    const errors: Error[] = []
    const faults = new Faults((error) => errors.push(error))
    for (let times = 0; times < 3; times++) faults.pass(fault('The source failed'))
    for (let times = 0; times < 3; times++) faults.pass(new ParticleError('LIMIT_EXCEEDED', 'Too large'))
    expect(errors).to.have.length(4)
  })
})
