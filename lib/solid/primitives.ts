import { type Accessor, createComputed, createMemo, createSignal, onCleanup, untrack } from 'solid-js'
import {
  follow,
  isServer,
  type Readable,
  readRoot,
  readStatus,
  readWatch,
  resolve,
  type Selector,
  type WatchState,
} from '../bindings/readable.ts'
import type { Client } from '../client/client.ts'
import type { Status } from '../client/state.ts'
import { watchName } from '../client/watch-name.ts'
import type { ModelOf, WatchDocument, WatchesOf, WatchParams } from '../model/shape.ts'

/**
 * Returns an accessor of a root's documents, or of the value that a selector finds in them. The accessor
 * changes with that value: another object, or an array with other elements. Draw a list by `For`, which makes
 * new rows for changed documents alone. `root` may be an accessor.
 */
export function useParticle<M, Root extends keyof ModelOf<M> & string, S = Readonly<ModelOf<M>[Root]>>(
  client: Client<M>,
  root: Root | Accessor<Root>,
  selector?: Selector<M, Root, S>,
): Accessor<S> {
  return useReadable(
    (name) => readRoot(client, name, selector),
    () => resolve(root),
  )
}

/**
 * Watches a source with parameters until the owner is disposed. Returns an accessor of the documents, their
 * status, and the error of a refusal. `params` may be an accessor: other parameters show the other root at
 * once.
 *
 * @throws ParticleError `INVALID_OPTION` when `params` is not an object
 */
export function useWatch<M, Source extends keyof WatchesOf<M> & string>(
  client: Client<M>,
  source: Source,
  params: WatchParams<WatchesOf<M>, Source> | Accessor<WatchParams<WatchesOf<M>, Source>>,
): Accessor<WatchState<WatchDocument<WatchesOf<M>, Source>>> {
  return useReadable(
    () => readWatch(client, source, resolve(params)),
    () => watchName(source, resolve(params)),
  )
}

/** Returns an accessor of the connection's state. */
export function useStatus<M>(client: Client<M>): Accessor<Status> {
  return useReadable(() => readStatus(client))
}

/** Shows the readable of a key, and of each other key before anything is rendered with it. */
function useReadable<K extends string, T>(
  open: (key: K) => Readable<T>,
  key: () => K = () => '' as K,
): Accessor<T> {
  const name = createMemo(key)
  const readable = createMemo(() => {
    const next = name()
    return untrack(() => open(next))
  })
  const [changes, notify] = createSignal<void>(undefined, { equals: false })
  if (!isServer) createComputed(() => onCleanup(follow(readable(), () => notify())))
  return createMemo(() => {
    changes()
    return readable().getSnapshot()
  })
}
