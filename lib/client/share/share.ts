import type { SharedClient } from '../sharing.ts'
import type { Transport } from '../transport.ts'
import { SharedTransport } from './shared-transport.ts'

/**
 * Makes a client share its stream with the other tabs of its origin: `new Client({ share })`. Returns the
 * client's own transport where the platform lacks locks or channels, as in Node and in pages that are not
 * secure.
 */
export async function share(options: SharedClient): Promise<Transport> {
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
