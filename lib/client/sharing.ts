import type { WireManifest } from '../protocol/messages.ts'
import type { LinkOptions } from './link.ts'
import { Store } from './store.ts'

/**
 * Makes a link share its stream with other tabs. Loads the code for this on demand, since most pages do without.
 */
export async function shareStream(parts: LinkOptions, store: Store<WireManifest>): Promise<void> {
  try {
    const { share } = await import('./share/index.ts')
    parts.transport = await share({
      ...parts,
      createStore: () => new Store(),
      documents: (root) => store.getRoot(root),
    })
  } catch (cause) {
    parts.onDebug(`share: each tab has a stream of its own, because the module did not load: ${cause}`)
  }
}
