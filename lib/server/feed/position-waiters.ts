import type { Adapter } from '../../source/source.ts'

interface Waiter {
  readonly position: string
  readonly resolve: (reached: boolean) => void
  isSettled: boolean
}

/**
 * Holds the callers that wait for a source's position. They are kept in order, so that a step of the source
 * costs nothing for those who wait for later positions: clients may send any number of these.
 */
export class PositionWaiters {
  readonly #adapter: Adapter
  /** The waiters whose positions can be compared with the last one. The next one to be reached comes last. */
  #ordered: Waiter[] = []
  readonly #others = new Set<Waiter>()
  /** The number of ordered waiters that were settled, which are removed some at a time. */
  #settled = 0
  #last: string | undefined

  constructor(adapter: Adapter) {
    this.#adapter = adapter
  }

  /** Resolves to true when the position is reached, to false after `cancelAll` or after `ms` milliseconds. */
  for(position: string, ms = Number.POSITIVE_INFINITY): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      const waiter: Waiter = {
        position,
        isSettled: false,
        resolve: (reached) => {
          clearTimeout(timer)
          waiter.isSettled = true
          resolve(reached)
        },
      }
      this.#add(waiter)
      if (Number.isFinite(ms)) timer = setTimeout(() => this.#late(waiter), ms).unref()
    })
  }

  /** Resolves the waiters up to a position. */
  reached(position: string): void {
    this.#last = position
    const [first] = this.#ordered
    // Puts all in order again after a change of the source's epoch.
    if (first && Number.isNaN(this.#adapter.compare(position, first.position))) this.#unorder()
    for (const waiter of [...this.#others]) if (this.#others.delete(waiter)) this.#add(waiter)
    for (let next = this.#ordered.at(-1); next; next = this.#ordered.at(-1)) {
      if (next.isSettled) this.#settled--
      else if (this.#adapter.compare(position, next.position) >= 0) next.resolve(true)
      else return
      this.#ordered.pop()
    }
  }

  /** Cancels all waiters: the source was closed, or its history is lost. */
  cancelAll(): void {
    this.#unorder()
    for (const waiter of this.#others) waiter.resolve(false)
    this.#others.clear()
  }

  #unorder(): void {
    for (const waiter of this.#ordered.splice(0)) if (!waiter.isSettled) this.#others.add(waiter)
    this.#settled = 0
  }

  #add(waiter: Waiter): void {
    const { position } = waiter
    if (this.#last === undefined || Number.isNaN(this.#adapter.compare(this.#last, position))) {
      this.#others.add(waiter)
      return
    }
    let [from, to] = [0, this.#ordered.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const other = this.#ordered[middle]?.position ?? position
      if (this.#adapter.compare(other, position) > 0) from = middle + 1
      else to = middle
    }
    this.#ordered.splice(from, 0, waiter)
  }

  #late(waiter: Waiter): void {
    waiter.resolve(false)
    if (this.#others.delete(waiter) || ++this.#settled * 2 < this.#ordered.length) return
    this.#ordered = this.#ordered.filter(({ isSettled }) => !isSettled)
    this.#settled = 0
  }
}
