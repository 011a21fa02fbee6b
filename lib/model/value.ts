import { ParticleError } from '../errors.ts'
import { addToSet, type Conditions, pull, push } from './arrays.ts'
import { isWithin, MAX_DEPTH } from './bounds.ts'
import { compare, equal } from './compare.ts'
import type { Json } from './document.ts'
import type { Operation, OperationName } from './operation.ts'

/** What stands for "leave all as it is". */
export const UNCHANGED = Symbol('unchanged')

/** Operations that change nothing where there is nothing: they never create parents. */
export const REMOVALS: ReadonlySet<string> = new Set(['unset', 'pop', 'pull', 'pullAll', 'truncate'])

/** The data of operations that need not have any. */
export const DEFAULTS: { readonly [N in OperationName]?: Json } = { inc: 1, pop: 1 }

/**
 * The value that an operation makes of the one at its path (`undefined`: there is none). The operation's data
 * is never changed,
 * and the value only where `owned` holds it; the result may share parts of both.
 *
 * @throws ParticleError `INVALID_OPERATION` where the operation's data or the value does not fit it.
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
  switch (operation) {
    case 'set':
      return data
    case 'inc':
    case 'mul': {
      const number = value === undefined ? 0 : value
      if (typeof data !== 'number' || typeof number !== 'number') return refuse(op, 'numbers')
      // Adding zero makes -0 a 0, which is what JSON makes of it.
      return (operation === 'inc' ? number + data : number * data) + 0
    }
    case 'min':
    case 'max': {
      if (!isWithin(data, MAX_DEPTH)) return refuse(op, `data of at most ${MAX_DEPTH} levels`)
      const order = value === undefined ? 0 : compare(data, value)
      return value === undefined || (operation === 'min' ? order < 0 : order > 0) ? data : UNCHANGED
    }
  }
  // What follows compares the data level by level.
  if (!isWithin(data, MAX_DEPTH)) return refuse(op, `data of at most ${MAX_DEPTH} levels`)
  const array = value === undefined ? [] : value
  if (!Array.isArray(array)) return refuse(op, 'an array there')
  // Done to no array too, for the errors: data that does not fit is refused whether there is an array or not.
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
  // Made where an operation is certain to be done: an owned array is changed in place.
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

/** Cuts an array to its first elements, as `slice(0, end)` does. */
function cut(array: Json[], end: number): Json[] {
  array.length = end < 0 ? Math.max(array.length + end, 0) : Math.min(array.length, end)
  return array
}

/** Adds values one by one: a spread of very many would exhaust the stack. */
function add(array: Json[], values: readonly Json[]): Json[] {
  for (const value of values) array.push(value)
  return array
}

/**
 * Throws `INVALID_OPERATION` with what an operation needs. Its data is not told, since errors may be logged.
 */
export function refuse(op: Operation, need: string): never {
  throw new ParticleError('INVALID_OPERATION', `The operation ${op.operation} of ${op.path} needs ${need}.`)
}
