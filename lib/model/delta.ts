import { ParticleError } from '../errors.ts'
import { DocumentList } from './collection.ts'
import type { Document, Model } from './document.ts'
import type { Delta } from './operation.ts'
import { isRefusedName } from './path.ts'

/** The index of each list that a delta was applied to; it goes when the list goes. */
const lists = new WeakMap<Document[], DocumentList>()

/**
 * Applies a delta to a model and returns the model. The root's list is changed in place (it is made where
 * there is none); documents are replaced by changed copies, as in {@link DocumentList}, so that `delta` may
 * be applied to other models too.
 *
 * The list is indexed once. Whoever changes it by other means must change its length, or put a new array in
 * its place: an element that was swapped for one of another `_id` may go unnoticed.
 *
 * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION` at the first operation that is invalid. Those
 *   before it stay applied; that one and those after it change nothing.
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
