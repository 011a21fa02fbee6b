import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { resolveLimits } from '../../../lib/server/options/limits.ts'
import { resolveOptions, type ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'

const sentence = (options: unknown): string => {
  try {
    resolveOptions(options as ServerOptions)
  } catch (error) {
    expect(error).to.be.instanceOf(ParticleError).and.include({ code: 'INVALID_OPTION' })
    return (error as Error).message
  }
  throw new Error(`${JSON.stringify(options)} was taken`)
}

describe('server/options', () => {
  it('have the defaults of the manual', () => {
    const { diagnostics, onError, limits, ...rest } = resolveOptions({ dataSources: {} })
    expect(rest).to.deep.equal({
      identityLookup: undefined,
      dependsOn: undefined,
      cacheConfig: undefined,
      dataSources: {},
      control: undefined,
      controlTimeout: 10_000,
      disconnect: undefined,
      path: '/particle',
      secret: undefined,
      audience: undefined,
      sessionTtl: 3_600_000,
      heartbeat: 15_000,
      compression: false,
      retry: 1_000,
      maxBufferedBytes: 1_048_576,
      replay: { bytes: 16_777_216, ms: 120_000 },
      maxConnections: Number.POSITIVE_INFINITY,
      allowOrigin: [],
      inspector: undefined,
    })
    expect(limits).to.deep.equal(resolveLimits())
    expect(diagnostics).to.be.instanceOf(Diagnostics)
    expect(onError).to.be.a('function')
  })

  it('take undefined for what was left out', () => {
    const names = ['identityLookup', 'path', 'secret', 'sessionTtl', 'replay', 'allowOrigin', 'onError']
    const options = Object.fromEntries(names.map((name) => [name, undefined]))
    expect(resolveOptions({ dataSources: {}, ...options }).path).to.equal('/particle')
  })

  it('keep the default of the half of replay that was left out', () => {
    expect(resolveOptions({ dataSources: {}, replay: { ms: 5 } }).replay).to.deep.equal({
      bytes: 16_777_216,
      ms: 5,
    })
  })

  it('write origins as browsers do', () => {
    const allowOrigin = ['https://App.Example.com:443', 'http://localhost:3000', 'capacitor://localhost', '*']
    expect(resolveOptions({ dataSources: {}, allowOrigin }).allowOrigin).to.deep.equal([
      'https://app.example.com',
      'http://localhost:3000',
      'capacitor://localhost',
      '*',
    ])
    expect(resolveOptions({ dataSources: {}, allowOrigin: 'http://a' }).allowOrigin).to.deep.equal([
      'http://a',
    ])
  })

  const wrong: [string, unknown, RegExp][] = [
    ['no options', undefined, /takes an object of options with dataSources/],
    ['null', null, /takes an object of options with dataSources/],
    ['no dataSources', {}, /^dataSources must be an object of sources by root/],
    ['an array of dataSources', { dataSources: [] }, /^dataSources must be an object of sources by root/],
    [
      'an unknown option',
      { dataSources: {}, port: 80 },
      /^option "port" is not known; known are .*dataSources/,
    ],
    [
      'a misspelt option',
      { dataSources: {}, heartBeat: 1 },
      /"heartBeat" is not known; "heartbeat" was perhaps/,
    ],
    ['dataSource', { dataSource: {} }, /^option "dataSource" is not known; "dataSources" was perhaps meant/],
    ['an option of 2013', { datasources: {} }, /"datasources" is not known; "dataSources" was perhaps meant/],
    [
      'an identityLookup that is none',
      { dataSources: {}, identityLookup: {} },
      /^identityLookup must be a function/,
    ],
    ['a disconnect that is none', { dataSources: {}, disconnect: true }, /^disconnect must be a function/],
    ['an onDebug that is none', { dataSources: {}, onDebug: console }, /^onDebug must be a function/],
    ['an onError that is none', { dataSources: {}, onError: null }, /^onError must be a function/],
    ['a path without a slash', { dataSources: {}, path: 'particle' }, /^path must be such as "\/particle"/],
    [
      'a path that ends with one',
      { dataSources: {}, path: '/particle/' },
      /^path must be such as "\/particle"/,
    ],
    ['a path that is all slash', { dataSources: {}, path: '/' }, /^path must be/],
    ['a path with a query', { dataSources: {}, path: '/a?b' }, /^path must be/],
    [
      'a short secret',
      { dataSources: {}, secret: 'short' },
      /^secret must be a string of at least 16 characters/,
    ],
    [
      'an empty secret',
      { dataSources: {}, secret: '' },
      /^secret must be a string of at least 16 characters/,
    ],
    ['a secret that is a number', { dataSources: {}, secret: 1e20 }, /^secret must be a string/],
    [
      'a text for a number',
      { dataSources: {}, heartbeat: '15s' },
      /^heartbeat must be a number of at least 10 ms: this is "15s"$/,
    ],
    ['NaN', { dataSources: {}, heartbeat: Number.NaN }, /^heartbeat must be a number/],
    [
      'a heartbeat of 0',
      { dataSources: {}, heartbeat: 0 },
      /^heartbeat must be a number of at least 10 ms: this is 0$/,
    ],
    [
      'no heartbeat ever',
      { dataSources: {}, heartbeat: Number.POSITIVE_INFINITY },
      /^heartbeat must be at most/,
    ],
    [
      'a heartbeat that no timer waits',
      { dataSources: {}, heartbeat: 2 ** 31 },
      /^heartbeat must be at most/,
    ],
    [
      'a token for a moment',
      { dataSources: {}, sessionTtl: 10 },
      /^sessionTtl must be a number of at least 1000 ms: this is 10$/,
    ],
    [
      'a token that ends between two pings',
      { dataSources: {}, sessionTtl: 29_999 },
      /^sessionTtl \(29999\) must be at least twice the heartbeat \(15000\)/,
    ],
    [
      'a token for ever',
      { dataSources: {}, sessionTtl: Number.POSITIVE_INFINITY },
      /^sessionTtl must be at most/,
    ],
    ['a negative retry', { dataSources: {}, retry: -1 }, /^retry must be a number of at least 0/],
    [
      'a tiny buffer',
      { dataSources: {}, maxBufferedBytes: 1 },
      /^maxBufferedBytes must be a number of at least 1024 bytes: this is 1$/,
    ],
    [
      'no connections',
      { dataSources: {}, maxConnections: 0 },
      /^maxConnections must be a number of at least 1/,
    ],
    ['a replay that is a number', { dataSources: {}, replay: 5 }, /^replay must be \{ bytes, ms \}/],
    ['an unknown replay', { dataSources: {}, replay: { size: 5 } }, /option replay "size" is not known/],
    [
      'negative bytes',
      { dataSources: {}, replay: { bytes: -1 } },
      /^replay.bytes must be a number of at least 0/,
    ],
    ['negative ms', { dataSources: {}, replay: { ms: -1 } }, /^replay.ms must be a number of at least 0/],
    ...['app.example.com', 'https://a.com/', 'https://a.com/b', 'https://a b', '', 1, [null], ['*', 'x']].map(
      (allowOrigin): [string, unknown, RegExp] => [
        `allowOrigin: ${JSON.stringify(allowOrigin)}`,
        { dataSources: {}, allowOrigin },
        /^allowOrigin must be an origin such as/,
      ],
    ),
    ...['https://*.example.com', 'https://a*.example.com', '**', ['https://a.com', 'https://*']].map(
      (allowOrigin): [string, unknown, RegExp] => [
        `a pattern of origins: ${JSON.stringify(allowOrigin)}`,
        { dataSources: {}, allowOrigin },
        /^allowOrigin (compares whole origins.*matches nothing|must be an origin)/,
      ],
    ),
  ]
  for (const [what, options, expected] of wrong) {
    it(`refuse ${what}, with a sentence that says what was meant`, () => {
      expect(sentence(options)).to.match(expected)
    })
  }

  it('are refused at construction', () => {
    expect(() => new Server({ dataSources: {}, secret: 'short' })).to.throw(ParticleError, 'secret must be')
  })
})
