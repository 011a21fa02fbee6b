import { channel } from 'node:diagnostics_channel'
import { expect } from 'chai'
import { DEBUG_NAMES, type DebugEvent, Diagnostics } from '../../../lib/server/support/diagnostics.ts'

describe('server/diagnostics', () => {
  const lost = { source: 'mongo', reason: 'error 286', views: 3 }

  it('tell onDebug a sentence, and the event with its name and fields', () => {
    const told: [string, DebugEvent][] = []
    new Diagnostics((...both) => told.push(both)).report('source.lost', lost)
    expect(told).to.deep.equal([
      ['Source mongo lost its history (error 286)', { name: 'source.lost', ...lost }],
    ])
  })

  it('publish the same event on a channel of its name, also where there is no onDebug', () => {
    const published: unknown[] = []
    const listener = (event: unknown, name: string | symbol) => void published.push([name, event])
    channel('particle:source.lost').subscribe(listener)
    new Diagnostics().report('source.lost', lost)
    channel('particle:source.lost').unsubscribe(listener)
    new Diagnostics().report('source.lost', lost)
    expect(published).to.deep.equal([['particle:source.lost', { name: 'source.lost', ...lost }]])
  })

  it('tell further listeners until they end, each by itself', () => {
    const told: string[] = []
    const diagnostics = new Diagnostics(() => told.push('onDebug'))
    const stop = diagnostics.listen(() => told.push('listener'))
    diagnostics.report('source.lost', lost)
    stop()
    diagnostics.report('source.lost', lost)
    expect(told).to.deep.equal(['onDebug', 'listener', 'onDebug'])
  })

  it('make no sentence where nobody takes it', () => {
    const fields = {
      get session(): string {
        throw new Error('A sentence was made')
      },
      continued: false,
      live: false,
      ms: 1,
    }
    expect(() => new Diagnostics().report('handshake', fields)).not.to.throw()
    expect(() => new Diagnostics(() => {}).report('handshake', fields)).to.throw('A sentence was made')
  })

  it('go on where onDebug throws', () => {
    const { error } = console
    const printed: unknown[] = []
    console.error = (cause) => printed.push(cause)
    const broken = new Error('The logger is closed')
    try {
      new Diagnostics(() => {
        throw broken
      }).report('source.close', { source: 'mongo' })
    } finally {
      console.error = error
    }
    expect(printed).to.deep.equal([broken])
  })

  it('have names of lower case, with dots, as OpenTelemetry wants them', () => {
    for (const name of DEBUG_NAMES) expect(name).to.match(/^[a-z]+(\.[a-z]+)?$/)
  })
})
