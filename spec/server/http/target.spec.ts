import { expect } from 'chai'
import { splitTarget } from '../../../lib/server/http/target.ts'

describe('server/http/target', () => {
  it('is split into the path and the query, also where it names the host', () => {
    const targets: Record<string, [string, string]> = {
      '/particle/stream': ['/particle/stream', ''],
      '/particle/stream?a=1?b': ['/particle/stream', 'a=1?b'],
      'http://example.com/particle/stream?a=1': ['/particle/stream', 'a=1'],
      'HTTPS://example.com:8080/particle': ['/particle', ''],
      'http://example.com?a=1': ['', 'a=1'],
      '/http://example.com/': ['/http://example.com/', ''],
      '*': ['*', ''],
    }
    for (const [target, parts] of Object.entries(targets))
      expect(splitTarget(target), target).to.deep.equal(parts)
  })
})
