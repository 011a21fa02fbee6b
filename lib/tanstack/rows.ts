import type { SyncConfig } from '@tanstack/db'
import type { Document } from '../model/document.ts'

/** Identifies a row of a collection. */
export type Key = string | number

/** Receives the changes of a collection. */
export type Sync<T extends object> = Parameters<SyncConfig<T, Key>['sync']>[0]

/** Holds the documents of one root. */
export interface View {
  getSnapshot(): readonly Document[]
  /** Resolves when the documents are complete; rejects when the server refuses them. */
  ready(): Promise<unknown>
  close(): void
}

/**
 * Keeps a collection's rows equal to the documents of one or several views. Documents that did not change are
 * the same objects, so that each update writes the changed rows alone.
 */
export class Rows<T extends object> {
  readonly views = new Set<View>()
  readonly #sync: Pick<Sync<T>, 'begin' | 'write' | 'commit' | 'truncate'>
  readonly #keyOf: (row: T) => Key
  #rows = new Map<Key, T>()

  constructor(sync: Sync<T>, keyOf: (row: T) => Key) {
    this.#sync = sync
    this.#keyOf = keyOf
  }

  /**
   * Writes the changes of one moment in one commit.
   *
   * @param isReset whether all rows were loaded again
   */
  update(isReset = false): void {
    const { begin, write, commit, truncate } = this.#sync
    const next = new Map<Key, T>()
    for (const view of this.views)
      for (const row of view.getSnapshot() as unknown as readonly T[]) next.set(this.#keyOf(row), row)
    const before = isReset ? new Map<Key, T>() : this.#rows
    const changed = [...next].filter(([key, row]) => before.get(key) !== row)
    const gone = [...before.keys()].filter((key) => !next.has(key))
    if (changed.length + gone.length === 0 && (!isReset || this.#rows.size === 0)) return
    begin()
    if (isReset && this.#rows.size > 0) truncate({ markReady: false })
    for (const key of gone) write({ type: 'delete', key })
    for (const [key, value] of changed) write({ type: before.has(key) ? 'update' : 'insert', value })
    // A receipt is rejected when the collection is cleaned up, which needs no report.
    void Promise.resolve(commit()).catch(() => {})
    this.#rows = next
  }
}
