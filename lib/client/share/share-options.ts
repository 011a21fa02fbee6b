import type { SharedClient } from '../sharing.ts'

/** Holds the parts of a client, and those of the browser. */
export interface ShareOptions extends SharedClient {
  /** The browser's locks. */
  locks: LockManager
}
