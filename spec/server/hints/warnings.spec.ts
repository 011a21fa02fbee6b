import { expect } from 'chai'
import type { ParticleError } from '../../../lib/errors.ts'
import { Warnings } from '../../../lib/server/hints/warnings.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'

describe('server/warnings', () => {
  it('tells each topic once, by an error or a sentence', () => {
    const errors: ParticleError[] = []
    const sentences: string[] = []
    const warnings = new Warnings({
      onError: (error) => errors.push(error),
      diagnostics: new Diagnostics((message) => sentences.push(message)),
    })
    warnings.error('secret', 'there is none')
    warnings.error('secret', 'there is still none')
    warnings.debug('route', 'another')
    warnings.debug('route', 'yet another')
    warnings.error('route', 'and another')
    expect(errors.map(({ code, message }) => [code, message])).to.deep.equal([
      ['MISCONFIGURED', 'there is none'],
    ])
    expect(sentences).to.deep.equal(['another'])
  })
})
