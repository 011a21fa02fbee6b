import { persist } from '../backoff.ts'
import { completeChanges, type Lookup } from '../completion.ts'
import type { ReportedChange } from '../source.ts'
import type { Context } from './follower.ts'
import { isTyped, oidsOf, type Transaction, type Translation } from './transaction.ts'

/** Options of a {@link WalQueue}. */
export interface WalQueueOptions extends Pick<Context, 'pool' | 'types'> {
  lookup: Lookup
  /** Translates a transaction whose types are all known. */
  translate(transaction: Transaction): Translation
  /** Applies a transaction's new shapes from here on. */
  reshape(translation: Translation): void
  /** Reports changes, and that all commits before this LSN were reported. */
  tell(changes: readonly ReportedChange[], lsn: bigint): void
  /** Reports a failed query, which is tried again. */
  failed(error: unknown): void
  /** Handles an exception of the listener. */
  broken(error: unknown): void
  /** Asks the server to wait, or to go on. */
  pause(): void
  resume(): void
}

type Item = { transaction: Transaction } | { reached: bigint }

/** Limits the waiting bytes before the server is asked to wait. */
const WAITING_BYTES = 8 * 1024 * 1024

/** Queues the messages of the WAL, and reports them in order. */
export class WalQueue {
  readonly #options: WalQueueOptions
  readonly #items: Item[] = []
  readonly #closing = new AbortController()
  #bytes = 0
  #working: Promise<void> | undefined

  constructor(options: WalQueueOptions) {
    this.#options = options
  }

  /** Adds a transaction, or the progress that all commits before an LSN have arrived. */
  add(item: Item): void {
    this.#items.push(item)
    if ('transaction' in item) this.#bytes += item.transaction.bytes
    if (this.#bytes > WAITING_BYTES) this.#options.pause()
    if (this.#working) return
    // Joins the messages of one packet in one report.
    this.#working = new Promise((resolve) => setImmediate(resolve))
      .then(() => this.#work())
      .catch((error) => {
        if (!this.#closed) this.#options.broken(error)
      })
      .finally(() => {
        this.#working = undefined
      })
  }

  /** Resolves when everything that arrived was reported. */
  async drained(): Promise<void> {
    await this.#working
  }

  close(): void {
    this.#closing.abort()
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted
  }

  async #work(): Promise<void> {
    while (this.#items.length > 0 && !this.#closed) {
      this.#tellNow()
      const item = this.#items.shift()
      if (item && 'transaction' in item) await this.#tellLater(item.transaction)
    }
    this.#options.resume()
  }

  /** Reports all transactions at the head of the queue that need no query. */
  #tellNow(): void {
    const { types, translate, reshape, tell } = this.#options
    const changes: ReportedChange[] = []
    let reached: bigint | undefined
    for (let [item] = this.#items; item; [item] = this.#items) {
      if ('transaction' in item) {
        const { transaction } = item
        const translation = isTyped(transaction, types) ? translate(transaction) : undefined
        if (!translation || translation.incomplete.size > 0) break
        reshape(translation)
        changes.push(...translation.changes)
        this.#bytes -= transaction.bytes
        reached = transaction.lsn
      } else reached = item.reached
      this.#items.shift()
    }
    if (reached !== undefined) tell(changes, reached)
  }

  async #tellLater(transaction: Transaction): Promise<void> {
    const { pool, types, translate, reshape, tell, lookup, failed } = this.#options
    this.#bytes -= transaction.bytes
    const complete = async () => {
      await types.load(pool, oidsOf(transaction))
      const translation = translate(transaction)
      const changes = await completeChanges(translation.changes, translation.incomplete, lookup)
      return { translation, changes }
    }
    const { translation, changes } = await persist(complete, () => false, failed, this.#closing.signal)
    reshape(translation)
    tell(changes, transaction.lsn)
  }
}
