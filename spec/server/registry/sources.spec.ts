import { expect } from 'chai'
import { type ErrorCode, ParticleError } from '../../../lib/errors.ts'
import { Log } from '../../../lib/server/feed/log.ts'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import type { DataSource } from '../../../lib/server/options/source-options.ts'
import { Sources } from '../../../lib/server/registry/sources.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { fingerprintsOf } from '../../../lib/server/view/fingerprint.ts'
import { memory } from '../../../lib/source/memory/index.ts'

const store = memory()
const collection = store.collection('users')
const payload = () => ({ data: [] })

const make = (dataSources: unknown) =>
  new Sources(dataSources as ServerOptions['dataSources'], {
    log: new Log({ bytes: 1000, ms: 1000 }),
    adapters: () => [],
    point: String,
    onError: () => {},
    diagnostics: new Diagnostics(),
  })
const refusal = (source: unknown, root = 'users'): [ErrorCode, string] => {
  try {
    make(Object.fromEntries([[root, source]]))
  } catch (error) {
    expect(error).to.be.instanceOf(ParticleError)
    return [(error as ParticleError).code, (error as ParticleError).message]
  }
  throw new Error('It was taken')
}
const keys = (source: DataSource, ...identities: { [name: string]: string | number }[]) => {
  const sources = make({ users: source })
  return identities.map((identity) => sources.viewsOf(identity)[0]?.key)
}

