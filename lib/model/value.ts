import { ParticleError } from '../errors.ts'
import { addToSet, type Conditions, pull, push } from './arrays.ts'
import { isWithin, MAX_DEPTH } from './bounds.ts'
import { compare, equal } from './compare.ts'
import type { Json } from './document.ts'
import { forgetElements } from './elements.ts'
import type { Operation, OperationName } from './operation.ts'

/** Reports that nothing changes. */
export const UNCHANGED = Symbol('unchanged')

/** The operations that never create parents: they change nothing when there is nothing to remove. */
export const REMOVALS: ReadonlySet<string> = new Set(['unset', 'pop', 'pull', 'pullAll', 'truncate'])

/** The data of operations that need not have any. */
export const DEFAULTS: { readonly [N in OperationName]?: Json } = { inc: 1, pop: 1 }

/**
 * Computes the result of an operation for the value at its path (`undefined` for a missing value). Never
 * changes the operation's data, and changes the value only if `owned` holds it. The result may share parts of
 * both.
 *
 * @throws ParticleError `INVALID_OPERATION` for data or a value that does not fit the operation
 */
export function nextValue(
  op: Operation,
  value: Json | undefined,
  conditions?: Conditions,
  owned?: Set<object>,
): Json | undefined | typeof UNCHANGED {
  const { operation, data = DEFAULTS[operation] } = op
  if (operation === 'unset') return value === undefined ? UNCHANGED : undefined
  if (data === undefined) return refuse(op, 'data')
  if (operation === 'set') return data
  if (operation === 'inc' || operation === 'mul') {
    const number = value === undefined ? 0 : value
    if (typeof data !== 'number' || typeof number !== 'number') return refuse(op, 'numbers')
    // Adds zero, because JSON turns -0 into 0.
    return (operation === 'inc' ? number + data : number * data) + 0
  }
  // Limits the data's depth: the comparisons below recurse level by level.
  if (!isWithin(data, MAX_DEPTH)) return refuse(op, `data of at most ${MAX_DEPTH} levels`)
  if (operation === 'min' || operation === 'max') {
    const order = operation === 'min' ? compare(data, value) : compare(value, data)
    return value === undefined || order < 0 ? data : UNCHANGED
  }
  const array = value === undefined ? [] : value
  if (!Array.isArray(array)) return refuse(op, 'an array there')
  // Runs without an array too, for the errors: data that does not fit is refused with and without an array.
  const next = nextArray(op, array, data, conditions, owned)
  if (value === undefined && REMOVALS.has(operation)) return UNCHANGED
  owned?.add(next)
  return next
}

function nextArray(
  op: Operation,
  array: Json[],
  data: Json,
  conditions?: Conditions,
  owned?: Set<object>,
): Json[] {
  // Copies only once the operation is certain to succeed: an owned array is changed in place.
  const own = () => (owned?.has(array) ? array : [...array])
  switch (op.operation) {
    case 'push':
      return push(own, data)
    case 'addToSet':
      return addToSet(own, data)
    case 'pull':
      return pull(array, data, conditions)
    case 'pop':
      if (data !== 1 && data !== -1) return refuse(op, '1 or -1 as data')
      return data === 1 ? cut(own(), -1) : array.slice(1)
    case 'truncate':
      if (!Number.isInteger(data) || Number(data) < 0) return refuse(op, 'a length as data')
      return cut(own(), Number(data))
  }
  if (!Array.isArray(data)) return refuse(op, 'an array as data')
  return op.operation === 'pushAll'
    ? add(own(), data)
    : array.filter((item) => !data.some((value) => equal(item, value)))
}

/** Cuts an array to its first elements, like `slice(0, end)`, but in place. */
function cut(array: Json[], end: number): Json[] {
  forgetElements(array)
  array.length = end < 0 ? Math.max(array.length + end, 0) : Math.min(array.length, end)
  return array
}

/** Adds values one by one, because a spread of very many values would exhaust the stack. */
function add(array: Json[], values: readonly Json[]): Json[] {
  for (const value of values) array.push(value)
  return array
}

/**
 * Throws `INVALID_OPERATION` with the operation's requirement. Leaves out the data, because errors may be
 * logged.
 */
export function refuse(op: Operation, need: string): never {
  throw new ParticleError('INVALID_OPERATION', `The operation ${op.operation} of ${op.path} needs ${need}.`)
}
