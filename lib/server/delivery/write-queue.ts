import { yieldToEventLoop } from '../support/scheduling.ts'
import type { ChunkList } from './chunk-list.ts'
import type { Flushable, Flusher } from './flusher.ts'
import { type Sink, TappedSink } from './sink.ts'

/** Sets the number of waiting bytes, in memory or in the socket, from which a reader counts as behind. */
export const BEHIND_BYTES = 64 * 1024

/** Limits the bytes in a sink that does not report a slow reader: the high-water mark of Node's sockets. */
const MAX_SILENT_BYTES = 64 * 1024

/** Gathers what becomes bytes only at the end of a turn. */
interface Late {
  settle(): void
}

/** Drops its queue, because its reader is too slow. */
interface Slow {
  stall(): void
}

/** Gathers bytes for one sink within a turn of the event loop, and writes them at its end. */
export class WriteQueue implements Flushable {
  #sink: Sink
  readonly #flusher: Flusher
  #gathered: ChunkList | undefined
  /** The first gathered chunks, which are written even if the rest is dropped. */
  #kept: ChunkList | undefined
  /** Whether the queue is flushed at the end of this turn. */
  #scheduled = false
  /** Pushes its last bytes right before the flush. */
  #late: Late | undefined
  /** An upper bound of the sink's unsent bytes. */
  #held = 0
  /** The limit of the unsent bytes, and who drops the queue when they are over it. */
  #limit: number | undefined
  #slow: Slow | undefined
  #closed = false
  #wake: (() => void) | undefined

  constructor(sink: Sink, flusher: Flusher) {
    this.#sink = sink
    this.#flusher = flusher
  }

  /** Returns the unsent chunks of this queue. */
  get pending(): readonly Buffer[] {
    return this.#gathered?.chunks ?? []
  }

  /** Returns the unsent bytes of this queue and its sink. */
  get buffered(): number {
    return this.#bytes + this.#sink.buffered()
  }

  get behind(): boolean {
    return this.#bytes > BEHIND_BYTES || this.#sink.buffered() > BEHIND_BYTES
  }

  /** Checks whether {@link WriteQueue.buffered} is over a limit. The sink is asked only if it may be. */
  exceeds(bound: number): boolean {
    return this.#bytes + this.#held > bound && this.buffered > bound
  }

  push(bytes: Buffer): void {
    if (this.#closed) return
    const gathered = this.#gathered
    this.#gathered = (gathered ?? this.#flusher.empty).plus(bytes)
    this.#schedule()
  }

  /** Keeps the bytes that wait now, also when the client falls behind in this turn. */
  keep(): void {
    this.#kept = this.#gathered
  }

  /** Lets an object push its last bytes at the end of this turn, right before the flush. */
  beforeFlush(late: Late): void {
    this.#late = late
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#flusher.add(this)
  }

  /**
   * Limits the unsent bytes of {@link WriteQueue.writeNow}, and of what is pushed at the end of a turn. Calls
   * `slow` instead of writing over the limit.
   */
  limit(bytes: number, slow: Slow): void {
    this.#limit = bytes
    this.#slow = slow
  }

  /** Stalls the queue if its unsent bytes are over the limit. Returns whether they are. */
  check(): boolean {
    const isOver = this.#limit !== undefined && this.exceeds(this.#limit)
    if (isOver) this.#slow?.stall()
    return isOver
  }

  /** Writes bytes at once. No bytes may wait before them. */
  writeNow(bytes: Buffer, framed: Buffer | undefined): void {
    if (this.#closed) return
    const held = this.#held + bytes.length
    const limit = this.#limit ?? held
    if (held > limit && this.#sink.buffered() + bytes.length > limit) this.#slow?.stall()
    else if (this.#sink.write(bytes, framed)) this.#held = held < MAX_SILENT_BYTES ? held : MAX_SILENT_BYTES
    else this.#held = this.#sink.buffered()
  }

  /**
   * Calls a listener with all bytes that are written from now on. Returns a function that ends it. Replaces
   * the sink meanwhile, so that a queue without listeners costs nothing more.
   */
  tap(listener: (bytes: Buffer) => void): () => void {
    const tapped = this.#sink instanceof TappedSink ? this.#sink : new TappedSink(this.#sink)
    this.#sink = tapped
    tapped.listeners.add(listener)
    return () => {
      tapped.listeners.delete(listener)
      if (tapped.listeners.size === 0 && this.#sink === tapped) this.#sink = tapped.sink
    }
  }

  /** Replaces recently pushed chunks by other bytes, as far as they still wait. */
  replace(changes: ReadonlyMap<Buffer, Buffer>): void {
    const later: Buffer[] = []
    let list = this.#gathered
    let left = changes.size
    for (; list && left > 0 && list.before !== list; list = list.before) {
      const by = changes.get(list.last)
      if (by) left--
      later.push(by ?? list.last)
    }
    if (left === changes.size) return
    for (let chunk = later.pop(); list && chunk; chunk = later.pop()) list = list.plus(chunk)
    this.#gathered = list
  }

  /** Writes the waiting bytes at once. */
  flush(): void {
    const isLate = this.#settle()
    this.#scheduled = false
    if (isLate && this.check()) return
    const gathered = this.#gathered
    if (!gathered) return
    this.#gathered = undefined
    this.#kept = undefined
    this.#flusher.sent += gathered.size
    this.#held = gathered.writeTo(this.#sink) ? MAX_SILENT_BYTES : this.#sink.buffered()
  }

  /** Resolves when the reader has taken enough bytes, always in a later turn. */
  async room(): Promise<void> {
    this.flush()
    if (this.#sink.buffered() > BEHIND_BYTES) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#sink.onDrain(resolve)
      })
    }
    // Yields in any case, because an awaited drain may come in the same turn.
    await yieldToEventLoop()
  }

  /**
   * Drops the waiting bytes, but for those of {@link WriteQueue.keep}. Calls back when the sink's own bytes
   * were taken.
   */
  drop(drained: () => void): void {
    this.#settle()
    this.#gathered = this.#kept
    this.flush()
    this.#sink.onDrain(() => {
      if (!this.#closed) drained()
    })
  }

  end(): void {
    this.flush()
    this.#sink.end()
  }

  close(): void {
    this.#closed = true
    this.#gathered = undefined
    this.#wake?.()
  }

  /** Lets the late bytes be pushed. Returns whether there were any. */
  #settle(): boolean {
    const before = this.#gathered
    this.#late?.settle()
    this.#late = undefined
    return this.#gathered !== before
  }

  get #bytes(): number {
    return this.#gathered?.size ?? 0
  }
}
