import { expect } from 'chai'
import fc from 'fast-check'
import { applyOp, applyToCopy } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import { OPERATIONS, type Operation, type OperationName } from '../../lib/model/operation.ts'
import { document, lists, operation } from './generators.ts'
import { refusal } from './refusal.ts'

type Row = [string, OperationName, string, Json | undefined, Document, Document | 'error']

const ROWS: Row[] = [
  ['sets a field', 'set', 'a.b', 2, { a: { b: 1 } }, { a: { b: 2 } }],
  ['creates missing parents as objects', 'set', 'a.0.b', 1, {}, { a: { 0: { b: 1 } } }],
  ['sets an element', 'set', 'a.1', 9, { a: [1, 2] }, { a: [1, 9] }],
  ['pads past the end with null', 'set', 'a.3', 9, { a: [1] }, { a: [1, null, null, 9] }],
  ['creates an object within an array', 'set', 'a.1.b', 9, { a: [1] }, { a: [1, { b: 9 }] }],
  ['sets by id', 'set', 'a[5].b', 9, { a: [{ _id: 4 }, { _id: 5 }] }, { a: [{ _id: 4 }, { _id: 5, b: 9 }] }],
  ['sets by an id that is text', 'set', 'a[x].b', 9, { a: [{ _id: 'x' }] }, { a: [{ _id: 'x', b: 9 }] }],
  [
    'makes the element at the end where none has the id',
    'set',
    'a[5].b',
    9,
    { a: [{ _id: 4 }, 5] },
    { a: [{ _id: 4 }, 5, { _id: 5, b: 9 }] },
  ],
  ['makes an element by id, and the array', 'set', 'a[5].b', 9, {}, { a: [{ _id: 5, b: 9 }] }],
  ['makes an element by id where there is null', 'inc', 'a[5].b', 1, { a: null }, { a: [{ _id: 5, b: 1 }] }],
  ['makes an element whose id is text', 'set', 'a[x].b', 9, {}, { a: [{ _id: 'x', b: 9 }] }],
  ['makes an element whose id is no number', 'set', 'a[05].b', 9, {}, { a: [{ _id: '05', b: 9 }] }],
  ['makes an element whose id is an object', 'set', 'a[{"x":1}].b', 9, {}, { a: [{ _id: { x: 1 }, b: 9 }] }],
  ['makes elements at any depth', 'push', 'a[5].b[6].c', 1, {}, { a: [{ _id: 5, b: [{ _id: 6, c: [1] }] }] }],
  ['sets a whole element that is made', 'set', 'a[5]', { b: 9 }, { a: [] }, { a: [{ _id: 5, b: 9 }] }],
  ['makes an element that nothing else is written to', 'max', 'a[5]._id', 1, {}, { a: [{ _id: 5 }] }],
  ['makes no element that has another id', 'set', 'a[5]', { _id: 6 }, { a: [] }, { a: [] }],
  ['makes no element that is no object', 'set', 'a[5]', 6, { a: [] }, { a: [] }],
  ['makes no element to unset', 'unset', 'a[5].b', undefined, { a: [] }, { a: [] }],
  ['makes no array to pop', 'pop', 'a[5].b', 1, {}, {}],
  ['refuses to make an element of an object', 'set', 'a[5].b', 9, { a: { b: 1 } }, 'error'],
  ['refuses to make an element of a scalar', 'set', 'a[5].b', 9, { a: 1 }, 'error'],
  ['refuses to write through a scalar', 'set', 'a.b', 1, { a: 1 }, 'error'],
  ['refuses to write through null', 'set', 'a.b.c', 1, { a: { b: null } }, 'error'],
  ['refuses a name on an array', 'set', 'a.length', 0, { a: [1] }, 'error'],
  ['refuses a position with a leading zero', 'set', 'a.01', 0, { a: [1] }, 'error'],
  ['refuses to pad without measure', 'set', 'a.4000000000', 0, { a: [] }, 'error'],
  ['refuses to change the _id', 'set', '_id', 2, { _id: 1 }, 'error'],
  ['lets the _id be set to what it is', 'set', '_id', 1, { _id: 1 }, { _id: 1 }],
  ['refuses no data', 'set', 'a', undefined, {}, 'error'],
  ['shadows what is inherited', 'set', 'toString.a', 1, {}, { toString: { a: 1 } }],
  ['unsets a field', 'unset', 'a.b', undefined, { a: { b: 1, c: 2 } }, { a: { c: 2 } }],
  ['unsets an element to null', 'unset', 'a.0', undefined, { a: [1, 2] }, { a: [null, 2] }],
  ['unsets an element by id to null', 'unset', 'a[1]', undefined, { a: [{ _id: 1 }] }, { a: [null] }],
  ['unsets nothing past the end', 'unset', 'a.5', undefined, { a: [1] }, { a: [1] }],
  ['unsets nothing through a scalar', 'unset', 'a.b', undefined, { a: 1 }, { a: 1 }],
  ['creates no parents to unset', 'unset', 'a.b', undefined, {}, {}],
  ['increments', 'inc', 'a', 2, { a: 1 }, { a: 3 }],
  ['increments from nothing', 'inc', 'a.b', 2, {}, { a: { b: 2 } }],
  ['increments by 1 without data', 'inc', 'a', undefined, { a: 1 }, { a: 2 }],
  ['increments nothing by 1 without data', 'inc', 'a', undefined, {}, { a: 1 }],
  ['refuses to increment null', 'inc', 'a', 2, { a: null }, 'error'],
  ['refuses to increment by text', 'inc', 'a', '2', { a: 1 }, 'error'],
  ['multiplies', 'mul', 'a', 2, { a: 3 }, { a: 6 }],
  ['multiplies nothing to 0', 'mul', 'a', -2, {}, { a: 0 }],
  ['refuses to multiply text', 'mul', 'a', 2, { a: '3' }, 'error'],
  ['takes the lower', 'min', 'a', 2, { a: 3 }, { a: 2 }],
  ['keeps the lower', 'min', 'a', 4, { a: 3 }, { a: 3 }],
  ['takes the lower type', 'min', 'a', 4, { a: 'x' }, { a: 4 }],
  ['sets the lowest where there is none', 'min', 'a', 4, {}, { a: 4 }],
  ['keeps null as the lowest', 'min', 'a', 4, { a: null }, { a: null }],
  ['takes the higher', 'max', 'a', 4, { a: 3 }, { a: 4 }],
  ['takes the higher type', 'max', 'a', false, { a: 3 }, { a: false }],
  ['sets the highest where there is none', 'max', 'a.b', 4, {}, { a: { b: 4 } }],
  ['renames', 'rename', 'a', 'b.c', { a: 1, d: 2 }, { b: { c: 1 }, d: 2 }],
  ['renames over the target', 'rename', 'a', 'b', { a: 1, b: 2 }, { b: 1 }],
  ['renames within a parent', 'rename', 'a.b', 'a.c', { a: { b: 1 } }, { a: { c: 1 } }],
  ['renames nothing that is missing', 'rename', 'a', 'b.c', {}, {}],
  ['renames a whole array', 'rename', 'a', 'b', { a: [1] }, { b: [1] }],
  ['refuses to rename an element', 'rename', 'a.0', 'b', { a: [1] }, 'error'],
  ['refuses to rename by id', 'rename', 'a[1]', 'b', { a: [{ _id: 1 }] }, 'error'],
  ['refuses to rename into an array', 'rename', 'a', 'b.0', { a: 1, b: [2] }, 'error'],
  ['refuses to rename into a scalar', 'rename', 'a', 'b.c', { a: 1, b: 2 }, 'error'],
  ['refuses to rename into itself', 'rename', 'a', 'a.b', { a: {} }, 'error'],
  ['refuses to rename to the same name', 'rename', 'a', 'a', { a: 1 }, 'error'],
  ['refuses to rename to the _id', 'rename', 'a', '_id', { _id: 1, a: 2 }, 'error'],
  ['refuses to rename to no path', 'rename', 'a', 5, { a: 1 }, 'error'],
  ['pushes', 'push', 'a', 3, { a: [1] }, { a: [1, 3] }],
  ['pushes an array as one value', 'push', 'a', [3], { a: [1] }, { a: [1, [3]] }],
  ['pushes onto nothing', 'push', 'a.b', 3, {}, { a: { b: [3] } }],
  ['pushes each', 'push', 'a', { $each: [2, 3] }, { a: [1] }, { a: [1, 2, 3] }],
  ['pushes none of nothing', 'push', 'a', { $each: [] }, {}, { a: [] }],
  ['pushes at a position', 'push', 'a', { $each: [8, 9], $position: 1 }, { a: [1, 2] }, { a: [1, 8, 9, 2] }],
  [
    'pushes at one from the end',
    'push',
    'a',
    { $each: [8, 9], $position: -1 },
    { a: [1, 2] },
    { a: [1, 8, 9, 2] },
  ],
  [
    'pushes far before the start',
    'push',
    'a',
    { $each: [8], $position: -9 },
    { a: [1, 2] },
    { a: [8, 1, 2] },
  ],
  ['pushes far past the end', 'push', 'a', { $each: [8], $position: 9 }, { a: [1, 2] }, { a: [1, 2, 8] }],
  ['keeps the first', 'push', 'a', { $each: [3], $slice: 2 }, { a: [1, 2] }, { a: [1, 2] }],
  ['keeps the last', 'push', 'a', { $each: [3], $slice: -2 }, { a: [1, 2] }, { a: [2, 3] }],
  ['keeps none', 'push', 'a', { $each: [3], $slice: 0 }, { a: [1, 2] }, { a: [] }],
  ['sorts up', 'push', 'a', { $each: [1, 'x'], $sort: 1 }, { a: [3, 2] }, { a: [1, 2, 3, 'x'] }],
  ['sorts, then slices', 'push', 'a', { $each: [9], $sort: -1, $slice: 2 }, { a: [3, 7] }, { a: [9, 7] }],
  [
    'sorts by fields',
    'push',
    'a',
    { $each: [{ x: 1, y: { z: 1 } }, { y: 5 }], $sort: { x: 1, 'y.z': -1 } },
    { a: [{ x: 2 }, { x: 1, y: { z: 3 } }] },
    { a: [{ y: 5 }, { x: 1, y: { z: 3 } }, { x: 1, y: { z: 1 } }, { x: 2 }] },
  ],
  ['refuses to push onto a scalar', 'push', 'a', 1, { a: 1 }, 'error'],
  ['refuses $each that is no array', 'push', 'a', { $each: 1 }, { a: [] }, 'error'],
  ['refuses $slice without $each', 'push', 'a', { $slice: 1 }, { a: [] }, 'error'],
  ['refuses unknown modifiers', 'push', 'a', { $each: [], $up: 1 }, { a: [] }, 'error'],
  ['refuses a position that is no integer', 'push', 'a', { $each: [], $position: 1.5 }, { a: [] }, 'error'],
  ['refuses a sort that is none', 'push', 'a', { $each: [], $sort: 2 }, { a: [] }, 'error'],
  ['pushes all', 'pushAll', 'a', [2, 3], { a: [1] }, { a: [1, 2, 3] }],
  ['pushes all onto nothing', 'pushAll', 'a', [2], {}, { a: [2] }],
  ['refuses to push all of no array', 'pushAll', 'a', 2, { a: [1] }, 'error'],
  ['adds what is not there', 'addToSet', 'a', 2, { a: [1] }, { a: [1, 2] }],
  ['adds nothing twice', 'addToSet', 'a', { x: [1] }, { a: [{ x: [1] }] }, { a: [{ x: [1] }] }],
  ['adds an array as one value', 'addToSet', 'a', [1], { a: [1] }, { a: [1, [1]] }],
  ['adds each once', 'addToSet', 'a', { $each: [1, 2, 2] }, { a: [1] }, { a: [1, 2] }],
  ['adds to nothing', 'addToSet', 'a', 1, {}, { a: [1] }],
  ['refuses to add to a scalar', 'addToSet', 'a', 1, { a: 'x' }, 'error'],
  ['refuses to add each of no array', 'addToSet', 'a', { $each: 1 }, { a: [] }, 'error'],
  ['pops the last', 'pop', 'a', 1, { a: [1, 2] }, { a: [1] }],
  ['pops the last without data', 'pop', 'a', undefined, { a: [1, 2] }, { a: [1] }],
  ['pops the first', 'pop', 'a', -1, { a: [1, 2] }, { a: [2] }],
  ['pops nothing of nothing', 'pop', 'a.b', 1, {}, {}],
  ['pops nothing of an empty array', 'pop', 'a', 1, { a: [] }, { a: [] }],
  ['refuses to pop two', 'pop', 'a', 2, { a: [1, 2, 3] }, 'error'],
  ['refuses to pop of a scalar', 'pop', 'a', 1, { a: 1 }, 'error'],
  ['pulls a value', 'pull', 'a', 1, { a: [1, 2, 1, [1]] }, { a: [2, [1]] }],
  [
    'pulls an array of that very order',
    'pull',
    'a',
    [1, 2],
    {
      a: [
        [1, 2],
        [2, 1],
      ],
    },
    { a: [[2, 1]] },
  ],
  ['pulls by condition', 'pull', 'a', { $gte: 6 }, { a: [1, 6, 8, 'x'] }, { a: [1, 'x'] }],
  ['pulls what is in a list', 'pull', 'a', { $in: ['x', 'y'] }, { a: ['x', 'z', 'y'] }, { a: ['z'] }],
  [
    'pulls documents by some of their fields',
    'pull',
    'results',
    { score: 8, item: 'B' },
    {
      results: [
        { item: 'A', score: 5 },
        { item: 'B', score: 8, more: 1 },
      ],
    },
    { results: [{ item: 'A', score: 5 }] },
  ],
  [
    'pulls documents by a condition on a field',
    'pull',
    'results',
    { score: { $gte: 8 } },
    { results: [{ score: 5 }, { score: 8 }, 9] },
    { results: [{ score: 5 }, 9] },
  ],
  [
    'pulls documents by nested elements',
    'pull',
    'results',
    { answers: { $elemMatch: { q: 2, a: { $gte: 8 } } } },
    {
      results: [
        {
          answers: [
            { q: 1, a: 9 },
            { q: 2, a: 8 },
          ],
        },
        {
          answers: [
            { q: 1, a: 8 },
            { q: 2, a: 7 },
          ],
        },
      ],
    },
    {
      results: [
        {
          answers: [
            { q: 1, a: 8 },
            { q: 2, a: 7 },
          ],
        },
      ],
    },
  ],
  ['pulls nothing of nothing', 'pull', 'a.b', 1, {}, {}],
  ['refuses to pull from a scalar', 'pull', 'a', 1, { a: 1 }, 'error'],
  ['refuses an unknown condition even on nothing', 'pull', 'a', { $foo: 1 }, {}, 'error'],
  ['pulls all', 'pullAll', 'a', [0, 5], { a: [0, 2, 5, 5, 1, 0] }, { a: [2, 1] }],
  ['pulls all of nothing', 'pullAll', 'a', [0], {}, {}],
  ['refuses to pull all of no array', 'pullAll', 'a', 0, { a: [0] }, 'error'],
  ['truncates', 'truncate', 'a', 1, { a: [1, 2, 3] }, { a: [1] }],
  ['truncates nothing that is shorter', 'truncate', 'a', 5, { a: [1] }, { a: [1] }],
  ['truncates nothing of nothing', 'truncate', 'a.b', 1, {}, {}],
  ['refuses a length below 0', 'truncate', 'a', -1, { a: [1] }, 'error'],
  ['refuses to truncate text', 'truncate', 'a', 1, { a: 'abc' }, 'error'],
  ['does nothing', 'noop', 'a.b', undefined, { a: 1 }, { a: 1 }],
  ['replaces the document', 'set', '.', { b: 1 }, { a: 1 }, { b: 1 }],
  ['refuses a scalar as document', 'set', '.', 1, { a: 1 }, 'error'],
  ['refuses to increment a document', 'inc', '.', 1, { a: 1 }, 'error'],
]

