import { isObject } from '../model/json.ts'
import type { WireOperation } from '../protocol/messages.ts'
import { cut, printable, valueText } from './text.ts'

/** Limits the characters of a path in a sentence. */
const MAX_PATH = 120

/** Describes an operation for people, without its document: `salary changed: 6000`. */
export function describeOperation(op: WireOperation): string {
  return op.path === '.' ? ofDocument(op) : `${cut(printable(op.path), MAX_PATH)} ${ofField(op)}`
}

function ofDocument({ operation, data, at }: WireOperation): string {
  const place = at === undefined ? '' : `, at place ${at + 1}`
  if (operation === 'unset') return 'removed'
  if (operation === 'noop') return at === undefined ? 'unchanged' : `moved to place ${at + 1}`
  return operation === 'set' ? `is ${valueText(data)}${place}` : `${operation} ${valueText(data)}${place}`
}

function ofField({ operation, data }: WireOperation): string {
  switch (operation) {
    case 'set':
      return `changed: ${valueText(data)}`
    case 'unset':
      return 'removed'
    case 'inc':
      return `changed: ${Number(data ?? 1) < 0 ? '' : '+'}${valueText(data ?? 1)}`
    case 'mul':
      return `changed: × ${valueText(data)}`
    case 'min':
      return `changed: at most ${valueText(data)}`
    case 'max':
      return `changed: at least ${valueText(data)}`
    case 'rename':
      return `renamed: ${typeof data === 'string' ? cut(printable(data), MAX_PATH) : valueText(data)}`
    case 'push':
    case 'addToSet':
      return isObject(data) && Array.isArray(data.$each) ? gained(data.$each) : gained([data])
    case 'pushAll':
      return gained(Array.isArray(data) ? data : [data])
    case 'pop':
      return `lost its ${data === -1 ? 'first' : 'last'} element`
    case 'pull':
      return `lost: ${valueText(data)}`
    case 'pullAll':
      return `lost: ${list(data)}`
    case 'truncate':
      return `shortened: ${valueText(data)} elements`
    default:
      return 'unchanged'
  }
}

function gained(elements: readonly unknown[]): string {
  return `gained: ${list(elements)}`
}

/** Writes the elements of an array without its brackets. */
function list(elements: unknown): string {
  return Array.isArray(elements) && elements.length > 0
    ? cut(
        elements
          .slice(0, 10)
          .map((element) => valueText(element))
          .join(', '),
        200,
      )
    : 'nothing'
}
