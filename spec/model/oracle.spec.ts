import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { update } from 'mingo/updater'
import { applyOp } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import { field } from '../../lib/model/json.ts'
import type { Operation } from '../../lib/model/operation.ts'
import { DIFFERENCES } from './differences.ts'
import { document, lists, operation } from './generators.ts'

describe('the operations and mingo', () => {
  const kinds = [
    'set',
    'unset',
    'inc',
    'mul',
    'min',
    'max',
    'rename',
    'push',
    'addToSet',
    'pop',
    'pull',
    'pullAll',
  ] as const

  for (const kind of kinds) {
    const differences = DIFFERENCES[kind] ?? []

    it(`agree on ${kind}, except for the differences below`, () => {
      let compared = 0
      const check = fc.property(fc.oneof(document, lists), operation(kind), (before, op) => {
        const mine = outcome(before, op)
        if (mine === 'error' || differences.some(({ shows }) => shows(op, valueAt(before, op.path)))) return
        compared += 1
        expect(mine).to.deep.equal(byMingo(before, op))
      })
      fc.assert(check, { numRuns: 600 })
      expect(compared).to.be.greaterThan(60)
    })

    for (const { name, example } of differences) {
      it(`differ on ${kind}, and the manual wins: ${name}`, () => {
        const before = { _id: 1, ...example.before }
        expect(byMingo(before, example.op), 'mingo').to.deep.equal({ _id: 1, ...(example.mingo as object) })
        const manual = example.manual === 'error' ? 'error' : { _id: 1, ...(example.manual as object) }
        expect(outcome(before, example.op), 'Particle').to.deep.equal(manual)
      })
    }
  }
})

/** What applyOp makes of a document; also checks that a refusal changes nothing. */
function outcome(before: Document, op: Operation): Document | 'error' | undefined {
  const mine = structuredClone(before)
  try {
    return applyOp(mine, structuredClone(op))
  } catch {
    expect(isDeepStrictEqual(mine, before), 'a refused operation changed the document').to.equal(true)
    return 'error'
  }
}

function byMingo(before: Document, op: Operation): unknown {
  const theirs = structuredClone(before)
  const data = op.data === undefined ? '' : structuredClone(op.data)
  update(theirs, { [`$${op.operation}`]: { [op.path]: data } })
  return JSON.parse(JSON.stringify(theirs))
}

function valueAt(from: Document, path: string): Json | undefined {
  let value: Json | undefined = from as { [key: string]: Json }
  for (const name of path.split('.')) {
    value = typeof value === 'object' && value !== null ? field(value, name) : undefined
  }
  return value
}
