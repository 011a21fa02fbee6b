import { ParticleError } from '../errors.ts'
import { addToSet, pull, pullAll, push } from './arrays.ts'
import { compare } from './compare.ts'
import type { Json } from './document.ts'
import type { Operation } from './operation.ts'

/** What stands for "leave all as it is". */
export const UNCHANGED = Symbol('unchanged')

/** Operations that change nothing where there is nothing: they never create parents. */
export const REMOVALS: ReadonlySet<string> = new Set(['unset', 'pop', 'pull', 'pullAll', 'truncate'])

/**
 * The value that an operation makes of the one at its path (`undefined`: there is none). Pure: neither the value nor
 * the operation's data is changed, though the result may share parts of both.
 *
 * @throws ParticleError `INVALID_OPERATION` where the operation is unknown, or its data or the value does not fit it.
 */
export function nextValue(op: Operation, value: Json | undefined): Json | undefined | typeof UNCHANGED {
  const { operation, data } = op
  switch (operation) {
    case 'set':
      return given(op)
    case 'unset':
      return value === undefined ? UNCHANGED : undefined
    case 'inc':
      return number(op, value === undefined ? 0 : value) + operand(op)
    case 'mul':
      // Adding zero makes -0 a 0, which is what JSON makes of it.
      return number(op, value === undefined ? 0 : value) * operand(op) + 0
    case 'min':
      return value === undefined || compare(given(op), value) < 0 ? given(op) : UNCHANGED
    case 'max':
      return value === undefined || compare(given(op), value) > 0 ? given(op) : UNCHANGED
    case 'push':
      return push(array(op, value === undefined ? [] : value), given(op))
    case 'pushAll':
      return [...array(op, value === undefined ? [] : value), ...many(op)]
    case 'addToSet':
      return addToSet(array(op, value === undefined ? [] : value), given(op))
    case 'pop': {
      if (data !== 1 && data !== -1) return refuse(op, 'needs 1 or -1 as data')
      if (value === undefined) return UNCHANGED
      return data === 1 ? array(op, value).slice(0, -1) : array(op, value).slice(1)
    }
    case 'pull': {
      const wanted = given(op)
      // Run for its errors too: data that is no condition is refused whether there is an array or not.
      const left = pull(value === undefined ? [] : array(op, value), wanted)
      return value === undefined ? UNCHANGED : left
    }
    case 'pullAll': {
      const unwanted = many(op)
      return value === undefined ? UNCHANGED : pullAll(array(op, value), unwanted)
    }
    case 'truncate': {
      if (!Number.isInteger(data) || Number(data) < 0) return refuse(op, 'needs a length as data')
      if (value === undefined) return UNCHANGED
      return array(op, value).length > Number(data) ? array(op, value).slice(0, Number(data)) : UNCHANGED
    }
    case 'noop':
      return UNCHANGED
    default:
      return refuse(op, 'is unknown')
  }
}

/** Throws `INVALID_OPERATION` with a sentence about an operation. Its data is not told, since errors may be logged. */
export function refuse(op: Operation, reason: string): never {
  throw new ParticleError('INVALID_OPERATION', `The operation ${op.operation} of ${op.path} ${reason}.`)
}

function given(op: Operation): Json {
  return op.data === undefined ? refuse(op, 'needs data') : op.data
}

function many(op: Operation): Json[] {
  return Array.isArray(op.data) ? op.data : refuse(op, 'needs an array as data')
}

function operand(op: Operation): number {
  return typeof op.data === 'number' ? op.data : refuse(op, 'needs a number as data')
}

function number(op: Operation, value: Json): number {
  return typeof value === 'number' ? value : refuse(op, 'needs a number there')
}

function array(op: Operation, value: Json): Json[] {
  return Array.isArray(value) ? value : refuse(op, 'needs an array there')
}
