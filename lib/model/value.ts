import { ParticleError } from '../errors.ts'
import { addToSet, type Conditions, pull, push } from './arrays.ts'
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
 * The value that an operation makes of the one at its path (`undefined`: there is none). Pure: neither the
 * value nor the operation's data is changed, though the result may share parts of both.
 *
 * @throws ParticleError `INVALID_OPERATION` where the operation's data or the value does not fit it.
 */
export function nextValue(
  op: Operation,
  value: Json | undefined,
  conditions?: Conditions,
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
      const order = value === undefined ? 0 : compare(data, value)
      return value === undefined || (operation === 'min' ? order < 0 : order > 0) ? data : UNCHANGED
    }
  }
  const array = value === undefined ? [] : value
  if (!Array.isArray(array)) return refuse(op, 'an array there')
  // Done to no array too, for the errors: data that does not fit is refused whether there is an array or not.
  const next = nextArray(op, array, data, conditions)
  return value === undefined && REMOVALS.has(operation) ? UNCHANGED : next
}

function nextArray(op: Operation, array: Json[], data: Json, conditions?: Conditions): Json[] {
  switch (op.operation) {
    case 'push':
      return push(array, data)
    case 'addToSet':
      return addToSet(array, data)
    case 'pull':
      return pull(array, data, conditions)
    case 'pop':
      if (data !== 1 && data !== -1) return refuse(op, '1 or -1 as data')
      return data === 1 ? array.slice(0, -1) : array.slice(1)
    case 'truncate':
      if (!Number.isInteger(data) || Number(data) < 0) return refuse(op, 'a length as data')
      return array.slice(0, Number(data))
  }
  if (!Array.isArray(data)) return refuse(op, 'an array as data')
  return op.operation === 'pushAll'
    ? [...array, ...data]
    : array.filter((item) => !data.some((value) => equal(item, value)))
}

/**
 * Throws `INVALID_OPERATION` with what an operation needs. Its data is not told, since errors may be logged.
 */
export function refuse(op: Operation, need: string): never {
  throw new ParticleError('INVALID_OPERATION', `The operation ${op.operation} of ${op.path} needs ${need}.`)
}
