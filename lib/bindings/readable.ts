import type { Client } from '../client/client.ts'
import type { Status } from '../client/state.ts'
import type { Watch, WatchStatus } from '../client/watch.ts'
import { watchName } from '../client/watch-name.ts'
import { ParticleError } from '../errors.ts'
import type { ModelOf, WatchDocument, WatchesOf, WatchParams } from '../model/shape.ts'

/** Holds a value that changes. */
export interface Readable<T> {
  /** Returns the value, which is the same object until a change. */
  getSnapshot(): T
  /** Returns the value of a server's HTML. */
  getServerSnapshot(): T
  /** Calls the listener after changes. Returns a function that ends the subscription. */
  subscribe(listener: () => void): () => void
}

/** Selects a value from the documents of a root. */
export type Selector<M, Root extends keyof ModelOf<M>, S> = (documents: Readonly<ModelOf<M>[Root]>) => S

/** Shows the documents of a watched root, and their status. An object of this type never changes. */
export interface WatchState<D> {
  /** The documents. The array is empty until all documents have arrived. */
  readonly data: readonly D[]
  readonly status: WatchStatus
  /** The reason of a refusal: `FORBIDDEN`, `INVALID_PARAMS` or `LIMIT_EXCEEDED`. */
  readonly error: ParticleError | undefined
  /**
   * Asks for so many more documents of a source with a `limit`. Resolves to the documents. Rejects as
   * `ready()` of a watch does, also (`CLOSED`) before the component is mounted.
   */
  readonly more: (count: number) => Promise<D[]>
}

/** Whether there is no page. A server renders each component once, and calls no cleanup. */
export const isServer = typeof document === 'undefined'

/**
 * Reads the documents of a root through a selector. The value is the same until another value is selected.
 * Two arrays with the same elements count as the same value, so that `filter` in a selector works.
 *
 * @param shown returns the value of an earlier selector for the same place
 */
export function readRoot<M, Root extends keyof ModelOf<M> & string, S>(
  client: Client<M>,
  root: Root,
  selector: Selector<M, Root, S> = (documents) => documents as S,
  shown: () => S | undefined = () => undefined,
): Readable<S> {
  const selection = (read: typeof client.getSnapshot) => {
    let last: { documents: Readonly<ModelOf<M>[Root]>; selected: S } | undefined
    return () => {
      const documents = read(root)
      if (last?.documents === documents) return last.selected
      const before = last ? last.selected : shown()
      const next = selector(documents)
      last = { documents, selected: before !== undefined && isSame(before, next) ? before : next }
      return last.selected
    }
  }
  const getSnapshot = selection(client.getSnapshot)
  const getServerSnapshot = isServer ? getSnapshot : selection(client.getServerSnapshot)
  return { getSnapshot, getServerSnapshot, subscribe: client.subscribe }
}

/** Reads the state of the connection. A server renders the status of a new client. */
export function readStatus<M>(client: Client<M>): Readable<Status> {
  return {
    getSnapshot: () => client.status,
    getServerSnapshot: () => (Object.keys(client.getServerSnapshot()).length > 0 ? 'stale' : 'connecting'),
    subscribe: client.subscribe,
  }
}

/**
 * Reads a watched root. The root is watched while there are subscribers. Before that, the documents are those
 * of another watch, or of a watch that was closed a moment ago.
 */
export function readWatch<M, Source extends keyof WatchesOf<M> & string>(
  client: Client<M>,
  source: Source,
  params: WatchParams<WatchesOf<M>, Source>,
): Readable<WatchState<WatchDocument<WatchesOf<M>, Source>>> {
  type D = WatchDocument<WatchesOf<M>, Source>
  const root = watchName(source, params)
  const watches = new Set<Watch<D>>()
  const read = (get: (root: never) => unknown) => get(root as never) as readonly D[]
  const more = (count: number) => {
    const [watch] = watches
    const error = new ParticleError('CLOSED', `"${root}" is not watched: call more(count) after the mount.`)
    return watch ? watch.more(count) : Promise.reject(error)
  }
  const stable = () => {
    let last: WatchState<D> | undefined
    return (data: readonly D[], status: WatchStatus, error?: ParticleError) => {
      if (last?.data !== data || last.status !== status || last.error !== error)
        last = { data, status, error, more }
      return last
    }
  }
  const [state, serverState] = [stable(), stable()]
  return {
    getSnapshot: () => {
      const [watch] = watches
      if (watch) return state(watch.getSnapshot(), watch.status, watch.error)
      const { status } = client
      const isShown = (status === 'ready' || status === 'stale') && Object.hasOwn(client.data, root)
      return state(read(client.getSnapshot), isShown ? status : 'waiting')
    },
    getServerSnapshot: () => {
      const status = Object.hasOwn(client.getServerSnapshot(), root) ? 'stale' : 'waiting'
      return serverState(read(isServer ? client.getSnapshot : client.getServerSnapshot), status)
    },
    subscribe: (listener) => {
      const watch = client.watch(source, params)
      watches.add(watch)
      const end = watch.subscribe(listener)
      return () => {
        end()
        watches.delete(watch)
        watch.close()
      }
    },
  }
}

/** Shows each value that differs from the last one. Returns a function that ends it. */
export function follow<T>(readable: Readable<T>, show: (value: T) => void): () => void {
  let last = readable.getSnapshot()
  const check = () => {
    const value = readable.getSnapshot()
    if (value === last) return
    last = value
    show(value)
  }
  const stop = readable.subscribe(check)
  // The subscription itself may have changed the value: it opens a watch.
  check()
  return stop
}

/** Returns a value that may be given as a function. */
export function resolve<T>(value: T | (() => T)): T {
  return typeof value === 'function' ? (value as () => T)() : value
}

function isSame<S>(before: S, next: S): boolean {
  if (!Array.isArray(before) || !Array.isArray(next)) return Object.is(before, next)
  return before.length === next.length && before.every((element, at) => Object.is(element, next[at]))
}
