import type { Adapter } from '../../source/source.ts'

interface Waiter {
  position: string
  resolve: (reached: boolean) => void
}

/** Holds the callers that wait for a source's position. */
export class PositionWaiters {
  readonly #adapter: Adapter
  readonly #waiters = new Set<Waiter>()

  constructor(adapter: Adapter) {
    this.#adapter = adapter
  }

  /** Resolves to true when the position is reached, to false after `cancelAll` or after `ms` milliseconds. */
  for(position: string, ms = Number.POSITIVE_INFINITY): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      const waiter: Waiter = {
        position,
        resolve: (reached) => {
          clearTimeout(timer)
          this.#waiters.delete(waiter)
          resolve(reached)
        },
      }
      this.#waiters.add(waiter)
      if (Number.isFinite(ms)) timer = setTimeout(() => waiter.resolve(false), ms).unref()
    })
  }

  /** Resolves the waiters up to a position. */
  reached(position: string): void {
    for (const waiter of [...this.#waiters]) {
      if (this.#adapter.compare(position, waiter.position) >= 0) waiter.resolve(true)
    }
  }

  /** Cancels all waiters: the source was closed, or its history is lost. */
  cancelAll(): void {
    for (const waiter of [...this.#waiters]) waiter.resolve(false)
  }
}
