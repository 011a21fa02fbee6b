import { expect } from 'chai'
import fc from 'fast-check'
import { applyAll, applyToCopy } from '../../lib/model/apply.ts'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Document } from '../../lib/model/document.ts'
import type { DocumentOperation, Operation } from '../../lib/model/operation.ts'
import { filterDelta, type Manifest } from '../../lib/policy/manifest.ts'

const SMALL = 1_000
const FACTOR = 10
/** Ten times the operations may cost this many times as much: 100 is what a quadratic cost would be. */
const MAX_RATIO = 20
/** Shorter runs are all noise. */
const LEAST_MS = 10
const TIMES = 3

type Make = (index: number, count: number) => Operation

/**
 * Gives the best of several times of this process on the processor, in milliseconds: others disturb it little.
 * Stops at a time below `enough`, since a better one would say no more.
 */
function best(run: () => void, enough = 0): number {
  let best = Number.POSITIVE_INFINITY
  for (let time = 0; time < TIMES && best >= enough; time++) {
    const began = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(began)
    best = Math.min(best, (user + system) / 1000)
  }
  return Math.max(best, LEAST_MS)
}

function expectLinear(prepare: (count: number) => () => void): void {
  prepare(SMALL)()
  const small = best(prepare(SMALL))
  const large = best(prepare(SMALL * FACTOR), small * MAX_RATIO)
  expect(large / small, `${large} ms after ${small} ms`).to.be.below(MAX_RATIO)
}

function fields(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, index]))
}

function oplist(count: number, make: Make): DocumentOperation[] {
  return Array.from({ length: count }, (_, index) => ({ ...make(index, count), id: 1 }))
}

describe('The cost of a delta', () => {
  const deltas: Record<string, Make> = {
    'sets of fields of one object': (index) => ({ operation: 'set', path: `o.f${index}`, data: -1 }),
    'sets of fields of the document': (index) => ({ operation: 'set', path: `f${index}`, data: -1 }),
    'sets below one object': (index) => ({ operation: 'set', path: `o.g${index}.a.b`, data: -1 }),
    'removals of fields of one object': (index) => ({ operation: 'unset', path: `o.f${index}` }),
    'renames within one object': (index) => ({
      operation: 'rename',
      path: `o.f${index}`,
      data: `o.g${index}`,
    }),
    'pushes to one array': (index) => ({ operation: 'push', path: 'list', data: index }),
    'pushes of several to one array': (index) => ({
      operation: 'push',
      path: 'list',
      data: { $each: [index, 1] },
    }),
    'pops of one array': () => ({ operation: 'pop', path: 'list' }),
    'sets of the elements of one array': (index) => ({ operation: 'set', path: `list.${index}`, data: -1 }),
  }
  for (const [name, make] of Object.entries(deltas)) {
    it(`is linear in the number of ${name}`, () => {
      expectLinear((count) => {
        const ops = oplist(count, make)
        const document: Document = { _id: 1, o: fields(count), ...fields(count), list: Array(count).fill(0) }
        return () => applyDelta({ r: [document] }, { root: 'r', oplist: ops })
      })
    })
  }

  it('is linear in the number of documents that are given new places in an order', () => {
    expectLinear((count) => {
      const documents = Array.from({ length: SMALL }, (_, _id) => ({ _id }))
      const moves = Array.from({ length: count }, (_, index): DocumentOperation => {
        return { operation: 'noop', id: (index * 7) % SMALL, path: '.', at: (index * 13) % SMALL }
      })
      return () => applyDelta({ r: [...documents] }, { root: 'r', oplist: moves })
    })
  })

  it('is linear in the number of documents that leave an order after one was moved', () => {
    expectLinear((count) => {
      const documents = Array.from({ length: count }, (_, _id) => ({ _id }))
      const leave = documents.map(
        ({ _id }): DocumentOperation => ({ operation: 'unset', id: _id, path: '.' }),
      )
      const move: DocumentOperation = { operation: 'noop', id: 0, path: '.', at: 5 }
      return () => applyDelta({ r: [...documents] }, { root: 'r', oplist: [move, ...leave] })
    })
  })

  const byId: Record<string, Make> = {
    'sets in elements': (index, count) => ({
      operation: 'set',
      path: `list[${(index * 7) % count}].a`,
      data: -1,
    }),
    'elements that are made': (index, count) => ({
      operation: 'set',
      path: `list[${count + index}].a`,
      data: 1,
    }),
    'removals of elements': (index) => ({ operation: 'unset', path: `list[${index}]` }),
    'elements that get another id': (index, count) => ({
      operation: 'set',
      path: `list.${index}`,
      data: { _id: count + index },
    }),
  }
  for (const [name, make] of Object.entries(byId)) {
    it(`is linear in the number of ${name}, named by their ids in one array`, () => {
      expectLinear((count) => {
        const ops = oplist(2 * count, (index) =>
          index % 2 ? make(index >> 1, count) : { operation: 'inc', path: `list[${count - 1}].n`, data: 1 },
        )
        const list = Array.from({ length: count }, (_, _id) => ({ _id }))
        return () => applyDelta({ r: [{ _id: 1, list }] }, { root: 'r', oplist: ops })
      })
    })
  }

  const manifests: Record<string, Manifest> = {
    'hides most fields': { o: { f1: true }, list: { a: true } },
    'shows parts of some': { o: { f1: { x: true } }, list: { a: true } },
  }
  const filtered: Record<string, Make> = {
    ...deltas,
    'additions to the elements of an array': (index) => ({
      operation: 'addToSet',
      path: `list.${index}`,
      data: { a: 1 },
    }),
  }
  for (const [which, manifest] of Object.entries(manifests)) {
    for (const [name, make] of Object.entries(filtered)) {
      it(`is linear in the number of ${name} where the manifest ${which}`, () => {
        expectLinear((count) => {
          const ops = oplist(count, make)
          const document: Document = {
            _id: 1,
            o: fields(count),
            ...fields(count),
            list: Array(count).fill({}),
          }
          return () => void filterDelta(manifest, ops, () => document)
        })
      })
    }
  }
})

