import type { ChunkStore, Header, StoreChange } from '../../../lib/client/persist/chunk-store.ts'

/** What one database holds. Several stores share it, as tabs do. */
export class Shelf {
  header: Header | undefined
  texts = new Map<number, string>()
  /** The keys that each change has put. */
  readonly puts: number[][] = []
  /** Fails the next changes, as a full disk does. */
  failure: Error | undefined
  #waiting: (() => void)[] = []
  #isLocked = false

  lock(granted: () => void): () => void {
    let isOver = false
    const take = () => {
      if (isOver) return this.#next()
      this.#isLocked = true
      granted()
    }
    if (this.#isLocked) this.#waiting.push(take)
    else take()
    return () => {
      const had = !isOver && !this.#waiting.includes(take)
      isOver = true
      if (had) this.#next()
    }
  }

  #next(): void {
    this.#isLocked = false
    this.#waiting.shift()?.()
  }
}

/** A store of one tab. */
export class FakeStore implements ChunkStore {
  readonly #shelf: Shelf
  #unlock = () => {}

  constructor(shelf: Shelf) {
    this.#shelf = shelf
  }

  async read(keysOf: (header: Header) => readonly number[]) {
    const { header, texts } = structuredClone({ header: this.#shelf.header, texts: this.#shelf.texts })
    const keys = header ? keysOf(header) : []
    return { header, texts: new Map([...texts].filter(([key]) => keys.includes(key))) }
  }

  async write({ check, header, put, remove }: StoreChange): Promise<boolean> {
    const shelf = this.#shelf
    await Promise.resolve()
    if (shelf.failure) throw shelf.failure
    if (!check(shelf.header)) return false
    if (remove === 'all') shelf.texts.clear()
    else for (const key of remove) shelf.texts.delete(key)
    for (const [key, text] of put) shelf.texts.set(key, text)
    shelf.puts.push(put.map(([key]) => key))
    shelf.header = structuredClone(header)
    return true
  }

  lock(): Promise<void> {
    return new Promise((resolve) => {
      this.#unlock = this.#shelf.lock(resolve)
    })
  }

  unlock(): void {
    this.#unlock()
  }

  close(): void {
    this.#unlock()
  }
}
