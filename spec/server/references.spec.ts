import { expect } from 'chai'
import type { Criteria } from '../../lib/policy/criteria.ts'
import { related } from '../../lib/policy/relation.ts'
import { References } from '../../lib/server/references.ts'
import { Warnings } from '../../lib/server/warnings.ts'

/** What is told of a criteria by identities that come one after the other. */
const told = (criteria: Criteria, ...identities: unknown[]) => {
  const errors: string[] = []
  const debug: string[] = []
  const warnings = new Warnings({
    onError: ({ message }) => errors.push(message),
    onDebug: (message) => debug.push(message),
  })
  const references = new References([['dataSources.jobs.criteria', criteria]], warnings)
  for (const identity of identities) references.look(identity)
  return { errors, debug }
}

describe('server/references', () => {
  it('tells of a misspelt field of the identity once, with the one that was meant', () => {
    const { errors, debug } = told({ owner: '@usrId' }, { userId: 1 }, { userId: 2 })
    expect(errors).to.deep.equal([
      'dataSources.jobs.criteria takes "@usrId" from the identity, which has only userId: it matches nothing; "@userId" was perhaps meant',
    ])
    expect(debug).to.deep.equal([])
  })

  it('tells of a misspelt field within a field, and of the start of a relation', () => {
    const deep = told({ team: { $in: '@session.teamsIds' } }, { session: { teamIds: ['a'] } })
    expect(deep.errors.join()).to.include('"@session.teamIds" was perhaps meant')
    const relation = told({ _id: related('@usrId').through('links', 'a', 'b') }, { userId: 1 })
    expect(relation.errors.join()).to.include('"@userId" was perhaps meant')
  })

  it('says by onDebug alone what may be meant: a field that this identity has not, and nothing near it', () => {
    const { errors, debug } = told({ team: '@teamId' }, { anonymous: true }, { anonymous: true })
    expect(errors).to.deep.equal([])
    expect(debug).to.deep.equal([
      'dataSources.jobs.criteria takes "@teamId" from the identity, which has only anonymous: it matches nothing',
    ])
    expect(told({ team: '@teamId' }, {}).debug.join()).to.include('which has no fields')
  })

  it('never tells of a field that another identity has had, be it null', () => {
    for (const first of [{ userId: 1 }, { userId: null }]) {
      expect(told({ owner: '@userId' }, first, { usrId: 1 }, {})).to.deep.equal({ errors: [], debug: [] })
    }
  })

  it('takes no field for a misspelt one that a criteria names as well', () => {
    const { errors, debug } = told({ $or: [{ a: '@teamId' }, { b: '@teamIds' }] }, { teamIds: [] })
    expect(errors).to.deep.equal([])
    expect(debug).to.have.length(1)
  })

  it('has nothing to say of texts, functions and identities that are no objects', () => {
    expect(told({ a: '@@usrId', b: 'userId' }, { userId: 1 })).to.deep.equal({ errors: [], debug: [] })
    expect(told((identity) => ({ a: identity.usrId }), { userId: 1 })).to.deep.equal({
      errors: [],
      debug: [],
    })
    expect(told({ a: '@userId' }, 'ann').debug).to.have.length(1)
  })
})
