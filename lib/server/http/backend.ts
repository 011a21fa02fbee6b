import type { IncomingMessage } from 'node:http'
import type { Sink } from '../delivery/sink.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Doorway } from '../sessions/doorway.ts'

/** Describes the server, as far as the routes use it. */
export interface Backend extends Pick<Doorway, 'grant' | 'watch' | 'reached'> {
  readonly options: ResolvedOptions
  /**
   * The end of the server: `begun` when it opens no more streams, `draining` while it ends them one after the
   * other, and `closing` when it continues none.
   */
  readonly shutdown: { readonly begun: boolean; readonly draining: boolean; readonly closing: boolean }
  /** Serves the inspector's pages; undefined when the inspector is off. */
  readonly inspector:
    | {
        admit(request: IncomingMessage): Promise<void>
        open(sink: Sink, request: { tail: number | undefined; find: string | undefined }): () => void
      }
    | undefined
  /** Reports errors that clients can cause again and again. */
  readonly faults: { report(error: Error): void }
  /** Opens a stream by its token or ticket: see {@link Doorway.enter}. */
  readonly openStream: Doorway['enter']
}
