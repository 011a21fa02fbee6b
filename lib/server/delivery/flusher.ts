import { ChunkList } from './chunk-list.ts'

/** Something that gathers chunks within a turn of the event loop and writes them at its end. */
export interface Flushable {
  /** Writes what was gathered. */
  flush(): void
}

/** Has everyone who gathered chunks within one turn of the event loop write them at its end. */
export class Flusher {
  /** The empty list of this turn, with which to begin. */
  empty = ChunkList.begin()
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
