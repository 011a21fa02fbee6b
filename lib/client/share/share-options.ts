import type { Document } from '../../model/document.ts'
import type { WireManifest } from '../../protocol/messages.ts'
import type { Store } from '../store.ts'
import type { Clock, Transport } from '../transport.ts'

/** Holds the parts of a client that the shared stream needs. */
export interface ShareOptions {
  /** Opens the one stream in the leading tab. */
  transport: Transport
  clock: Clock
  /** Creates an empty model. */
  createStore: () => Pick<
    Store<WireManifest>,
    'begin' | 'change' | 'reset' | 'payload' | 'delta' | 'settle' | 'getRoot'
  >
  /** Returns the documents of the client's own model. */
  documents: (root: string) => readonly Document[]
  onDebug: (message: string) => void
  /** The browser's locks. */
  locks: LockManager
}
