import { expect } from 'chai'
import type { Criteria, Query } from '../../../lib/policy/criteria.ts'
import { parseSortLimit } from '../../../lib/policy/order.ts'
import { type ColumnUse, columnHint } from '../../../lib/server/hints/column-hint.ts'
import { Warnings } from '../../../lib/server/hints/warnings.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import type { Columns } from '../../../lib/source/source.ts'

/** A table of numbers `n` and of texts `t`, beside any values `any`. */
const COLUMNS: Columns = {
  find(path) {
    if (path.startsWith('any') || path === '_id') return undefined
    const type = { n: 'number', t: 'string' }[path]
    if (type === undefined)
      return { absence: 'is no column of the table items', near: path === 'm' ? 'n' : undefined }
    return { type, form: `a ${type}`, types: [type], mayEqual: (value) => typeof value === type }
  },
}

function reportsOf(use: Partial<ColumnUse>, ...queries: Query[]) {
  const looked: string[] = []
  const columns: Columns = {
    find(path) {
      looked.push(path)
      return COLUMNS.find(path)
    },
  }
  const errors: string[] = []
  const hints: string[] = []
  const warnings = new Warnings({
    onError: ({ message }) => errors.push(message),
    diagnostics: new Diagnostics((message) => hints.push(message)),
  })
  const given = { manifest: true as const, sortLimit: undefined, criteria: undefined, hasParams: false }
  const hint = columnHint({ where: 'dataSources.items', collection: 'items', ...given, ...use }, warnings)
  for (const query of queries) hint(columns, query)
  return { errors, hints, looked }
}

describe('server/column-hint', () => {
  it('tells once of each column that a criteria compares with a value of another type', () => {
    const { errors } = reportsOf({}, { n: '1', t: 'a' }, { n: true, t: 1 }, { n: 1 })
    expect(errors).to.deep.equal([
      'dataSources.items.criteria compares "n" with a text, but the column of the table items has the type ' +
        'number, so that the two never match: compare with a number',
      'dataSources.items.criteria compares "t" with a number, but the column of the table items has the type ' +
        'string, so that the two never match: compare with a string',
    ])
  })

  it('says nothing where one of the values may match, or where any may', () => {
    const fine: Query[] = [
      { n: { $in: ['1', 1] } },
      { n: { $in: [] } },
      { n: null, t: { $ne: null } },
      { t: /a/, any: true },
      { t: { $regex: 'a', $options: 'i' } },
      { n: { $type: 'string' }, t: { $not: /a/ } },
      { $comment: 'all' },
    ]
    const { errors, hints } = reportsOf({}, ...fine)
    expect({ errors, hints }).to.deep.equal({ errors: [], hints: [] })
  })

  it('names the kind of the value within any operators', () => {
    const kinds: [Query, string][] = [
      [{ n: { $gt: '1' } }, 'a text'],
      [{ n: { $nin: [true] } }, 'a boolean'],
      [{ n: { $not: { $lte: new Date() } } }, 'a text'],
      [{ n: { a: 1 } }, 'an object'],
      [{ n: [1] }, 'a list'],
      [{ n: { $not: /1/ } }, 'a pattern'],
      [{ n: { $regex: '1' } }, 'a pattern'],
      [{ $nor: [{ t: 5n }] }, 'a number'],
    ]
    for (const [query, kind] of kinds)
      expect(reportsOf({}, query).errors.join(), kind).to.match(new RegExp(`compares "." with ${kind}, but`))
  })

  it('tells of names that are no columns, also beneath operators that it does not judge', () => {
    const sortLimit = parseSortLimit({ s: 1, n: -1 }, undefined, 'items')
    const manifest = {
      m: true as const,
      later: true as const,
      t: true as const,
      any: { all: true as const },
      _id: true as const,
    }
    const { errors, hints } = reportsOf(
      { manifest, sortLimit },
      { $or: [{ c: { $exists: true } }, { n: 1 }] },
    )
    expect(
      errors.map((message) => message.replace(', which is no column of the table items', '')),
    ).to.deep.equal([
      'dataSources.items.manifest names "m"',
      'dataSources.items.sort names "s"',
      'dataSources.items.criteria names "c"',
    ])
    expect(hints).to.have.length(1)
    expect(hints[0]).to.include('dataSources.items.manifest names "later"')
    const both = reportsOf({ manifest: { m: true, n: true } }, {})
    expect(both.errors).to.deep.equal([])
  })

  it('looks once for a name of a manifest or a sort that is no column', () => {
    const sortLimit = parseSortLimit({ s: 1 }, undefined, 'items')
    const { looked } = reportsOf({ manifest: { later: true, t: true }, sortLimit }, {}, {}, {})
    expect(looked.filter((path) => path !== '_id')).to.deep.equal(['later', 't', 's', 't', 't'])
  })

  it('tells of the values that clients give as a hint alone', () => {
    const criteria: Criteria = { n: ':n', t: 5 }
    const { errors, hints } = reportsOf({ criteria, hasParams: true }, { n: 'secret', t: 5 })
    expect(errors).to.have.length(1)
    expect(errors[0]).to.include('compares "t" with a number')
    expect(hints).to.have.length(1)
    expect(hints[0]).to.include('compares "n" with a text').and.not.include('secret')
  })

  it('tells of one name of a function, and of none that the function made', () => {
    const criteria = (identity: { field: string }) => ({ [identity.field]: 1 })
    const queries = [{ secret: 1 }, { other: 1 }]
    expect(reportsOf({ criteria: criteria as Criteria }, ...queries).errors).to.deep.equal([
      'dataSources.items.criteria names a field, which is no column of the table items',
    ])
  })
})
