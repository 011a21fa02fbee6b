import type { Document, Json } from '../../lib/model/document.ts'
import { canonical, isObject } from '../../lib/model/json.ts'
import type { Operation } from '../../lib/model/operation.ts'

/** One place where mingo and MongoDB's manual part; the manual wins, so there mingo is not asked. */
export interface Difference {
  name: string
  /** Whether the difference may show: `value` is what stands at the operation's path. */
  shows: (op: Operation, value: Json | undefined) => boolean
  /** One case of it: what mingo makes of the document, and what MongoDB does (`error`: it refuses). */
  example: { before: Document; op: Operation; mingo: Json; manual: Json | 'error' }
}

/** All that is known, by operation. */
export const DIFFERENCES: Partial<Record<Operation['operation'], Difference[]>> = {
  set: [
    {
      name: 'mingo leaves a scalar parent as it is, MongoDB refuses to write through it',
      shows: () => false,
      example: {
        before: { a: 1 },
        op: { operation: 'set', path: 'a.b', data: 1 },
        mingo: { a: 1 },
        manual: 'error',
      },
    },
    {
      name: 'mingo puts an object in the place of a null parent, MongoDB refuses to write through it',
      shows: () => false,
      example: {
        before: { a: null },
        op: { operation: 'set', path: 'a.b', data: 1 },
        mingo: { a: { b: 1 } },
        manual: 'error',
      },
    },
  ],
  inc: [
    {
      name: 'mingo leaves what is not a number as it is, MongoDB refuses',
      shows: () => false,
      example: {
        before: { a: 'x' },
        op: { operation: 'inc', path: 'a', data: 1 },
        mingo: { a: 'x' },
        manual: 'error',
      },
    },
  ],
  min: [
    {
      name: 'mingo compares the names of the fields of two objects before the types of their values',
      shows: (op, value) => isObject(value) && isObject(op.data),
      example: {
        before: { a: { c: 0 } },
        op: { operation: 'min', path: 'a', data: { b: 'x' } },
        mingo: { a: { b: 'x' } },
        manual: { a: { c: 0 } },
      },
    },
    {
      name: 'mingo compares an array by its elements, MongoDB by the BSON order of types, where it is above an object',
      shows: (op, value) => holdsArray(value) || holdsArray(op.data),
      example: {
        before: { a: [] },
        op: { operation: 'min', path: 'a', data: 0 },
        mingo: { a: [] },
        manual: { a: 0 },
      },
    },
  ],
  max: [
    {
      name: 'mingo compares the names of the fields of two objects before the types of their values',
      shows: (op, value) => isObject(value) && isObject(op.data),
      example: {
        before: { a: { b: 'x' } },
        op: { operation: 'max', path: 'a', data: { c: 0 } },
        mingo: { a: { c: 0 } },
        manual: { a: { b: 'x' } },
      },
    },
    {
      name: 'mingo compares an array by its elements, MongoDB by the BSON order of types, where it is above an object',
      shows: (op, value) => holdsArray(value) || holdsArray(op.data),
      example: {
        before: { a: 'y' },
        op: { operation: 'max', path: 'a', data: [] },
        mingo: { a: 'y' },
        manual: { a: [] },
      },
    },
  ],
  rename: [
    {
      name: 'mingo renames into an array, MongoDB refuses',
      shows: () => false,
      example: {
        before: { a: 1, b: [2] },
        op: { operation: 'rename', path: 'a', data: 'b.0' },
        mingo: { b: [1] },
        manual: 'error',
      },
    },
  ],
  push: [
    {
      name: 'mingo ignores $position, $slice and $sort where there is no array yet',
      shows: (op, value) => value === undefined && isObject(op.data) && '$each' in op.data,
      example: {
        before: {},
        op: { operation: 'push', path: 'a', data: { $each: [2, 1], $sort: 1, $slice: -1 } },
        mingo: { a: [2, 1] },
        manual: { a: [2] },
      },
    },
    {
      name: 'mingo sorts by the first field of $sort only',
      shows: () => false,
      example: {
        before: { a: [{ x: 1, y: 2 }] },
        op: { operation: 'push', path: 'a', data: { $each: [{ x: 1, y: 1 }], $sort: { x: 1, y: 1 } } },
        mingo: {
          a: [
            { x: 1, y: 2 },
            { x: 1, y: 1 },
          ],
        },
        manual: {
          a: [
            { x: 1, y: 1 },
            { x: 1, y: 2 },
          ],
        },
      },
    },
    {
      name: 'mingo sorts elements that are no documents by themselves where $sort names fields, MongoDB as if the field were null',
      shows: (op, value) =>
        isObject(op.data) && isObject(op.data.$sort) && !elements(value, op.data.$each).every(isObject),
      example: {
        before: { a: [] },
        op: { operation: 'push', path: 'a', data: { $each: [0, {}], $sort: { x: 1 } } },
        mingo: { a: [{}, 0] },
        manual: { a: [0, {}] },
      },
    },
    {
      name: 'mingo sorts arrays by their elements, and objects not field by field, as BSON does',
      shows: (op, value) =>
        isObject(op.data) &&
        '$sort' in op.data &&
        sorted(op.data.$sort, elements(value, op.data.$each)).some(isNested),
      example: {
        before: { a: [3] },
        op: { operation: 'push', path: 'a', data: { $each: [[1]], $sort: -1 } },
        mingo: { a: [3, [1]] },
        manual: { a: [[1], 3] },
      },
    },
  ],
  addToSet: [
    {
      name: 'mingo drops duplicates that were there before, and may then miss that it added something',
      shows: (_, value) => repeats(value),
      example: {
        before: { a: [1, 1] },
        op: { operation: 'addToSet', path: 'a', data: 2 },
        mingo: { a: [1, 1] },
        manual: { a: [1, 1, 2] },
      },
    },
    {
      name: 'mingo adds duplicates where there is no array yet',
      shows: (op, value) => value === undefined && isObject(op.data) && repeats(op.data.$each),
      example: {
        before: {},
        op: { operation: 'addToSet', path: 'a', data: { $each: [1, 1] } },
        mingo: { a: [1, 1] },
        manual: { a: [1] },
      },
    },
    {
      name: 'mingo takes objects for equal whatever the order of their fields',
      shows: (op, value) => Array.isArray(value) && value.some(isObject) && isObject(op.data),
      example: {
        before: { a: [{ x: 1, y: 1 }] },
        op: { operation: 'addToSet', path: 'a', data: { y: 1, x: 1 } },
        mingo: { a: [{ x: 1, y: 1 }] },
        manual: {
          a: [
            { x: 1, y: 1 },
            { y: 1, x: 1 },
          ],
        },
      },
    },
  ],
  pop: [
    {
      name: 'mingo leaves what is no array as it is, MongoDB refuses',
      shows: () => false,
      example: {
        before: { a: 1 },
        op: { operation: 'pop', path: 'a', data: 1 },
        mingo: { a: 1 },
        manual: 'error',
      },
    },
  ],
  pull: [
    {
      name: 'mingo holds elements that are no documents against a condition on a field',
      shows: (op, value) => isObject(op.data) && Array.isArray(value) && !value.every(isObject),
      example: {
        before: { a: [2, { b: 1 }] },
        op: { operation: 'pull', path: 'a', data: { b: { $ne: 1 } } },
        mingo: { a: [{ b: 1 }] },
        manual: { a: [2, { b: 1 }] },
      },
    },
    {
      name: 'mingo takes an empty array for a number in $mod',
      shows: (op, value) => JSON.stringify(op.data).includes('$mod') && nests(value),
      example: {
        before: { a: [{ b: [[]] }] },
        op: { operation: 'pull', path: 'a', data: { b: { $mod: [2, 0] } } },
        mingo: { a: [] },
        manual: { a: [{ b: [[]] }] },
      },
    },
    {
      name: 'mingo does not find a missing field by null in $all',
      shows: (op, value) => JSON.stringify(op.data).includes('$all') && Array.isArray(value),
      example: {
        before: { a: [{}] },
        op: { operation: 'pull', path: 'a', data: { b: { $all: [null] } } },
        mingo: { a: [{}] },
        manual: { a: [] },
      },
    },
    {
      name: 'mingo pulls an array that holds the scalar',
      shows: (op, value) => !isObject(op.data) && nests(value),
      example: {
        before: { a: [[1, 2], 1] },
        op: { operation: 'pull', path: 'a', data: 1 },
        mingo: { a: [] },
        manual: { a: [[1, 2]] },
      },
    },
  ],
  pullAll: [
    {
      name: 'mingo takes a nested array for one of its elements',
      shows: (op, value) => nests(value) || nests(op.data),
      example: {
        before: { a: [[2, 1], 3] },
        op: { operation: 'pullAll', path: 'a', data: [2] },
        mingo: { a: [3] },
        manual: { a: [[2, 1], 3] },
      },
    },
  ],
}

function holdsArray(value: Json | undefined): boolean {
  if (Array.isArray(value)) return true
  return isObject(value) && Object.values(value).some(holdsArray)
}

function elements(...values: (Json | undefined)[]): Json[] {
  return values.flatMap((value) => (Array.isArray(value) ? value : []))
}

/** What a sort compares: the elements, or their fields. */
function sorted(by: Json | undefined, items: Json[]): Json[] {
  return isObject(by) ? items.flatMap((item) => (isObject(item) ? Object.values(item) : [])) : items
}

function isNested(value: Json): boolean {
  return isObject(value) || Array.isArray(value)
}

function nests(value: Json | undefined): boolean {
  return Array.isArray(value) && value.some(holdsArray)
}

function repeats(value: Json | undefined): boolean {
  return Array.isArray(value) && new Set(value.map(canonical)).size < value.length
}