describe('applyOp', () => {
  for (const [name, kind, path, data, before, after] of ROWS) {
    it(`${kind}: ${name}`, () => {
      const op: Operation = data === undefined ? { operation: kind, path } : { operation: kind, path, data }
      const copy = structuredClone(before)
      if (after === 'error') {
        expect(refusal(() => applyOp(copy, op))).to.equal('INVALID_OPERATION')
        expect(copy).to.deep.equal(before)
      } else {
        const result = applyOp(copy, op)
        expect(result).to.deep.equal(after)
        if (path !== '.') expect(result, 'changed in place').to.equal(copy)
      }
    })
  }

  it('has every operation in its table', () => {
    expect(new Set(ROWS.map(([, kind]) => kind))).to.deep.equal(new Set(OPERATIONS))
  })

  it('returns the data of a set of the document itself', () => {
    const data = { a: 1 }
    expect(applyOp({ b: 1 }, { operation: 'set', path: '.', data })).to.equal(data)
    expect(applyOp(undefined, { operation: 'set', path: '.', data })).to.equal(data)
  })

  it('returns undefined once the document is removed, and for all but a set of a document that is not there', () => {
    expect(applyOp({ a: 1 }, { operation: 'unset', path: '.' })).to.equal(undefined)
    expect(applyOp(undefined, { operation: 'set', path: 'a', data: 1 })).to.equal(undefined)
    expect(applyOp(undefined, { operation: 'unset', path: '.' })).to.equal(undefined)
  })

  it('refuses an unknown operation', () => {
    const op = { operation: 'toString', path: 'a' } as unknown as Operation
    expect(refusal(() => applyOp({}, op))).to.equal('INVALID_OPERATION')
    expect(refusal(() => applyOp(undefined, op))).to.equal('INVALID_OPERATION')
  })

  it('refuses paths to a prototype, in rename targets too', () => {
    for (const path of ['__proto__.x', 'a.constructor.prototype.x']) {
      expect(refusal(() => applyOp({ a: {} }, { operation: 'set', path, data: 1 }))).to.equal('INVALID_PATH')
      const rename: Operation = { operation: 'rename', path: 'a', data: path }
      expect(refusal(() => applyOp({ a: 1 }, rename))).to.equal('INVALID_PATH')
    }
    expect(({} as { x?: number }).x).to.equal(undefined)
  })

  it('keeps a __proto__ within data from becoming a prototype', () => {
    const data = () => JSON.parse('{"__proto__":{"admin":true},"$each":[{"__proto__":{"admin":true}}]}')
    for (const apply of [applyOp, applyToCopy]) {
      const first = apply({ _id: 1, a: data() }, { operation: 'set', path: 'a.b', data: data() })
      const second = apply(first, { operation: 'set', path: 'a.b.c', data: 1 })
      expect((second as { a: { b: { admin?: boolean } } }).a.b.admin).to.equal(undefined)
      expect((second as { a: { admin?: boolean } }).a.admin).to.equal(undefined)
    }
    expect(({} as { admin?: boolean }).admin).to.equal(undefined)
  })
})

describe('applyToCopy', () => {
  for (const kind of OPERATIONS) {
    it(`makes of ${kind} what applyOp makes, and changes neither the document nor the data`, () => {
      fc.assert(
        fc.property(fc.oneof(document, lists), operation(kind), (before, op) => {
          const kept = structuredClone([before, op])
          const mine = structuredClone(before)
          const code = refusal(() => {
            const changed = applyOp(mine, structuredClone(op))
            expect(applyToCopy(before, op)).to.deep.equal(changed)
          })
          if (code) expect(refusal(() => applyToCopy(before, op))).to.equal(code)
          expect([before, op]).to.deep.equal(kept)
        }),
        { numRuns: 200 },
      )
    })
  }

  it('shares what did not change, and returns the document where there was nothing to do', () => {
    const before = { _id: 1, a: { x: 1 }, b: { y: 1 } }
    const after = applyToCopy(before, { operation: 'set', path: 'a.x', data: 2 })
    expect(after?.b).to.equal(before.b)
    expect(after?.a).not.to.equal(before.a)
    expect(applyToCopy(before, { operation: 'unset', path: 'a.z' })).to.equal(before)
  })
})
