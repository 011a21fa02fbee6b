import { changed, type Owned } from './change.ts'
import { pullTest } from './condition.ts'
import type { Document } from './document.ts'
import type { Operation } from './operation.ts'

/**
 * Applies one operation to a document, in place, and returns the document: `undefined` when the operation
 * removed it. `set` of `.` returns `op.data` itself; all other operations on no document (`undefined`) return
 * `undefined`.
 *
 * The returned document is the same object. Changed objects and arrays within it are replaced, so that parts
 * shared with other documents stay unchanged. `op.data` is never changed: after a `set` of `.`, pass on a
 * copy if the data is needed elsewhere. After an error, the document is unchanged.
 *
 * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION`: the path is malformed or refused, the
 *   operation is unknown, its data or the present value does not fit, or the operation writes through a
 *   scalar, renames through an array, or changes `_id`.
 */
export function applyOp(document: Document | undefined, op: Operation): Document | undefined {
  const result = applyToCopy(document, op)
  if (!document || !result || op.path === '.') return result
  for (const key of Object.keys(document)) if (!Object.hasOwn(result, key)) delete document[key]
  for (const key of Object.keys(result)) if (document[key] !== result[key]) document[key] = result[key]
  return document
}

/**
 * Applies one operation like {@link applyOp}, but to a copy: neither the document nor `op.data` is changed,
 * and the result shares all unchanged parts with both. Returns the document itself when nothing changes.
 */
export function applyToCopy(document: Document | undefined, op: Operation): Document | undefined {
  return changed(document, op, pullTest)
}

/**
 * Applies one operation like {@link applyToCopy}, but changes the objects in `owned` in place, and adds its
 * own copies to `owned`.
 */
export function applyOwning(
  document: Document | undefined,
  op: Operation,
  owned: Owned | undefined,
): Document | undefined {
  return changed(document, op, pullTest, owned)
}

/** Applies operations in order to a copy. Copies each object within the document once. */
export function applyAll(document: Document | undefined, ops: readonly Operation[]): Document | undefined {
  const [only] = ops
  if (only && ops.length === 1) return applyToCopy(document, only)
  const owned: Owned = new Set()
  let after = document
  for (const op of ops) after = applyOwning(after, op, owned)
  return after
}
