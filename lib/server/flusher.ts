/** Something that gathers chunks within a turn of the event loop and writes them at its end. */
export interface Flushable {
  /** The chunks gathered; the flusher empties it. */
  pending: Buffer[]
  write(bytes: Buffer): void
}

/**
 * Writes what each connection gathered within one turn of the event loop in one piece. Connections that gathered the same chunks, which is
 * the rule among those of one view, share the joined buffer.
 */
export class Flusher {
  #dirty: Flushable[] = []
  #chunks: readonly Buffer[] = []
  #joined: Buffer = Buffer.alloc(0)
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
    for (const flushable of dirty) {
      const chunks = flushable.pending
      if (chunks.length === 0) continue
      flushable.pending = []
      flushable.write(this.#join(chunks))
    }
    this.#chunks = []
    this.#joined = Buffer.alloc(0)
  }

  #join(chunks: readonly Buffer[]): Buffer {
    const [only] = chunks
    if (chunks.length === 1 && only) return only
    const known = this.#chunks
    if (known.length !== chunks.length || chunks.some((chunk, index) => chunk !== known[index])) {
      this.#chunks = chunks
      this.#joined = Buffer.concat(chunks)
    }
    return this.#joined
  }
}
