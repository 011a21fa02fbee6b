import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../lib/model/document.ts'
import { formOf, JointIndex, joinQueries, type QueryForm } from '../../lib/policy/joint-query.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'

const formsOf = (queries: readonly Query[]) => queries.map(formOf) as [QueryForm, ...QueryForm[]]

describe('policy/joint-query', () => {
  describe('a form', () => {
    const same: [string, Query, Query][] = [
      ['another value', { team: 'a' }, { team: 'b' }],
      ['several values', { team: 'a' }, { team: { $in: ['b', 'c'] } }],
      ['an equality that is spelled out', { team: 'a' }, { team: { $eq: 'b' } }],
      ['fields in another order', { team: 'a', kind: 1 }, { kind: 2, team: 'b' }],
      ['the same other conditions', { team: 'a', age: { $gt: 3 } }, { age: { $gt: 3 }, team: 'b' }],
    ]
    for (const [title, a, b] of same)
      it(`is the same for ${title}`, () => {
        expect(formOf(a)?.text).to.equal(formOf(b)?.text)
      })

    const other: [string, Query, Query][] = [
      ['another field', { team: 'a' }, { kind: 'a' }],
      ['another type of value', { team: 1 }, { team: '1' }],
      ['a further type of value', { team: 1 }, { team: { $in: [1, '1'] } }],
      ['no value', { team: 'a' }, { team: { $in: [] } }],
      ['a further field', { team: 'a' }, { team: 'a', kind: 1 }],
      ['another bound', { team: 'a', age: { $gt: 3 } }, { team: 'a', age: { $gt: 4 } }],
      ['another pattern', { team: 'a', name: /x/ }, { team: 'a', name: /y/ }],
      ['a further operator of the field', { team: 'a', kind: 1 }, { team: 'b', kind: { $eq: 1, $gt: 0 } }],
    ]
    for (const [title, a, b] of other)
      it(`is another one for ${title}`, () => {
        expect(formOf(a)?.text).not.to.equal(formOf(b)?.text)
      })

    const none: [string, Query][] = [
      ['all documents', {}],
      ['null, which also stands for no value', { team: null }],
      ['a list with null', { team: { $in: ['a', null] } }],
      ['a range', { age: { $gt: 3 } }],
      ['a pattern', { name: /x/ }],
      ['a whole object', { place: { city: 'Ulm' } }],
      ['a position in a list', { 'tags.0': 'a' }],
      ['a text with a character that stands for bytes of no text', { team: 'a\ufffd' }],
      ['half of a surrogate pair', { team: { $in: ['a', '\ud83d'] } }],
      ['alternatives', { $or: [{ team: 'a' }, { owner: 1 }] }],
    ]
    for (const [title, query] of none)
      it(`is not had by a query for ${title}`, () => {
        expect(formOf(query)).to.equal(undefined)
      })
  })

  describe('a joint query', () => {
    it('is one look-up of all values, without alternatives, where one field varies', () => {
      const { query, field } = joinQueries(
        formsOf([
          { team: 'a', open: true },
          { team: { $in: ['b', 'a'] }, open: true },
          { open: true, team: 'c' },
        ]),
      )
      expect(query).to.deep.equal({ team: { $in: ['a', 'b', 'c'] }, open: true })
      expect(field).to.equal('team')
    })

    it('is the query itself where all are equal', () => {
      expect(joinQueries(formsOf([{ team: 'a' }, { team: 'a' }])).query).to.deep.equal({ team: 'a' })
    })

    it('keeps the values of each query together where several fields vary, and looks each of them up', () => {
      const { query, field } = joinQueries(
        formsOf([
          { team: 1, user: 'a', $and: [{ age: { $gt: 3 } }] },
          { team: 2, user: 'b', $and: [{ age: { $gt: 3 } }] },
          { team: 2, user: 'c', $and: [{ age: { $gt: 3 } }] },
        ]),
      )
      expect(query).to.deep.equal({
        team: { $in: [1, 2] },
        user: { $in: ['a', 'b', 'c'] },
        $and: [
          { age: { $gt: 3 } },
          {
            $or: [
              { team: 1, user: 'a' },
              { team: 2, user: 'b' },
              { team: 2, user: 'c' },
            ],
          },
        ],
      })
      expect(field).to.equal('user')
    })

    it('has the values as they were given: a store may know a date from its text', () => {
      const [a, b] = [new Date(1), new Date(2)]
      const { query } = joinQueries(formsOf([{ at: a }, { at: b }]))
      expect(query).to.deep.equal({ at: { $in: [a, b] } })
    })

    const value = fc.constantFrom('a', 1, '1', true, -0)
    const values = fc.oneof(
      value,
      fc.record({ $eq: value }),
      fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
    )
    const field = fc.constantFrom('a', 'b', 'c.d')
    const rest = fc.constantFrom<Query>(
      {},
      { age: { $gt: 1 } },
      { $or: [{ age: 1 }, { name: /^x/ }] },
      { $and: [{ age: { $lt: 3 } }] },
    )
    const queries = fc.tuple(fc.uniqueArray(field, { minLength: 1 }), rest).chain(([fields, others]) =>
      fc.array(
        fc.tuple(...fields.map(() => values)).map((given) => ({
          ...Object.fromEntries(fields.map((name, at) => [name, given[at]])),
          ...others,
        })),
        { minLength: 1, maxLength: 5 },
      ),
    )
    const json = fc.oneof(value, fc.constant(null), fc.array(value, { maxLength: 3 }))
    const document = fc.record(
      {
        _id: fc.nat(),
        a: json,
        b: json,
        c: fc.oneof(json, fc.record({ d: json }), fc.array(fc.record({ d: json }), { maxLength: 2 })),
        age: fc.nat(3),
        name: fc.constantFrom('x', 'y'),
      },
      { requiredKeys: ['_id'] },
    )

    it('matches the documents that a query matches, and no others, and the index finds each query for them', () => {
      let found = 0
      fc.assert(
        fc.property(queries, fc.array(document, { minLength: 4, maxLength: 8 }), (given, documents) => {
          const forms = formsOf(given)
          const joint = joinQueries(forms)
          const matches = matcher(joint.query)
          const index = new JointIndex<number>(joint.field)
          for (const [owner, form] of forms.entries()) index.add(owner, form)
          for (const one of documents as Document[]) {
            const owners = given.flatMap((query, owner) => (matcher(query)(one) ? [owner] : []))
            expect(matches(one)).to.equal(owners.length > 0)
            expect([...index.of(one)]).to.include.members(owners)
            found += owners.length
          }
        }),
        { numRuns: 1_000 },
      )
      expect(found).to.be.greaterThan(100)
    })
  })
})
