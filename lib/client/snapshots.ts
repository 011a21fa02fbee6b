import { EMPTY } from './store.ts'

/** Returns immutable snapshots of one root or of the whole model. */
export interface Snapshots<M> {
  /**
   * Returns a root's current documents, frozen. The array is the same until the documents change, and empty
   * for an unknown root. An array of more than 10,000 documents is a `Proxy`: pass a copy (`[...array]`) to
   * `structuredClone` or `postMessage`.
   */
  <R extends keyof M & string>(root: R): Readonly<M[R]>
  /**
   * Returns the whole current model, frozen. The object is the same until the model changes. A root is in the
   * model once all of its documents have arrived.
   */
  (): { readonly [R in keyof M]?: Readonly<M[R]> }
}

/** Returns the snapshots of a model that stays as it is. */
export function snapshotsOf<M>(model: object): Snapshots<M> {
  return (root?: string): never =>
    (root === undefined ? model : Object.hasOwn(model, root) ? Reflect.get(model, root) : EMPTY) as never
}
