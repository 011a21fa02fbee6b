import fc from 'fast-check'
import type { SortKey } from '../../../lib/policy/order.ts'
import type { Query } from '../../../lib/source/source.ts'

/** Returns random queries of these paths and values. */
export function queriesOf(paths: readonly string[], values: readonly unknown[]): fc.Arbitrary<Query> {
  const value = fc.constantFrom(...values)
  const scalar = fc.constantFrom(...values.filter((one) => !(one instanceof RegExp)))
  const comparison = fc.oneof(
    fc.tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), scalar),
    fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(value, { maxLength: 4 })),
    fc.tuple(fc.constant('$exists'), fc.boolean()),
  )
  const operators = fc
    .array(comparison, { minLength: 1, maxLength: 2 })
    .map((pairs): Record<string, unknown> => Object.fromEntries(pairs))
  const condition = fc.oneof(
    value,
    operators,
    operators.map(($not) => ({ $not })),
  )
  const { query } = fc.letrec<{ query: Record<string, unknown> }>((tie) => ({
    query: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc
        .array(fc.tuple(fc.constantFrom(...paths), condition), { maxLength: 2 })
        .map((pairs) => Object.fromEntries(pairs)),
      fc
        .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('query'), { minLength: 1, maxLength: 3 }))
        .map(([name, inner]) => ({ [name]: inner })),
    ),
  }))
  return query
}

/** Returns random orders of one to three of these paths. */
export function sortsOf(paths: readonly string[]): fc.Arbitrary<SortKey[]> {
  return fc.uniqueArray(fc.tuple(fc.constantFrom(...paths), fc.constantFrom<(1 | -1)[]>(1, -1)), {
    selector: ([path]) => path,
    minLength: 1,
    maxLength: 3,
  })
}
