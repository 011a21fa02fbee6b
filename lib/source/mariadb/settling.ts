import { pause, persist } from '../backoff.ts'
import type { LogFiles } from './log-files.ts'
import { comparePlaces, type Place } from './position.ts'

/** Options of {@link Settling}. */
export interface SettlingOptions {
  files: LogFiles
  /** Reports that collections wait to be read again. */
  settled(): void
  failed(error: unknown): void
  /** Ends all waits. */
  signal: AbortSignal
}

const INTERVAL_MS = 50

/**
 * Finds out when the engine has a transaction of XA. MariaDB logs such a commit before the engine has it: a
 * snapshot between lacks the rows, at a place after the commit. The collections must be read again.
 */
export class Settling {
  readonly #options: SettlingOptions
  /** The collections, and the places in the log from which on the engine has all. */
  readonly #settled = new Map<ReadonlySet<string>, Place>()

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  /** Waits until the engine has a transaction that changed these collections. */
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

  /** Takes the collections to read again: the log was read up to the place at which the engine had all. */
  take(reached: Place): string[] {
    const found: string[] = []
    for (const [collections, end] of this.#settled) {
      // Takes those of another log too, which has no order with this one.
      if (comparePlaces(reached, end) < 0) continue
      this.#settled.delete(collections)
      found.push(...collections)
    }
    return found
  }
}
