import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { canonical, isObject, toJson } from '../../model/json.ts'
import type { Operation } from '../../model/operation.ts'

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

/** Checks that a field still has its value. */
export function unchanged(before: Json | undefined, after: Json): boolean {
  return before !== undefined && canonical(before) === canonical(after)
}
