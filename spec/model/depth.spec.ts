import { expect } from 'chai'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import type { DocumentOperation, OperationName } from '../../lib/model/operation.ts'
import { OPERATIONS } from '../../lib/model/operation.ts'
import { filterDelta, filterPayload } from '../../lib/policy/manifest.ts'
import { refusal } from './refusal.ts'

const LEVELS = 20_000
const PATH = Array(LEVELS).fill('a').join('.')

function nested(wrap: (inner: Json) => Json): Json {
  let value: Json = 1
  for (let level = 0; level < LEVELS; level++) value = wrap(value)
  return value
}

const ARRAYS = nested((inner) => [inner])
const OBJECTS = nested((inner) => ({ a: inner }))

/** Applies and filters an operation; fails for any error that is no ParticleError. */
function codes(op: DocumentOperation): (string | undefined)[] {
  const document = (): Document => ({ _id: 1, a: { b: 1 }, list: [ARRAYS, OBJECTS, 1] })
  return [
    refusal(() => applyDelta({ r: [document()] }, { root: 'r', oplist: [op] })),
    refusal(() => filterDelta({ a: { b: true } }, [op])),
    refusal(() => filterDelta({ a: { b: true } }, [op], document)),
  ]
}

describe('What is nested 20,000 levels deep', () => {
  for (const operation of OPERATIONS) {
    it(`is refused as a path of ${operation}, with a code`, () => {
      const data = operation === 'rename' ? 'x' : 1
      if (operation !== 'noop')
        expect(codes({ operation, id: 1, path: PATH, data })).to.deep.equal(Array(3).fill('INVALID_PATH'))
      expect(
        refusal(() => filterDelta({ a: true }, [{ operation, id: 1, path: 'a', keys: PATH.split('.') }])),
      ).to.be.oneOf(operation === 'rename' ? ['INVALID_OPERATION'] : ['INVALID_PATH'])
    })

    it(`throws nothing but a ParticleError as the data of ${operation}, nor as an id`, () => {
      for (const data of [ARRAYS, OBJECTS, { $each: ARRAYS }, { $each: [OBJECTS] }]) {
        for (const path of ['a', 'list', 'list.0', '.']) codes({ operation, id: 1, path, data })
      }
      for (const id of [ARRAYS, OBJECTS]) {
        const of = (name: OperationName) => codes({ operation: name, id, path: 'a', data: 1 })[0]
        expect(of(operation)).to.equal('INVALID_OPERATION')
      }
    })
  }

  it('is refused as the new path of a rename', () => {
    expect(codes({ operation: 'rename', id: 1, path: 'a', data: PATH })).to.deep.equal(
      Array(3).fill('INVALID_PATH'),
    )
  })

  it('is refused as a document of which a manifest shows a part', () => {
    expect(refusal(() => filterPayload({ a: { b: true } }, { _id: 1, a: ARRAYS }))).to.equal(
      'INVALID_OPERATION',
    )
  })
})

describe('The keys of an operation', () => {
  const malformed: unknown[] = [
    'a',
    1,
    {},
    { length: 1 },
    [null],
    [{}],
    [-1],
    [1.5],
    [Number.NaN],
    ['a', true],
    [[]],
  ]
  for (const keys of malformed) {
    it(`are refused where they are ${JSON.stringify(keys)}`, () => {
      const op = { operation: 'set', id: 1, path: 'a', data: 1, keys } as DocumentOperation
      for (const lookup of [undefined, () => ({ _id: 1 })])
        expect(refusal(() => filterDelta({ a: { b: true } }, [op], lookup))).to.equal('INVALID_PATH')
    })
  }
})
