import { expect } from 'chai'
import { ParticleError } from '../../lib/errors.ts'
import type { Document } from '../../lib/model/document.ts'
import {
  type Criteria,
  canonicalQuery,
  matcher,
  parseCriteria,
  type Query,
  referencesIn,
  resolveCriteria,
} from '../../lib/policy/criteria.ts'
import { related } from '../../lib/policy/relation.ts'
import { failure } from '../support/failure.ts'

describe('parseCriteria', () => {
  const selfish: Query = {}
  selfish.$and = [selfish]
  const refused: [string, unknown, string, RegExp][] = [
    ['nothing', undefined, 'INVALID_OPTION', /^c must be a query/],
    ['a string', '@accountId', 'INVALID_OPTION', /a query/],
    ['a list', [{ a: 1 }], 'INVALID_OPTION', /a query/],
    ['a RegExp', /a/, 'INVALID_OPTION', /a query/],
    ['a promise', Promise.resolve({}), 'INVALID_OPTION', /a query/],
    ['a field that no document has', JSON.parse('{"__proto__":"x"}'), 'INVALID_QUERY', /__proto__/],
    ['such a field within', { 'a.__proto__.b': 1 }, 'INVALID_QUERY', /__proto__/],
    [
      'a promise within',
      { a: { $ne: Promise.resolve(1) } },
      'INVALID_QUERY',
      /holds a promise: let identityLookup/,
    ],
    ['a Map within', { a: new Map() }, 'INVALID_QUERY', /holds a Map: make/],
    ['a Set within', { a: { $in: [new Set()] } }, 'INVALID_QUERY', /holds a Set: make/],
    ['$where', { $where: 'true' }, 'INVALID_QUERY', /\$where/],
    ['a $where within', { $or: [{ a: { $not: { $where: 'true' } } }] }, 'INVALID_QUERY', /\$where/],
    ['$expr', { $expr: { $eq: ['$a', 1] } }, 'INVALID_QUERY', /\$expr/],
    ['$function', { $expr: { $function: {} } }, 'INVALID_QUERY', /not supported/],
    ['an operator in the place of a field', { $gt: 1 }, 'INVALID_QUERY', /\$gt where a field/],
    ['an $or that is no list', { $or: { a: 1 } }, 'INVALID_QUERY', /\$or/],
    ['an empty $and', { $and: [] }, 'INVALID_QUERY', /\$and/],
    ['an $or of what are no queries', { $or: ['@a'] }, 'INVALID_QUERY', /query/],
    ['an unknown operator', { a: { $near: 1 } }, 'INVALID_QUERY', /not known/],
    [
      'a misspelt operator',
      { a: { $inn: [1] } },
      'INVALID_QUERY',
      /"\$inn" is not known; "\$in" was perhaps meant/,
    ],
    ['a misspelt $or', { $orr: [{}] }, 'INVALID_QUERY', /\$orr where a field's name must stand; \$or was/],
    ['a misspelt $exists in an $and', { $and: [{ a: { $exist: 1 } }] }, 'INVALID_QUERY', /"\$exists" was/],
    ['a broken pattern, unsaid', { a: { $regex: 'secret(' } }, 'INVALID_QUERY', /^(?!.*secret)/],
    ['an $in that is no list', { a: { $in: 5 } }, 'INVALID_QUERY', /c uses/],
    ['undefined', { a: undefined }, 'INVALID_QUERY', /undefined/],
    ['a function within', { a: () => 1 }, 'INVALID_QUERY', /function/],
    ['a reference to no field', { a: '@' }, 'INVALID_QUERY', /names no field/],
    ['a reference to an empty field', { a: '@a..b' }, 'INVALID_QUERY', /names no field/],
    ['a reference as a pattern', { a: { $regex: '@name' } }, 'INVALID_QUERY', /@@name/],
    ['a reference as a condition', { a: { $elemMatch: '@name' } }, 'INVALID_QUERY', /takes no value/],
    ['a reference as a $not', { a: { $not: '@name' } }, 'INVALID_QUERY', /takes no value/],
    ['a reference as queries', { $or: '@name' }, 'INVALID_QUERY', /list of queries/],
    ['itself within', selfish, 'INVALID_QUERY', /itself/],
  ]
  for (const [name, value, code, message] of refused) {
    it(`refuses ${name}`, () => {
      const failed = failure(() => parseCriteria(value, 'c'))
      expect(failed.code).to.equal(code)
      expect(failed.message).to.match(message)
    })
  }

  const accepted: Criteria[] = [
    {},
    () => null,
    { a: '@accountId', 'b.c': { $gte: '@min', $lt: 5 } },
    { a: { $in: '@teamIds' } },
    { $or: [{ a: { $elemMatch: { b: '@b' } } }, { $nor: [{ a: { $all: ['@c'] } }] }] },
    {
      a: /^x/i,
      b: { $regex: '@@x', $options: 'i' },
      c: { $exists: true, $type: 'string', $size: 2 },
      d: { $mod: [2, 0] },
    },
    { at: { $gt: new Date() } },
  ]
  for (const criteria of accepted) {
    it(`accepts ${typeof criteria === 'function' ? 'a function' : JSON.stringify(criteria)}`, () => {
      expect(parseCriteria(criteria, 'c')).to.equal(criteria)
    })
  }
})

describe('resolveCriteria', () => {
  const identity = {
    accountId: 7,
    name: '@name',
    session: { teamId: 't', roles: ['r', 's'] },
    teamIds: [1, null, 2],
    none: null,
    empty: [],
    place: { city: 'c', at: [1, { z: 2 }] },
    zero: 0,
    no: false,
    at: new Date(0),
    fine: { a: [{ b: '$gt' }] },
  }
  const cases: [string, Query, Query | null][] = [
    [
      'what names no field of it',
      { a: 1, b: 'x', c: { $in: [1, 'y'] } },
      { a: 1, b: 'x', c: { $in: [1, 'y'] } },
    ],
    ['a value', { a: '@accountId' }, { a: 7 }],
    ['a value by path', { a: { $ne: '@session.teamId' } }, { a: { $ne: 't' } }],
    ['falsy values', { a: '@zero', b: '@no' }, { a: 0, b: false }],
    ['a date in its JSON form', { a: '@at' }, { a: '1970-01-01T00:00:00.000Z' }],
    [
      'an escaped @',
      { a: '@@accountId', b: { $in: ['@@x'] }, c: { $regex: '@@y' } },
      { a: '@accountId', b: { $in: ['@x'] }, c: { $regex: '@y' } },
    ],
    ['a value that begins with @, once', { a: '@name' }, { a: '@name' }],
    ['an object as a value', { a: '@place' }, { a: { $eq: identity.place } }],
    ['an array as a value', { a: '@session.roles' }, { a: { $eq: ['r', 's'] } }],
    ['text that looks like an operator', { a: '@fine' }, { a: { $eq: identity.fine } }],
    ['a part of an object', { a: { b: '@accountId', c: ['@zero'] } }, { a: { b: 7, c: [0] } }],
    ['a list', { a: { $in: '@session.roles' } }, { a: { $in: ['r', 's'] } }],
    ['a list without its nulls', { a: { $in: '@teamIds' } }, { a: { $in: [1, 2] } }],
    ['a scalar as a list', { a: { $in: '@accountId' } }, { a: { $in: [7] } }],
    [
      'lists within a list',
      { a: { $in: ['@teamIds', 'x', '@accountId', '@place'] } },
      { a: { $in: [1, 2, 'x', 7, identity.place] } },
    ],
    ['a list without what is missing', { a: { $in: ['x', '@gone', '@none'] } }, { a: { $in: ['x'] } }],
    ['an empty list', { a: { $in: '@empty' } }, { a: { $in: [] } }],
    ['nothing of a missing list', { a: { $in: '@gone' } }, null],
    ['nothing where something is missing', { a: 1, b: '@gone' }, null],
    ['nothing where something is null', { a: '@none' }, null],
    ['nothing below a scalar', { a: '@accountId.x' }, null],
    ['nothing of a string', { a: '@name.length' }, null],
    ['nothing inherited', { a: '@toString' }, null],
    ['nothing of a prototype', { a: '@__proto__.x' }, null],
    ['nothing in an $or', { $or: [{ a: 1 }, { b: '@gone' }] }, null],
    ['nothing where a list excludes', { a: { $nin: ['x', '@gone'] } }, null],
    ['nothing where a list demands', { a: { $all: ['x', '@gone'] } }, null],
    ['nothing where a list is negated', { a: { $not: { $in: ['x', '@gone'] } } }, null],
    ['nothing where a query is negated', { $nor: [{ a: { $in: ['@gone'] } }] }, null],
    [
      'the queries of an $and',
      { $and: [{ a: '@zero' }, { $or: [{ b: '@accountId' }] }] },
      { $and: [{ a: 0 }, { $or: [{ b: 7 }] }] },
    ],
    [
      'an $elemMatch',
      { a: { $elemMatch: { b: '@zero', c: { $gt: '@accountId' } } } },
      { a: { $elemMatch: { b: 0, c: { $gt: 7 } } } },
    ],
    [
      'an $elemMatch of operators',
      { a: { $elemMatch: { $gt: '@zero' } } },
      { a: { $elemMatch: { $gt: 0 } } },
    ],
  ]
  for (const [name, criteria, query] of cases) {
    it(`takes ${name} from the identity`, () => {
      const before = structuredClone(criteria)
      expect(resolveCriteria(parseCriteria(criteria, 'c'), identity)).to.deep.equal(query)
      expect(criteria).to.deep.equal(before)
    })
  }

  it('matches nothing for an identity that is no object', () => {
    for (const nobody of [undefined, null, 'accountId', 7])
      expect(resolveCriteria({ a: '@accountId' }, nobody)).to.equal(null)
    expect(resolveCriteria({ a: 1 }, undefined)).to.deep.equal({ a: 1 })
  })

  const evil: [string, unknown][] = [
    ['an operator', { $ne: null }],
    ['an operator deep within', { a: [{ b: { $gt: '' } }] }],
    ['an operator in a list', [{ $exists: true }]],
    ['a RegExp', /SECRET/],
    ['a RegExp in a list', ['x', /SECRET/]],
    ['an operator that toJSON makes', { toJSON: () => ({ $gt: 'SECRET' }) }],
  ]
  for (const [name, value] of evil) {
    it(`refuses ${name} in an identity, and does not tell it`, () => {
      for (const criteria of [
        { a: '@x' },
        { a: { $in: '@x' } },
        { a: { $in: ['@x'] } },
        { a: { b: '@x' } },
      ]) {
        const { code, message } = failure(() => resolveCriteria(criteria, { x: value }))
        expect(code).to.equal('UNAUTHORIZED')
        expect(message).not.to.include('SECRET')
      }
    })
  }

  it('gives what a function returns as it is', () => {
    const query = { a: '@x', b: { $gt: new Date(0) } }
    expect(resolveCriteria((given) => (given === identity ? query : null), identity)).to.equal(query)
    for (const nothing of [null, undefined, false] as const)
      expect(resolveCriteria(() => nothing, identity)).to.equal(null)
  })

  it('matches nothing where a function returns undefined values', () => {
    expect(resolveCriteria(() => ({ a: undefined }), {})).to.equal(null)
    expect(resolveCriteria(() => ({ $or: [{ a: 1 }, { b: { $in: [undefined] } }] }), {})).to.equal(null)
  })

  it('refuses what a function returns if it is no query', () => {
    const returned: unknown[] = [Promise.resolve({ a: 1 }), true, 'a', [{}], { $where: 'true' }]
    for (const value of returned) {
      expect(failure(() => resolveCriteria(() => value as Query, {})).code).to.equal('INVALID_QUERY')
    }
  })

  it('names what a function belongs to that throws, or answers with a promise', () => {
    const cause = new TypeError('no team')
    const where = 'dataSources.jobs.criteria'
    const throwing = () => {
      throw cause
    }
    expect(() => resolveCriteria(throwing, {}, undefined, { where }))
      .to.throw(ParticleError, 'dataSources.jobs.criteria threw: no team')
      .with.deep.include({ code: 'CALLBACK_FAILED', cause })
    const promised = () => Promise.resolve({}) as never
    expect(failure(() => resolveCriteria(promised, {}, undefined, { where })).message).to.equal(
      'The result of dataSources.jobs.criteria is a promise: return a query at once, and let identityLookup wait for its values',
    )
  })

  it('tells which part of what a function returned is undefined', () => {
    const paths: string[] = []
    const onUndefined = (path: string) => paths.push(path)
    resolveCriteria(() => ({ a: { $in: [1, undefined] } }), {}, undefined, { onUndefined })
    resolveCriteria(() => ({ a: 1 }), {}, undefined, { onUndefined })
    expect(paths).to.deep.equal(['a.$in.1'])
  })

  it('lists the paths that are taken from the identity', () => {
    expect(
      referencesIn({ a: '@a.b', $or: [{ b: { $in: ['@c', '@@no'] } }, { c: '@d|x.y>z.w' }] }),
    ).to.deep.equal(['a.b', 'c', 'd'])
    expect(referencesIn({ _id: related('@userId').through('links', 'a', 'b') })).to.deep.equal(['userId'])
    // A driver's collection holds its database, which holds itself.
    const links: Record<string, unknown> = { collectionName: 'links' }
    links.adapter = { open() {}, links }
    const relation = related('@userId').through(links as never, 'a', 'b')
    expect(failure(() => parseCriteria({ _id: relation }, 'c')).message).to.include('has a relation')
    expect(referencesIn(() => ({ a: '@a' }))).to.deep.equal([])
  })
})

describe('canonicalQuery', () => {
  const same: [Query, Query][] = [
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [{ a: { $gt: 1, $lt: 2 } }, { a: { $lt: 2, $gt: 1 } }],
    [{ $or: [{ a: 1, b: 2 }] }, { $or: [{ b: 2, a: 1 }] }],
    [{ a: { $not: { $gt: 1, $lt: 2 } } }, { a: { $not: { $lt: 2, $gt: 1 } } }],
    [{ a: { $elemMatch: { b: 1, c: 2 } } }, { a: { $elemMatch: { c: 2, b: 1 } } }],
    [
      { a: /x/i, b: new Date(5) },
      { b: new Date(5), a: /x/i },
    ],
  ]
  it('is the same whatever the order of fields and operators', () => {
    for (const [one, other] of same) expect(canonicalQuery(one)).to.equal(canonicalQuery(other))
  })

  it('differs for queries that differ', () => {
    const queries: Query[] = [
      {},
      { a: 1 },
      { a: '1' },
      { a: null },
      { a: true },
      { a: [] },
      { a: {} },
      { a: { b: 1, c: 2 } },
      // MongoDB tells these two apart.
      { a: { c: 2, b: 1 } },
      { a: { $eq: { b: 1, c: 2 } } },
      { a: { $eq: { c: 2, b: 1 } } },
      { a: /x/ },
      { a: /x/i },
      { a: '/x/' },
      { a: {}, b: 1 },
      { a: new Date(0) },
      { a: new Date(0).toISOString() },
      { a: { $in: [1, 2] } },
      { a: { $in: [2, 1] } },
      { a: 10n },
      { a: Number.NaN },
      { $or: [{ a: 1 }, { b: 1 }] },
      { $and: [{ a: 1 }, { b: 1 }] },
    ]
    expect(new Set(queries.map(canonicalQuery)).size).to.equal(queries.length)
  })
})

describe('matcher', () => {
  const document: Document = {
    _id: 'd',
    n: 5,
    at: '2020-01-01T00:00:00.000Z',
    tags: ['x', 'y'],
    place: { city: 'c', zip: null },
    todos: [
      { done: true, n: 1 },
      { done: false, n: 2 },
    ],
  }
  const cases: [Query, boolean][] = [
    [{}, true],
    [{ _id: 'd' }, true],
    [{ n: 5, _id: 'e' }, false],
    [{ n: { $gt: 4, $lt: 6 } }, true],
    [{ n: { $in: [] } }, false],
    [{ n: { $nin: [5] } }, false],
    [{ 'place.city': 'c' }, true],
    [{ place: { city: 'c', zip: null } }, true],
    [{ place: { $eq: { city: 'c' } } }, false],
    [{ 'place.zip': null }, true],
    [{ gone: null }, true],
    [{ gone: { $exists: true } }, false],
    [{ tags: 'x' }, true],
    [{ tags: { $all: ['x', 'y'] } }, true],
    [{ tags: { $size: 3 } }, false],
    [{ 'todos.n': 2 }, true],
    [{ 'todos.1.n': 2 }, true],
    [{ todos: { $elemMatch: { done: true, n: 2 } } }, false],
    [{ _id: /^D/i }, true],
    [{ _id: { $regex: '^d' } }, true],
    [{ $or: [{ n: 1 }, { _id: 'd' }] }, true],
    [{ $nor: [{ n: 5 }] }, false],
    [{ n: { $not: { $gt: 4 } } }, false],
    [{ n: '5' }, false],
    [{ at: { $gt: new Date('2019-01-01') } }, true],
    [{ at: { $gt: new Date('2021-01-01') } }, false],
  ]
  for (const [query, result] of cases) {
    it(`${result ? 'takes' : 'leaves'} the document for ${JSON.stringify(query)}`, () => {
      expect(matcher(query)(document)).to.equal(result)
    })
  }

  it('gives the same answer every time, with a RegExp that remembers too', () => {
    const matches = matcher({ _id: /d/g })
    expect([matches(document), matches(document), matches(document)]).to.deep.equal([true, true, true])
  })

  it('refuses what it does not know, and does not tell its values', () => {
    const { code, message } = failure(() => matcher({ a: { $nearSphere: 'SECRET' } }))
    expect(code).to.equal('INVALID_QUERY')
    expect(message).not.to.include('SECRET')
  })
})
