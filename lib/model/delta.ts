import { ParticleError } from '../errors.ts'
import { DocumentList } from './collection.ts'
import type { Document, Model } from './document.ts'
import type { Delta } from './operation.ts'
import { isRefusedName } from './path.ts'

/** Keeps the index of each list to which a delta was applied, for the list's lifetime. */
const lists = new WeakMap<Document[], DocumentList>()

/**
 * Applies a delta to a model and returns the model. Changes the root's list in place, and creates a missing
 * list. Replaces documents by changed copies, as {@link DocumentList} does, so that `delta` may be applied to
 * other models too.
 *
 * Indexes the list once. Code that changes the list by other means must change its length, or assign a new
 * array: a swapped element with another `_id` may go unnoticed.
 *
 * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION` at the first invalid operation. The operations
 *   before it stay applied; the invalid operation and all later ones change nothing.
 */
export function applyDelta(model: Model, delta: Delta): Model {
  const { root, oplist } = delta
  if (isRefusedName(root)) {
    throw new ParticleError('INVALID_PATH', `A root can't have the name ${root}.`)
  }
  let documents = Object.hasOwn(model, root) ? model[root] : undefined
  if (documents === undefined) {
    documents = []
    model[root] = documents
  }
  let list = lists.get(documents)
  if (list === undefined) {
    list = new DocumentList(documents)
    lists.set(list.list, list)
  }
  try {
    list.apply(oplist)
  } finally {
    list.refresh()
  }
  return model
}
