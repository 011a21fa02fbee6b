import type { IncomingMessage } from 'node:http'
import type { Json } from '../../model/document.ts'
import type { WatchEntry } from '../../protocol/watched-root.ts'
import type { Origin } from '../auth/address.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Credentials, Granted } from '../auth/admitted.ts'
import type { Sink } from '../delivery/sink.ts'
import type { ResolvedOptions } from '../options/options.ts'

/** Describes the server, as far as the routes use it. */
export interface Backend {
  readonly options: ResolvedOptions
  /**
   * The end of the server: `begun` when it opens no more streams, `draining` while it ends them one after the
   * other, and `closing` when it continues none.
   */
  readonly shutdown: { readonly begun: boolean; readonly draining: boolean; readonly closing: boolean }
  /** Counts streams. */
  readonly control: Pick<AdmissionControl, 'stream' | 'streamEnded'>
  /** Serves the inspector's pages; undefined when the inspector is off. */
  readonly inspector:
    | {
        admit(request: IncomingMessage): Promise<void>
        open(sink: Sink, request: { tail: number | undefined; find: string | undefined }): () => void
      }
    | undefined
  /** Reports errors that clients can cause again and again. */
  readonly faults: { report(error: Error): void }
  /**
   * Answers a handshake with a token. `browser` is the value of the browser cookie; undefined when the client
   * wants no ticket. `fork` begins a session of its own.
   */
  grant(
    given: Json,
    request: IncomingMessage | undefined,
    token: string | undefined,
    details: { browser: string | undefined; fork: boolean; at: number },
  ): Promise<Granted>
  /**
   * Opens a stream by its token or ticket. `open` returns the client's sink; undefined when the client has
   * gone.
   */
  openStream(
    token: string | undefined,
    browsers: readonly string[],
    request: {
      origin: Origin
      position: string | undefined
      watch: readonly WatchEntry[]
      held: readonly WatchEntry[] | undefined
      reached: readonly string[]
      open(): Sink | undefined
      onClose(close: () => void): void
    },
  ): Promise<unknown>
  /** Changes the roots that the session's streams here watch. */
  watch(
    credentials: Credentials,
    add: readonly WatchEntry[],
    remove: readonly string[],
  ): Promise<{ live: boolean; refused: readonly object[]; watch: readonly WatchEntry[] }>
  /** Reports positions to the session's streams here; resolves to whether there are any. */
  reached(credentials: Credentials, positions: readonly string[]): Promise<boolean>
}
