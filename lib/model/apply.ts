import { changed, type Owned } from './change.ts'
import { pullTest } from './condition.ts'
import type { Document } from './document.ts'
import type { Operation } from './operation.ts'

/**
 * Applies one operation to a document, in place, and returns the document: `undefined` when the operation
 * removed it. `set` of `.` returns `op.data` itself; all other operations on no document (`undefined`) return
 * `undefined`.
 *
 * The document is the same object, but the objects and arrays within it that change are replaced, so that
 * what it shares with others stays as it is. `op.data` is never changed: after a `set` of `.`, pass on a copy
 * of it if the data is needed elsewhere. Where it throws, the document is as it was.
 *
 * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION`: the path is malformed or refused, the
 *   operation is unknown, its data or the value there does not fit it, it writes through a scalar, it renames
 *   through an array, or it changes `_id`.
 */
export function applyOp(document: Document | undefined, op: Operation): Document | undefined {
  const result = applyToCopy(document, op)
  if (!document || !result || op.path === '.') return result
  for (const key of Object.keys(document)) if (!Object.hasOwn(result, key)) delete document[key]
  for (const key of Object.keys(result)) if (document[key] !== result[key]) document[key] = result[key]
  return document
}

/**
 * The same as {@link applyOp}, but on a copy: neither the document nor `op.data` is changed, and the result
 * shares with both what did not change. The document itself is returned where there was nothing to do.
 */
export function applyToCopy(document: Document | undefined, op: Operation): Document | undefined {
  return changed(document, op, pullTest)
}

/** The same as {@link applyToCopy}, but what `owned` holds is changed in place; copies are added to it. */
export function applyOwning(
  document: Document | undefined,
  op: Operation,
  owned: Owned | undefined,
): Document | undefined {
  return changed(document, op, pullTest, owned)
}

/** Applies operations in order to a copy, which copies each object within it once. */
export function applyAll(document: Document | undefined, ops: readonly Operation[]): Document | undefined {
  const owned: Owned = new Set()
  let after = document
  for (const op of ops) after = applyOwning(after, op, owned)
  return after
}
