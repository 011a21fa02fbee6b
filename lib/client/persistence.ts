import type { ParticleError } from '../errors.ts'
import type { InitialModel } from '../protocol/initial.ts'
import type { LiveModel } from './live-model.ts'
import type { Store } from './store.ts'
import type { Transport } from './transport.ts'
import type { WatchList } from './watch-list.ts'

/** Describes a client, as far as its persistence uses it. */
export interface PersistedClient {
  readonly transport: Pick<Transport, 'address' | 'token'>
  readonly store: Pick<Store, 'manifest' | 'data'>
  readonly live: Pick<LiveModel, 'lastUpdated'>
  readonly watches: { readonly list: Pick<WatchList, 'held'> }
  /** Holds the position of the model; empty while no position describes the model. */
  readonly link: { readonly position: string }
  /** Returns the identity that the client presents, or a promise of it. */
  identity(): unknown
  onError(error: ParticleError): void
  onDebug(message: string): void
}

/** Keeps the model of one client for the next visit. No method throws or rejects. */
export interface Persistence {
  /** Resolves to the model of the last visit, once the store is open. */
  readonly opened: Promise<InitialModel | undefined>
  /** Saves the model soon, after it has come to a new position. */
  changed(): void
  /** Removes the model, and ends the persistence. */
  clear(): Promise<void>
  /** Saves the model once more, and ends the persistence. */
  close(): void
}

/** Creates the persistence of a client. */
export type Persist = (client: PersistedClient) => Persistence
