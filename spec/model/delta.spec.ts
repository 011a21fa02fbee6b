import { expect } from 'chai'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Model } from '../../lib/model/document.ts'
import type { Delta } from '../../lib/model/operation.ts'
import { refusal } from './refusal.ts'

describe('applyDelta', () => {
  it('changes the list of the root in place, and returns the model', () => {
    const model: Model = { users: [{ _id: 1, name: 'Ann' }, { _id: 2 }], teams: [{ _id: 1 }] }
    const users = model.users
    const delta: Delta = {
      root: 'users',
      oplist: [
        { operation: 'set', id: 1, path: 'name', data: 'Bea' },
        { operation: 'unset', id: 2, path: '.' },
        { operation: 'set', id: 3, path: '.', data: { name: 'Cy' } },
        { operation: 'set', id: 4, path: 'name', data: 'nobody' },
      ],
    }
    expect(applyDelta(model, delta)).to.equal(model)
    expect(model.users).to.equal(users)
    expect(model).to.deep.equal({
      users: [
        { _id: 1, name: 'Bea' },
        { _id: 3, name: 'Cy' },
      ],
      teams: [{ _id: 1 }],
    })
  })

  it('makes a root that is not there', () => {
    const delta: Delta = { root: 'users', oplist: [{ operation: 'set', id: 1, path: '.', data: { _id: 1 } }] }
    expect(applyDelta({}, delta)).to.deep.equal({ users: [{ _id: 1 }] })
  })

  it('applies one delta to two models that then go their own ways', () => {
    const delta: Delta = {
      root: 'a',
      oplist: [{ operation: 'set', id: 1, path: '.', data: { _id: 1, b: { c: 1 } } }],
    }
    const [first, second] = [applyDelta({}, delta), applyDelta({}, delta)]
    applyDelta(first, { root: 'a', oplist: [{ operation: 'inc', id: 1, path: 'b.c', data: 1 }] })
    expect(first).to.deep.equal({ a: [{ _id: 1, b: { c: 2 } }] })
    expect(second).to.deep.equal({ a: [{ _id: 1, b: { c: 1 } }] })
  })

  it('goes on with a list that was put in the place of another', () => {
    const model: Model = { a: [{ _id: 1 }] }
    const set: Delta = { root: 'a', oplist: [{ operation: 'set', id: 1, path: 'b', data: 1 }] }
    applyDelta(model, set)
    model.a = [{ _id: 2 }, { _id: 1 }]
    applyDelta(model, set)
    expect(model.a).to.deep.equal([{ _id: 2 }, { _id: 1, b: 1 }])
  })

  it('refuses a root that would be a prototype', () => {
    const model: Model = {}
    expect(refusal(() => applyDelta(model, { root: '__proto__', oplist: [] }))).to.equal('INVALID_PATH')
    expect(Object.getPrototypeOf(model)).to.equal(Object.prototype)
  })

  it('takes a root of an inherited name for one that is not there', () => {
    expect(applyDelta({}, { root: 'toString', oplist: [] })).to.deep.equal({ toString: [] })
  })
})
