import { type MaybeRefOrGetter, onScopeDispose, type ShallowRef, shallowRef, toValue, watch } from 'vue'
import {
  follow,
  isServer,
  type Readable,
  readRoot,
  readStatus,
  readWatch,
  type Selector,
  type WatchState,
} from '../bindings/readable.ts'
import type { Client } from '../client/client.ts'
import type { Status } from '../client/state.ts'
import { watchName } from '../client/watch-name.ts'
import type { ModelOf, WatchDocument, WatchesOf, WatchParams } from '../model/shape.ts'

/**
 * Returns a ref of a root's documents, or of the value that a selector finds in them. The ref changes with
 * that value: another object, or an array with other elements. `root` may be a ref or a getter.
 */
export function useParticle<M, Root extends keyof ModelOf<M> & string, S = Readonly<ModelOf<M>[Root]>>(
  client: Client<M>,
  root: MaybeRefOrGetter<Root>,
  selector?: Selector<M, Root, S>,
): Readonly<ShallowRef<S>> {
  return useReadable(
    (name) => readRoot(client, name, selector),
    () => toValue(root),
  )
}

/**
 * Watches a source with parameters until the scope ends. Returns a ref of the documents, their status, and
 * the error of a refusal. `params` may be a ref or a getter: other parameters show the other root at once.
 *
 * @throws ParticleError `INVALID_OPTION` when `params` is not an object
 */
export function useWatch<M, Source extends keyof WatchesOf<M> & string>(
  client: Client<M>,
  source: Source,
  params: MaybeRefOrGetter<WatchParams<WatchesOf<M>, Source>>,
): Readonly<ShallowRef<WatchState<WatchDocument<WatchesOf<M>, Source>>>> {
  return useReadable(
    () => readWatch(client, source, toValue(params)),
    () => watchName(source, toValue(params)),
  )
}

/** Returns a ref of the connection's state. */
export function useStatus<M>(client: Client<M>): Readonly<ShallowRef<Status>> {
  return useReadable(() => readStatus(client))
}

/** Shows the readable of a key, and of each other key before anything is rendered with it. */
function useReadable<K extends string, T>(
  open: (key: K) => Readable<T>,
  key: () => K = () => '' as K,
): ShallowRef<T> {
  const first = open(key())
  const value = shallowRef(first.getSnapshot())
  if (isServer) return value
  const show = (next: T) => {
    value.value = next
  }
  let stop = follow(first, show)
  const change = (name: K) => {
    stop()
    const readable = open(name)
    show(readable.getSnapshot())
    stop = follow(readable, show)
  }
  watch(key, change, { flush: 'sync' })
  onScopeDispose(() => stop())
  return value
}