describe('Operations in one delta', () => {
  it('change neither the document before nor any data', () => {
    const before: Document = { _id: 1, o: { a: 1, deep: { b: [1] } } }
    const data = { c: { d: [] } }
    const copies = JSON.stringify([before, data])
    const after = applyAll(before, [
      { operation: 'set', path: 'o.a', data: 2 },
      { operation: 'set', path: 'o.x', data },
      { operation: 'push', path: 'o.x.c.d', data: 1 },
      { operation: 'push', path: 'o.x.c.d', data: 2 },
      { operation: 'set', path: 'y', data },
      { operation: 'push', path: 'y.c.d', data: 3 },
      { operation: 'push', path: 'o.deep.b', data: { $each: [5, 4], $position: 0, $sort: 1, $slice: 2 } },
    ])
    expect(JSON.stringify([before, data])).to.equal(copies)
    expect(after).to.deep.equal({
      _id: 1,
      o: { a: 2, deep: { b: [1, 4] }, x: { c: { d: [1, 2] } } },
      y: { c: { d: [3] } },
    })
  })

  it('find the elements of an array by their ids as each alone does', () => {
    const id = fc.integer({ min: 0, max: 5 })
    const at = fc.integer({ min: 0, max: 7 })
    const element = id.map((_id) => ({ _id }))
    const operation: fc.Arbitrary<Operation> = fc.oneof(
      { weight: 3, arbitrary: id.map((id): Operation => ({ operation: 'inc', path: `list[${id}].n` })) },
      id.map((id): Operation => ({ operation: 'unset', path: `list[${id}]` })),
      fc.tuple(id, id).map(([id, data]): Operation => ({ operation: 'set', path: `list[${id}]._id`, data })),
      fc.tuple(at, element).map(([at, data]): Operation => ({ operation: 'set', path: `list.${at}`, data })),
      fc.tuple(at, id).map(([at, data]): Operation => ({ operation: 'set', path: `list.${at}._id`, data })),
      element.map((data): Operation => ({ operation: 'push', path: 'list', data })),
      fc.tuple(element, at).map(
        ([one, $position]): Operation => ({
          operation: 'push',
          path: 'list',
          data: { $each: [one], $position },
        }),
      ),
      fc.tuple(element, at).map(
        ([one, at]): Operation => ({
          operation: 'push',
          path: 'list',
          data: { $each: [one], $sort: { _id: at % 2 ? 1 : -1 }, $slice: at },
        }),
      ),
      element.map((data): Operation => ({ operation: 'addToSet', path: 'list', data })),
      element.map((data): Operation => ({ operation: 'pullAll', path: 'list', data: [data] })),
      fc.constantFrom(1, -1).map((data): Operation => ({ operation: 'pop', path: 'list', data })),
      at.map((data): Operation => ({ operation: 'truncate', path: 'list', data })),
    )
    fc.assert(
      fc.property(
        fc.array(element, { maxLength: 6 }),
        fc.array(operation, { maxLength: 20 }),
        (list, all) => {
          const before: Document = { _id: 1, list }
          const valid: Operation[] = []
          let after: Document | undefined = before
          for (const one of all) {
            try {
              after = applyToCopy(after, one)
              valid.push(one)
            } catch {
              // A number can't be counted up in null, for example.
            }
          }
          expect(applyAll(before, valid)).to.deep.equal(after)
        },
      ),
      { numRuns: 2000 },
    )
  })

  const refused: Operation[] = [
    { operation: 'set', path: '_id', data: 2 },
    { operation: 'rename', path: '_id', data: 'o.id' },
    { operation: 'rename', path: 'o.list', data: '_id' },
    { operation: 'rename', path: 'o.a', data: 's.x' },
    { operation: 'set', path: 's.x', data: 1 },
    { operation: 'push', path: 'o.list', data: { $each: [1], $sort: 5 } },
    { operation: 'addToSet', path: 'o.list', data: { $each: 1 } },
  ]
  for (const op of refused) {
    it(`leave all as it was at one that is refused: ${JSON.stringify(op)}`, () => {
      const model = { r: [{ _id: 1, s: 1, o: { a: 1, list: [2] } } as Document] }
      const first: DocumentOperation[] = [
        { operation: 'set', id: 1, path: 'o.b', data: 1 },
        { operation: 'push', id: 1, path: 'o.list', data: 3 },
        { operation: 'set', id: 1, path: 'b', data: 1 },
      ]
      expect(() => applyDelta(model, { root: 'r', oplist: [...first, { ...op, id: 1 }] })).to.throw()
      expect(model.r).to.deep.equal([{ _id: 1, s: 1, b: 1, o: { a: 1, b: 1, list: [2, 3] } }])
    })
  }
})
