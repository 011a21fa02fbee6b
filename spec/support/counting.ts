import type { Document, Id } from '../../lib/model/document.ts'
import type { Adapter, ChangeListener, CollectionHandle, Query } from '../../lib/source/source.ts'

/** An adapter that counts what is asked of another one, and can be held up or made to fail. */
export class CountingAdapter implements Adapter {
  readonly name: string
  reads = 0
  opens = 0
  closes = 0
  lookups = 0
  /** Awaited after a reading has its documents, before it is told of. */
  gate: (() => Promise<void>) | undefined
  /** Thrown by the next calls of read, one each. */
  failures: Error[] = []
  listener: ChangeListener | undefined
  readonly #inner: Adapter

  constructor(inner: Adapter) {
    this.#inner = inner
    this.name = inner.name
  }

  handle(collectionName: string): CollectionHandle {
    return { adapter: this, collectionName }
  }

  async open(listener: ChangeListener, from?: string) {
    this.opens++
    this.listener = listener
    const subscription = await this.#inner.open(listener, from)
    return {
      position: subscription.position,
      close: async () => {
        this.closes++
        await subscription.close()
      },
    }
  }

  compare(a: string, b: string) {
    return this.#inner.compare(a, b)
  }

  async read(collection: string, query: Query, each: (documents: Document[]) => void | Promise<void>) {
    this.reads++
    const failure = this.failures.shift()
    if (failure) throw failure
    const reading = await this.#inner.read(collection, query, each)
    await this.gate?.()
    return reading
  }

  async lookup(collection: string, ids: readonly Id[]) {
    this.lookups++
    return (await this.#inner.lookup?.(collection, ids)) ?? []
  }
}
