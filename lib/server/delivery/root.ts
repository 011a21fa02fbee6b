import type { ViewDigest } from '../view/difference.ts'
import type { View } from '../view/view.ts'

/**
 * Names the state of a root:
 *
 *    waiting --start--> loading --all changes sent--> live (each frame is passed on)
 *                          ^--- reset, difference, other rights, slow client ---'
 *
 * `waiting`: the resume plan is not known yet. `loading`: the client gets the
 * missing data. `live`: the client is up to date.
 */
type RootState = 'waiting' | 'loading' | 'live'

/** Holds one root of a client. */
export interface Root {
  view: View
  state: RootState
  /**
   * Whether the other roots of the adapter are shown without this one: the client has no data of this root,
   * or the root has failed. The root is shown with the others again from its next data on.
   */
  apart: boolean
  /** Counts the loads of the root. Asynchronous work of an earlier load is discarded. */
  generation: number
  /** The failure that the client was told of, once in an outage, until the root is reset or live again. */
  failure?: string | undefined
  /** The client's data while a catch-up delta from it is computed, and nothing of the delta was sent. */
  known?: ViewDigest | undefined
  /**
   * Whether the client watches the root only since its last position, and was never `ready` with it. The
   * other roots keep their positions meanwhile.
   */
  joining?: boolean
  /** Whether the client no longer watches the root. */
  isGone?: boolean
}

/**
 * Finds the root of a view. A list suffices for the few roots, and takes less memory per client than a map.
 */
export function rootOf(roots: readonly Root[], { root }: View): Root | undefined {
  return roots.find(({ view }) => view.root === root)
}

/** Returns the roots that none of the views has, and the views that none of the roots has. */
export function setChanges(
  roots: readonly Root[],
  views: readonly View[],
): { removed: readonly Root[]; added: readonly View[] } {
  const names = new Set(views.map(({ root }) => root))
  return {
    removed: roots.filter(({ view }) => !names.has(view.root)),
    added: views.filter((view) => !rootOf(roots, view)),
  }
}

/** Returns the roots whose view changes, with their new views. */
export function changesTo(
  roots: readonly Root[],
  views: readonly View[],
): { root: Root; view: View; old: View }[] {
  return views.flatMap((view) => {
    const root = rootOf(roots, view)
    return root && root.view !== view ? [{ root, view, old: root.view }] : []
  })
}

/** Returns the data that the client has of a root; undefined while it gets the data. */
export function dataOf({ state, view, known }: Root): ViewDigest | undefined {
  return state === 'live' ? view.known() : known
}
