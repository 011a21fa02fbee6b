import { expect } from 'chai'
import { inOrderOfMoves } from '../../../lib/source/mongo/moves.ts'
import { eventAt } from './scripted.ts'

const at = (time: number, operationType: string, region: string, id = 'ann') =>
  eventAt(time, 0, { operationType, documentKey: { region, _id: id } })
const told = (events: ReturnType<typeof at>[]) =>
  inOrderOfMoves(events).map((event) => {
    const { region, _id } = (event as unknown as { documentKey: Record<string, string> }).documentKey
    return `${event.operationType} ${_id} ${region}`
  })

describe('inOrderOfMoves', () => {
  it('puts the delete of a document on its old shard before its insert on the new one', () => {
    expect(told([at(1, 'insert', 'asia'), at(1, 'delete', 'europe')])).to.deep.equal([
      'delete ann europe',
      'insert ann asia',
    ])
  })

  it('keeps that order where it is right already, and where a document moves twice in a transaction', () => {
    const twice = [
      at(1, 'insert', 'asia'),
      at(1, 'delete', 'europe'),
      at(1, 'insert', 'us'),
      at(1, 'delete', 'us'),
    ]
    expect(told(twice).at(-1)).to.equal('insert ann asia')
    const right = [at(1, 'delete', 'asia'), at(1, 'insert', 'us')]
    expect(told(right)).to.deep.equal(['delete ann asia', 'insert ann us'])
  })

  it('keeps the order of writes to one document on one shard', () => {
    const events = [at(1, 'insert', 'asia'), at(1, 'delete', 'asia'), at(1, 'insert', 'asia')]
    expect(told(events)).to.deep.equal(['insert ann asia', 'delete ann asia', 'insert ann asia'])
  })

  it('moves nothing from one cluster time into another, nor without shards', () => {
    const later = [at(1, 'insert', 'asia'), at(2, 'delete', 'europe')]
    expect(inOrderOfMoves(later)).to.deep.equal(later)
    const unsharded = [eventAt(1, 0), eventAt(1, 1, { operationType: 'delete' })]
    expect(inOrderOfMoves(unsharded)).to.equal(unsharded)
  })
})
