import type { Document } from '../model/document.ts'
import { parseData } from '../protocol/decode.ts'
import type { LinkOptions } from './link.ts'
import { Store } from './store.ts'
import type { Clock, Transport } from './transport.ts'

/** Holds the parts of a client that the shared stream needs. */
export interface SharedClient {
  /** Opens the one stream in the leading tab. */
  transport: Transport
  clock: Clock
  /** Creates an empty model. */
  createStore: () => Store
  /** Returns the documents of the client's own model. */
  documents: (root: string) => readonly Document[]
  /** Parses the data of an event. */
  parse: typeof parseData
  onDebug: (message: string) => void
}

/** Creates the transport of a client whose tabs share one stream. */
export type Share = (client: SharedClient) => Promise<Transport>

/** Makes a link share its stream with other tabs. */
export async function shareStream(share: Share, parts: LinkOptions, store: Store): Promise<void> {
  parts.transport = await share({
    ...parts,
    createStore: () => new Store(),
    documents: (root) => store.getRoot(root),
    parse: parseData,
  })
}
