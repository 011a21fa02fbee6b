import { expect } from 'chai'
import type { Criteria } from '../../../lib/policy/criteria.ts'
import { related } from '../../../lib/policy/relation.ts'
import { References } from '../../../lib/server/hints/references.ts'
import { Warnings } from '../../../lib/server/hints/warnings.ts'

/** What is told of a criteria by identities that come one after the other. */
const told = (criteria: Criteria, ...identities: unknown[]) => {
  const errors: string[] = []
  const warnings = new Warnings({ onError: ({ message }) => errors.push(message) })
  const references = new References([['dataSources.jobs.criteria', criteria]], warnings)
  for (const identity of identities) references.check(identity)
  return errors
}

describe('server/references', () => {
  it('tells of a misspelt field of the identity once, with the one that was meant', () => {
    expect(told({ owner: '@usrId' }, { userId: 1 }, { userId: 2 })).to.deep.equal([
      'dataSources.jobs.criteria takes "@usrId" from the identity, which has only userId: it matches nothing; "@userId" was perhaps meant',
    ])
  })

  it('tells of a misspelt field within a field, and of the start of a relation', () => {
    const deep = told({ team: { $in: '@session.teamsIds' } }, { session: { teamIds: ['a'] } })
    expect(deep.join()).to.include('"@session.teamIds" was perhaps meant')
    const relation = told({ _id: related('@usrId').through('links', 'a', 'b') }, { userId: 1 })
    expect(relation.join()).to.include('"@userId" was perhaps meant')
  })

  it('tells of a field that an identity has not, and nothing near it, with what to do if that is meant', () => {
    expect(told({ team: '@teamId' }, { anonymous: true }, { anonymous: true })).to.deep.equal([
      'dataSources.jobs.criteria takes "@teamId" from the identity, which has only anonymous: it matches nothing; let an identity without it hold null',
    ])
    expect(told({ team: '@teamId' }, {}).join()).to.include('which has no fields')
  })

  it('never tells of a field that another identity has had, be it null', () => {
    for (const first of [{ userId: 1 }, { userId: null }]) {
      expect(told({ owner: '@userId' }, first, { usrId: 1 }, {})).to.deep.equal([])
    }
  })

  it('takes no field for a misspelt one that a criteria names as well', () => {
    const [message, ...more] = told({ $or: [{ a: '@teamId' }, { b: '@teamIds' }] }, { teamIds: [] })
    expect(message).to.include('"@teamId"').and.not.include('was perhaps meant')
    expect(more).to.deep.equal([])
  })

  it('has nothing to say of texts, functions and identities that are no objects', () => {
    expect(told({ a: '@@usrId', b: 'userId' }, { userId: 1 })).to.deep.equal([])
    expect(told((identity) => ({ a: identity.usrId }), { userId: 1 })).to.deep.equal([])
    expect(told({ a: '@userId' }, 'ann')).to.have.length(1)
  })
})
