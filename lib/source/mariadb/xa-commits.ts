import { pause, persist } from '../backoff.ts'
import type { LogFiles } from './log-files.ts'
import { comparePlaces, type Place } from './position.ts'

/** Options of {@link XaCommits}. */
export interface XaCommitsOptions {
  files: LogFiles
  /** Reports that collections can be read again. */
  settled(): void
  failed(error: unknown): void
  /** Ends all waits. */
  signal: AbortSignal
}

const INTERVAL_MS = 50

/**
 * Waits until InnoDB has committed XA transactions. MariaDB logs an XA COMMIT before InnoDB has the rows: a
 * snapshot in between has a place after the commit, and lacks the rows. The collections must be read again.
 */
export class XaCommits {
  readonly #options: XaCommitsOptions
  /** The changed collections, each with a place in the log at which InnoDB had their transaction. */
  readonly #settled = new Map<ReadonlySet<string>, Place>()

  constructor(options: XaCommitsOptions) {
    this.#options = options
  }

  /** Waits until InnoDB has committed the transaction that changed these collections. */
  async add(xid: string, collections: ReadonlySet<string>): Promise<void> {
    const { files, signal, failed, settled } = this.#options
    const ask = async () => ((await files.isPrepared(xid)) ? undefined : await files.end())
    try {
      let end: Place | undefined
      while (!end) {
        end = await persist(ask, () => false, failed, signal)
        if (!end) await pause(INTERVAL_MS, signal)
      }
      this.#settled.set(collections, end)
      settled()
    } catch (error) {
      if (!signal.aborted) failed(error)
    }
  }

  /** Removes and returns the collections to read again: those whose place the dump has reached. */
  take(reached: Place): string[] {
    const found: string[] = []
    for (const [collections, end] of this.#settled) {
      // Takes the collections of another log too, whose places have no order with this log's.
      if (comparePlaces(reached, end) < 0) continue
      this.#settled.delete(collections)
      found.push(...collections)
    }
    return found
  }
}
