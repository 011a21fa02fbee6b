import { expect } from 'chai'
import { SharedAdapters } from '../../lib/source/shared-adapters.ts'
import { failure } from '../support/failure.ts'

interface Settings {
  pipeline: object[]
  oncePerHost: boolean | string
}

const DEFAULTS: Settings = { pipeline: [], oncePerHost: false }
const owner = {}

describe('source/shared-adapters', () => {
  function shared(first: Partial<Settings> = {}) {
    const adapters = new SharedAdapters<object, Settings, object>('mongo(db, options)')
    const get = (given: { [N in keyof Settings]?: unknown }, database = 'app', of = owner) =>
      adapters.get(of, database, given, { ...DEFAULTS, ...given } as Settings, () => ({}))
    return { get, first: get(first) }
  }

  it('keeps one adapter for each database of each owner', () => {
    const { get, first } = shared()
    expect(get({})).to.equal(first)
    expect(get({}, 'other')).not.to.equal(first)
    expect(get({}, 'app', {})).not.to.equal(first)
  })

  it('lets a later call repeat the options of the first, or leave them out', () => {
    const { get, first } = shared({ pipeline: [{ $match: { a: 1 } }], oncePerHost: '/run/app' })
    for (const given of [
      {},
      { oncePerHost: undefined },
      { oncePerHost: '/run/app' },
      { pipeline: [{ $match: { a: 1 } }] },
    ])
      expect(get(given)).to.equal(first)
  })

  it('refuses another value, also where the first call left the option out, and names the option', () => {
    for (const [begun, given] of [
      [{ oncePerHost: true }, { oncePerHost: false }],
      [{ oncePerHost: true }, { oncePerHost: '/run/app' }],
      [{}, { oncePerHost: true }],
    ] as const) {
      const { get, first } = shared(begun)
      const { code, message } = failure(() => get(given))
      expect(code).to.equal('INVALID_OPTION')
      expect(message).to.include(
        "mongo(db, options): the option 'oncePerHost' had another value in the first call",
      )
      expect(get({})).to.equal(first)
    }
  })

  it('keeps no adapter whose making fails', () => {
    const adapters = new SharedAdapters<object, Settings, object>('mongo(db, options)')
    const fails = () => adapters.get(owner, '', {}, DEFAULTS, () => expect.fail('no'))
    expect(fails).to.throw('no')
    expect(
      adapters.get(owner, '', { oncePerHost: true }, { ...DEFAULTS, oncePerHost: true }, () => owner),
    ).to.equal(owner)
  })
})
