import type { Document } from '../../model/document.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { SortLimit } from '../../policy/order.ts'
import type { Query } from '../../source/source.ts'
import type { Feed } from '../feed/feed.ts'
import type { Frame } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { ViewDigest } from './difference.ts'
import type { Sample } from './filter.ts'

/** Identifies a view for its viewers. */
export interface Observed {
  readonly root: string
}

/** Receives the frames of a view. */
export interface Receiver {
  deliver(view: Observed, entry: Entry, frame: Frame): void
}

/** Describes a connection that shows a view. */
export interface Viewer {
  /** Resets the root: its data is void, and the view is read again. */
  reset(view: Observed, reason: string): void
  /** Brings the root to the present by a difference from `known`, after changes were lost. */
  differ(view: Observed, known: ViewDigest, reason: string): void
  failed(view: Observed): void
  /** Whether the client has all data of the view; default: yes. */
  has?(view: Observed): boolean
}

/** Describes a view: one per distinct root, manifest and resolved criteria. */
export interface ViewSpec {
  /** The key, which is the same for equal views. */
  key: string
  root: string
  manifest: Manifest
  feed: Feed
  collection: string
  /** The resolved criteria; `{}` for all documents. */
  query: Query
  /** Checks whether a document belongs to the view; undefined when all documents do. */
  matches: ((document: Document) => boolean) | undefined
  /** Whether clients' rights depend on the documents; default: no. */
  decides?: boolean
  /** The order and the maximum number of documents; undefined when the view has no order. */
  sortLimit?: SortLimit | undefined
  /** Checks the documents of each snapshot before the manifest hides their fields. */
  sample?: Sample | undefined
  /** Called with each new snapshot and the begin of its read, by `performance.now()`. */
  onRead?:
    | ((snapshot: { documents: number; parts: readonly Buffer[] }, began: number, root: string) => void)
    | undefined
}
