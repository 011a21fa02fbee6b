import { ChunkList } from './chunk-list.ts'

/** Gathers chunks within a turn of the event loop, and writes them at its end. */
export interface Flushable {
  /** Writes the gathered chunks. */
  flush(): void
}

/** Flushes all dirty queues at the end of a turn of the event loop. */
export class Flusher {
  /** The empty list that all queues of this turn start with. */
  empty = ChunkList.begin()
  /** The bytes that were written to all streams. */
  sent = 0
  #dirty: Flushable[] = []
  #scheduled = false

  add(flushable: Flushable): void {
    this.#dirty.push(flushable)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#scheduled = false
    const dirty = this.#dirty
    this.#dirty = []
    this.empty = ChunkList.begin()
    for (const flushable of dirty) flushable.flush()
  }
}
