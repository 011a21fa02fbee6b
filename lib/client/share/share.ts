import type { Document } from '../../model/document.ts'
import type { WireManifest } from '../../protocol/messages.ts'
import type { Store } from '../store.ts'
import type { Clock, Transport } from '../transport.ts'
import { SharedTransport } from './shared-transport.ts'

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

/**
 * Makes a client share its stream with the other tabs of its origin. Returns the client's own transport where
 * the platform lacks locks or channels, as in Node and in pages that are not secure.
 */
export async function share(options: Omit<ShareOptions, 'locks'>): Promise<Transport> {
  try {
    const { locks } = globalThis.navigator
    // Finds a page that may use neither, such as a sandboxed frame.
    await locks.query()
    new BroadcastChannel('particle').close()
    return new SharedTransport({ ...options, locks })
  } catch (cause) {
    options.onDebug(
      `share: each tab has a stream of its own, for want of Web Locks (a secure page): ${cause}`,
    )
    return options.transport
  }
}
