import fc from 'fast-check'
import type { Document, Json } from '../../lib/model/document.ts'
import type { Operation, OperationName } from '../../lib/model/operation.ts'

/** A record with the prototype of all objects, as JSON's have. */
function plain<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) {
  return fc.record<T>(fields, { noNullPrototype: true })
}

/** Few names and few values, so that paths and values meet what is there. */
const name = fc.constantFrom('a', 'b', 'c')

/** Scalars, with numbers more often than others. */
const scalar: fc.Arbitrary<Json> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 5 }) },
  fc.constantFrom<Json>('x', 'y', 'Z', '', null, true, false, 1.5),
)

/** Any value: scalars, objects and arrays, nested a little. */
export const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value

export const document: fc.Arbitrary<Document> = fc
  .dictionary(name, value, { maxKeys: 3, noNullPrototype: true })
  .map((fields) => ({ _id: 1, ...fields }))

/** A document with arrays of numbers, of mixed values and of objects at `a`, `b` and `c.a`, so that array operations meet them. */
export const lists: fc.Arbitrary<Document> = fc
  .record(
    {
      a: fc.array(fc.integer({ min: -3, max: 5 }), { maxLength: 5 }),
      b: fc.array(value, { maxLength: 4 }),
      c: plain({
        a: fc.array(
          fc.dictionary(name, fc.integer({ min: 0, max: 3 }), { maxKeys: 3, noNullPrototype: true }),
          { maxLength: 4 },
        ),
      }),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map((fields) => ({ _id: 1, ...fields }))

const path: fc.Arbitrary<string> = fc
  .tuple(name, fc.array(fc.oneof(name, fc.constantFrom('0', '1', '4')), { maxLength: 2 }))
  .map(([first, rest]) => [first, ...rest].join('.'))

const condition: fc.Arbitrary<Json> = fc.oneof(
  plain({ $gt: scalar }),
  plain({ $gte: scalar, $lte: scalar }),
  plain({ $lt: scalar }),
  plain({ $in: fc.array(value, { maxLength: 3 }) }),
  plain({ $nin: fc.array(scalar, { maxLength: 3 }) }),
  plain({ $ne: value }),
  plain({ $eq: value }),
  plain({ $size: fc.integer({ min: 0, max: 3 }) }),
  plain({ $exists: fc.boolean() }),
  plain({ $mod: fc.constantFrom<Json[]>([2, 0], [3, 1]) }),
  plain({ $regex: fc.constantFrom('x', '^z'), $options: fc.constantFrom('', 'i') }),
  plain({ $type: fc.constantFrom('string', 'number', 'array', 'object', 'bool', 'null') }),
  plain({ $elemMatch: plain({ $gte: fc.integer({ min: 0, max: 3 }) }) }),
  plain({ $all: fc.array(scalar, { minLength: 1, maxLength: 2 }) }),
)
const query: fc.Arbitrary<Json> = fc.dictionary(
  fc.oneof(name, fc.constantFrom('a.b', 'b.0')),
  fc.oneof(scalar, condition, plain({ $not: condition })),
  { minKeys: 1, maxKeys: 2, noNullPrototype: true },
)

const each = fc.array(value, { maxLength: 3 })
const small = fc.integer({ min: -5, max: 5 })
const pushed: fc.Arbitrary<Json> = fc.oneof(
  value,
  fc.record(
    {
      $each: fc.oneof(each, fc.array(small, { maxLength: 3 })),
      $position: small,
      $slice: small,
      $sort: fc.constantFrom<Json>(1, -1, { a: 1 }, { b: -1 }),
    },
    { requiredKeys: ['$each'], noNullPrototype: true },
  ) as fc.Arbitrary<Json>,
)

const never = fc.constant(undefined)
const DATA: Record<OperationName, fc.Arbitrary<Json | undefined>> = {
  set: value,
  unset: never,
  inc: fc.integer({ min: -5, max: 5 }),
  mul: fc.integer({ min: -5, max: 5 }),
  min: value,
  max: value,
  rename: path,
  push: pushed,
  pushAll: each,
  addToSet: fc.oneof(value, plain({ $each: each })),
  pop: fc.constantFrom(1, -1),
  pull: fc.oneof(scalar, value, condition, query),
  pullAll: each,
  truncate: fc.nat({ max: 4 }),
  noop: never,
}

/** A valid operation of that name; it may still not fit the document. */
export function operation(kind: OperationName): fc.Arbitrary<Operation> {
  return fc
    .tuple(fc.oneof(path, fc.constantFrom('a', 'b', 'c.a')), DATA[kind])
    .map(([where, data]) =>
      data === undefined ? { operation: kind, path: where } : { operation: kind, path: where, data },
    )
}
