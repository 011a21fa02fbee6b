import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { canonical, field, isObject, toJson } from '../../model/json.ts'
import type { Operation } from '../../model/operation.ts'
import { parsePath } from '../../model/path.ts'

/** Returns the operations of an update. Throws `INVALID_OPERATION`. */
export function changesOf(changes: unknown): Operation[] {
  if (Array.isArray(changes)) return changes
  if (!isObject(changes)) {
    throw new ParticleError(
      'INVALID_OPERATION',
      'update(id, changes) takes fields, { name: value }, or a list of operations',
    )
  }
  return Object.entries(changes).map(([path, value]) =>
    value === undefined ? { operation: 'unset', path } : { operation: 'set', path, data: toJson(value) },
  )
}

/**
 * Adds the path's segments to an operation: the document after it distinguishes positions of arrays from
 * fields with numeric names.
 */
export function located(operation: Operation, after: Document): Operation {
  if (operation.path === '.') return operation
  const keys: (string | number)[] = []
  let node: Json | undefined = after as Json
  for (const segment of parsePath(operation.path)) {
    if (typeof segment !== 'string') return operation
    keys.push(Array.isArray(node) ? Number(segment) : segment)
    node = typeof node === 'object' && node !== null ? field(node, segment) : undefined
  }
  return { ...operation, keys }
}

/** Checks that a field still has its value. */
export function unchanged(before: Json | undefined, after: Json): boolean {
  return before !== undefined && canonical(before) === canonical(after)
}