describe('server/sources', () => {
  const wrong: [string, unknown, ErrorCode, RegExp][] = [
    ['null', null, 'INVALID_OPTION', /^dataSources.users must be \{ manifest, collection \} or/],
    ['a function', payload, 'INVALID_OPTION', /^dataSources.users must be/],
    ['no manifest', { collection }, 'INVALID_OPTION', /^dataSources.users has no manifest/],
    [
      'a malformed manifest',
      { manifest: { a: 1 }, collection },
      'INVALID_MANIFEST',
      /dataSources.users.manifest/,
    ],
    [
      'a collection and callbacks',
      { manifest: true, collection, payload },
      'INVALID_OPTION',
      /^dataSources.users has a collection and callbacks; it is one or the other/,
    ],
    [
      'neither',
      { manifest: true },
      'INVALID_OPTION',
      /^dataSources.users needs a collection, or the function payload/,
    ],
    [
      'a limit without a sort',
      { manifest: true, collection, limit: 50 },
      'INVALID_OPTION',
      /^dataSources.users has a limit without a sort: say which documents come first/,
    ],
    ...[0, 1.5, '50', null, Number.POSITIVE_INFINITY].map((limit): [string, unknown, ErrorCode, RegExp] => [
      `a limit of ${limit}`,
      { manifest: true, collection, sort: { at: -1 }, limit },
      'INVALID_OPTION',
      /^dataSources.users limit must be a whole number of at least 1/,
    ]),
    ...[{}, 'at', ['at'], null].map((sort): [string, unknown, ErrorCode, RegExp] => [
      `a sort of ${JSON.stringify(sort)}`,
      { manifest: true, collection, sort },
      'INVALID_OPTION',
      /^dataSources.users sort must be fields with 1 or -1 each, as in \{ at: -1, name: 1 \}/,
    ]),
    [
      'a sort in another direction',
      { manifest: true, collection, sort: { at: 'desc' } },
      'INVALID_OPTION',
      /^dataSources.users sort has "at": it must be 1 \(ascending\) or -1 \(descending\)/,
    ],
    ...['', 'a..b', '$natural', 'a.__proto__'].map((path): [string, unknown, ErrorCode, RegExp] => [
      `a sort by "${path}"`,
      { manifest: true, collection, sort: { [path]: 1 } },
      'INVALID_OPTION',
      /^dataSources.users sort has ".*", which is not the path of a field/,
    ]),
    [
      'a sort of callbacks',
      { manifest: true, payload, sort: { at: 1 } },
      'INVALID_OPTION',
      /^dataSources.users sort and limit go with a collection/,
    ],
    [
      'a collection of the MongoDB driver',
      { manifest: true, collection: { collectionName: 'users', find() {} } },
      'INVALID_OPTION',
      /a collection of the MongoDB driver: give mongo/,
    ],
    [
      'a delta that is none',
      { manifest: true, payload, delta: 1 },
      'INVALID_OPTION',
      /delta must be a function/,
    ],
    [
      'a criteria with callbacks',
      { manifest: true, payload, criteria: {} },
      'INVALID_OPTION',
      /criteria goes with a collection; callbacks get the identity themselves/,
    ],
    [
      'a criteria that is none',
      { manifest: true, collection, criteria: 1 },
      'INVALID_OPTION',
      /users.criteria/,
    ],
    [
      'a criteria with an unknown operator',
      { manifest: true, collection, criteria: { a: { $frob: 1 } } },
      'INVALID_QUERY',
      /users.criteria/,
    ],
    ['an unknown key', { manifest: true, collection, filter: {} }, 'INVALID_OPTION', /"filter" is not known/],
  ]
  for (const [what, source, code, sentence] of wrong) {
    it(`refuse ${what}, and name the source`, () => {
      const [given, message] = refusal(source)
      expect(given).to.equal(code)
      expect(message).to.match(sentence)
    })
  }

  it('refuse roots that are no names', () => {
    for (const root of ['', '1a', 'a.b', 'a b', 'a/b', '-a', '__proto__', 'constructor', 'prototype', 'ä'])
      expect(refusal({ manifest: true, collection }, root)[1], root).to.contain('is not a name')
    expect(() =>
      make({ a: { manifest: true, collection }, 'a-b_1': { manifest: true, payload } }),
    ).not.to.throw()
  })

  it('share one feed for each adapter', () => {
    const other = memory()
    const sources = make({
      a: { manifest: true, collection },
      b: { manifest: true, collection: store.collection('teams') },
      c: { manifest: true, collection: other.collection('users') },
    })
    expect(sources.feeds.map(({ adapter }) => adapter)).to.deep.equal([store, other])
    const [a, b, c] = sources.viewsOf({}).map(({ makeFeed }) => makeFeed())
    expect(a).to.equal(b)
    expect(a).not.to.equal(c)
  })

  it('name the stores that positions hold a place of, in their order', () => {
    const adapterOf = (name: string, store?: string) =>
      ({ adapter: { name, store, open() {} }, collectionName: 'users' }) as never
    const [one, two] = [adapterOf('mongo', 'db1'), adapterOf('redis')]
    const stores = (...collections: never[]) =>
      make(
        Object.fromEntries(
          collections.map((each, index) => [`root${index}`, { manifest: true, collection: each }]),
        ),
      ).stores
    expect(stores(one, two)).to.equal('[["mongo","db1"],["redis",""]]')
    expect(stores(one, one, two)).to.equal(stores(one, two))
    expect(stores(two, one)).not.to.equal(stores(one, two))
    expect(make({ calls: { manifest: true, payload } }).stores).to.equal('[]')
  })

  it('are shared by all who look at a collection, and by nobody where they are callbacks', () => {
    const views = make({ a: { manifest: true, collection }, b: { manifest: true, payload } }).viewsOf({})
    const feeds = views.map(({ makeFeed }) => [makeFeed(), makeFeed()])
    expect(feeds.map(([one, other]) => one === other)).to.deep.equal([true, false])
    expect(feeds.map(([one]) => one?.index)).to.deep.equal([0, undefined])
  })

  it('give one view to all whose criteria resolves to the same', () => {
    const source = { manifest: true, collection, criteria: { team: '@team' } } as const
    const [red, alsoRed, blue, none] = keys(
      source,
      { team: 'red', name: 'ann' },
      { team: 'red', name: 'bob' },
      { team: 'blue' },
      {},
    )
    expect(red).to.equal(alsoRed)
    expect(new Set([red, blue, none]).size).to.equal(3)
  })

  it('tell the text "1" from the number 1', () => {
    const [text, number] = keys(
      { manifest: true, collection, criteria: { team: '@team' } },
      { team: '1' },
      { team: 1 },
    )
    expect(text).not.to.equal(number)
  })

  it('give another view for another manifest, root or collection', () => {
    const all = [
      make({ users: { manifest: true, collection } }),
      make({ users: { manifest: { a: true }, collection } }),
      make({ users: { manifest: true, collection: store.collection('teams') } }),
      make({ people: { manifest: true, collection } }),
      make({ users: { manifest: true, collection, sort: { a: 1, b: 1 } } }),
      make({ users: { manifest: true, collection, sort: { b: 1, a: 1 } } }),
      make({ users: { manifest: true, collection, sort: { a: 1, b: -1 } } }),
      make({ users: { manifest: true, collection, sort: { a: 1, b: 1 }, limit: 5 } }),
      make({ users: { manifest: true, collection, sort: { a: 1, b: 1 }, limit: 6 } }),
      make({ users: { manifest: true, payload } }),
    ].map((sources) => sources.viewsOf({})[0]?.key ?? '')
    expect(new Set(all).size).to.equal(all.length)
    const fingerprints = all.map((key) => fingerprintsOf([{ root: 'users', key }]).users)
    expect(new Set(fingerprints).size).to.equal(all.length)
  })

  it('give callbacks one view for each identity, whatever the order of its fields', () => {
    const [one, same, other] = keys({ manifest: true, payload }, { a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 })
    expect(one).to.equal(same)
    expect(one).not.to.equal(other)
  })

  it('give a view of nothing where the identity lacks what the criteria asks for', () => {
    const [view] = make({ users: { manifest: true, collection, criteria: { team: '@team' } } }).viewsOf({})
    expect(view?.query).to.deep.equal({ _id: { $in: [] } })
    expect(view?.matches?.({ _id: 1 })).to.equal(false)
  })

  it('leave the matching out where all documents belong to the view', () => {
    for (const criteria of [undefined, {}, () => ({})]) {
      const [view] = make({ users: { manifest: true, collection, criteria } }).viewsOf({})
      expect(view?.matches).to.equal(undefined)
      expect(view?.query).to.deep.equal({})
    }
  })

  it('make the view of a source without criteria once, for all identities', () => {
    const sources = make({ users: { manifest: true, collection } })
    const [first, second] = ['ann', 'ben'].map((name) => sources.viewsOf({ name })[0])
    expect(first).to.equal(second)
  })

  it('pass on what a criteria function throws', () => {
    const criteria = () => {
      throw new Error('mine')
    }
    const sources = make({ users: { manifest: true, collection, criteria } })
    expect(() => sources.viewsOf({})).to.throw('mine')
  })
})
