import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { pendingOf } from '../bindings/pending.ts'
import {
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
 * Returns the documents of a root, or the value that a selector finds in them. The component renders again
 * when that value changes: another object, or an array with other elements. A changed document is a new
 * object, so `memo` on a row works.
 */
export function useParticle<M, Root extends keyof ModelOf<M> & string, S = Readonly<ModelOf<M>[Root]>>(
  client: Client<M>,
  root: Root,
  selector?: Selector<M, Root, S>,
): S {
  const shown = useRef<S | undefined>(undefined)
  const readable = useMemo(
    () => readRoot(client, root, selector, () => shown.current),
    [client, root, selector],
  )
  const value = useReadable(readable)
  useEffect(() => {
    shown.current = value
  }, [value])
  return value
}

/**
 * Watches a source with parameters while the component is mounted. Returns the documents, their status, and
 * the error of a refusal. Other parameters show the other root at once.
 *
 * @throws ParticleError `INVALID_OPTION` when `params` is not an object
 */
export function useWatch<M, Source extends keyof WatchesOf<M> & string>(
  client: Client<M>,
  source: Source,
  params: WatchParams<WatchesOf<M>, Source>,
): WatchState<WatchDocument<WatchesOf<M>, Source>> {
  const root = watchName(source, params)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the name of the root stands for the parameters.
  return useReadable(useMemo(() => readWatch(client, source, params), [client, root]))
}

/** Returns the state of the connection. */
export function useStatus<M>(client: Client<M>): Status {
  return useReadable(useMemo(() => readStatus(client), [client]))
}

/**
 * Suspends the component until the model has arrived, or the watched root: the next `Suspense` above shows
 * its fallback. The component is not suspended again while the client reconnects.
 *
 * @throws ParticleError when the server refuses the client or the root, for the next error boundary
 */
export function useReady<M>(client: Client<M>): void
export function useReady<M, Source extends keyof WatchesOf<M> & string>(
  client: Client<M>,
  source: Source,
  params: WatchParams<WatchesOf<M>, Source>,
): void
export function useReady(client: object, source?: string, params?: unknown): void {
  const promise = pendingOf(client as Client, source, params)
  if (promise) throw promise
}

function useReadable<T>({ subscribe, getSnapshot, getServerSnapshot }: Readable<T>): T {
  return useSyncExternalStore(subscribe, getSnapshot, getServerSnapshot)
}
