import type { Model } from '../model/document.ts'
import type { WireManifest } from './messages.ts'
import type { WatchEntry } from './watched-root.ts'

/**
 * Describes the model of one moment, from which a client starts: JSON of `server.snapshot()`, or of a store
 * of the browser.
 */
export interface InitialModel {
  /** The version of the protocol. A client starts without a model of another version. */
  protocol: number
  /** The time of the model: ISO 8601. */
  timestamp: string
  /** The visible fields of each root in `data`. */
  sources: Record<string, WireManifest>
  /** The documents of each root. */
  data: Model
  /** The position after these documents. Empty when a client must load them again. */
  position: string
  /** The token that proves the right to continue from the position. It opens no stream by itself. */
  token?: string | undefined
  /** The watched roots in `data`. */
  watch?: readonly WatchEntry[]
}
