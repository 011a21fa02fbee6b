import type { Document } from '../../model/document.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { SortLimit } from '../../policy/order.ts'
import type { Query } from '../../source/source.ts'
import type { Feed } from '../feed/feed.ts'
import type { Frame } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { ViewDigest } from './difference.ts'

/** A view, as those who look at it tell it from the others. */
export interface Observed {
  readonly root: string
}

/** Who gets what a view shows. */
export interface Receiver {
  deliver(view: Observed, entry: Entry, frame: Frame): void
}

/** Who looks at a view. */
export interface Viewer {
  /** What was shown is void, and the view is read again. */
  reset(view: Observed, reason: string): void
  /** What happened is not known; `known` is what was shown before. */
  differ(view: Observed, known: ViewDigest, reason: string): void
  failed(view: Observed): void
  /** Whether its client has all that the view shows; default: yes. */
  has?(view: Observed): boolean
}

/** What a view shows: one per distinct root, manifest and resolved criteria. */
export interface ViewSpec {
  /** The same for equal views. */
  key: string
  root: string
  manifest: Manifest
  feed: Feed
  collection: string
  /** The resolved criteria; `{}` for all documents. */
  query: Query
  /** Whether a document belongs to the view; undefined when all do. */
  matches: ((document: Document) => boolean) | undefined
  /** The order in which it shows documents, and how many; undefined where it has no order. */
  sortLimit?: SortLimit | undefined
  /** Looks at the documents of each snapshot before the manifest hides anything of them. */
  sample?: ((documents: readonly Document[]) => void) | undefined
  /** Takes each snapshot that was read, and when its reading began, by `performance.now()`. */
  onRead?: ((snapshot: { documents: number; parts: readonly Buffer[] }, began: number) => void) | undefined
}
