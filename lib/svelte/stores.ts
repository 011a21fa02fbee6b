import { createSubscriber } from 'svelte/reactivity'
import {
  follow,
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

/** Holds a value for components: by runes as `users.current`, or as the store `$users`. */
export interface Live<T> {
  /** Returns the value. Templates, `$derived` and `$effect` follow its changes. */
  readonly current: T
  /** Calls `run` with the value, now and after each change. Returns a function that ends the subscription. */
  subscribe(run: (value: T) => void): () => void
}

/** Returns the documents of a root, or the value that a selector finds. `root` may be a function of runes. */
export function useParticle<M, Root extends keyof ModelOf<M> & string, S = Readonly<ModelOf<M>[Root]>>(
  client: Client<M>,
  root: Root | (() => Root),
  selector?: Selector<M, Root, S>,
): Live<S> {
  return live(
    (name) => readRoot(client, name, selector),
    () => resolve(root),
  )
}

/**
 * Watches a source with parameters while a component shows the value. The value has the documents, their
 * status, and the error of a refusal. `params` may be a function of runes: `() => ({ room })`.
 */
export function useWatch<M, Source extends keyof WatchesOf<M> & string>(
  client: Client<M>,
  source: Source,
  params: WatchParams<WatchesOf<M>, Source> | (() => WatchParams<WatchesOf<M>, Source>),
): Live<WatchState<WatchDocument<WatchesOf<M>, Source>>> {
  return live(
    () => readWatch(client, source, resolve(params)),
    () => watchName(source, resolve(params)),
  )
}

/** Returns the state of the connection. */
export function useStatus<M>(client: Client<M>): Live<Status> {
  return live(() => readStatus(client))
}

/** Shows the readable of a key, and of another key as soon as a value is read. */
function live<K extends string, T>(open: (key: K) => Readable<T>, key: () => K = () => '' as K): Live<T> {
  let last: { name: K; readable: Readable<T>; track: () => void } | undefined
  const opened = () => {
    const name = key()
    if (last?.name === name) return last
    const readable = open(name)
    last = { name, readable, track: createSubscriber((update) => follow(readable, update)) }
    return last
  }
  return {
    get current() {
      const { readable, track } = opened()
      track()
      return readable.getSnapshot()
    },
    subscribe(run) {
      const { readable } = opened()
      run(readable.getSnapshot())
      return follow(readable, run)
    },
  }
}
