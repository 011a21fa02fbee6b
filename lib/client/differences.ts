import type { Document, Id, Json } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import { canonical } from '../model/json.ts'
import type { DocumentListeners, Listener } from './listener.ts'
import type { Store } from './store.ts'

/**
 * Returns a listener of a root that calls the functions for each document that differs. A delta names the
 * documents that it touches, so that the others of a long list cost nothing.
 *
 * @param call calls a function. Errors of the function must not come back
 */
export function differences(
  { added, changed, removed }: DocumentListeners,
  root: string,
  store: Store,
  call: <A extends unknown[]>(listener: ((...args: A) => void) | undefined, ...args: A) => void,
): Listener {
  const known = new Map<string, Document>()
  for (const document of store.data[root] ?? []) known.set(idKey(document._id as Id), document)
  return (documents, event, events) => {
    const ids = events.flatMap((each): (Id | undefined)[] =>
      each.event === 'delta'
        ? each.data.oplist.map(({ id }) => id)
        : [...known.values(), ...documents].map(({ _id }) => _id),
    )
    for (const id of ids as Id[]) {
      const key = idKey(id)
      const before = known.get(key)
      const now = store.find(root, id)
      if (now) known.set(key, now)
      else known.delete(key)
      if (!before) {
        if (now) call(added, now, event)
      } else if (!now) call(removed, before, event)
      // Compares the contents too, since a load brings new objects for documents that did not change.
      else if (now !== before && canonical(now as Json) !== canonical(before as Json))
        call(changed, now, before, event)
    }
  }
}
