import { yieldToEventLoop } from '../support/scheduling.ts'
import type { ChunkList } from './chunk-list.ts'
import type { Flushable, Flusher } from './flusher.ts'
import type { Sink } from './sink.ts'

/** With so many bytes waiting, in memory or in the socket, a reader counts as behind. */
export const BEHIND_BYTES = 64 * 1024

/**
 * What a sink may hold, at most, that doesn't say that its reader is behind: the high-water mark of Node's
 * sockets.
 */
const MAX_KEPT = 64 * 1024

/** What waits to be written to one sink: gathered within a turn of the event loop, written at its end. */
export class WriteQueue implements Flushable {
  readonly #sink: Sink
  readonly #flusher: Flusher
  #gathered: ChunkList | undefined
  /** The sink holds no more than this. */
  #held = 0
  #bound = Number.POSITIVE_INFINITY
  #exceeded: (() => void) | undefined
  #closed = false
  #wake: (() => void) | undefined

  constructor(sink: Sink, flusher: Flusher) {
    this.#sink = sink
    this.#flusher = flusher
  }

  /** The chunks that wait here. */
  get pending(): readonly Buffer[] {
    return this.#gathered?.chunks ?? []
  }

  /** Bytes that wait here and in the sink. */
  get buffered(): number {
    return this.#bytes + this.#sink.buffered()
  }

  get behind(): boolean {
    return this.#bytes > BEHIND_BYTES || this.#sink.buffered() > BEHIND_BYTES
  }

  /** Whether {@link WriteQueue.buffered} is over a bound. The sink is asked only where it may be. */
  exceeds(bound: number): boolean {
    return this.#bytes + this.#held > bound && this.buffered > bound
  }

  push(bytes: Buffer): void {
    if (this.#closed) return
    const gathered = this.#gathered
    if (gathered) this.#gathered = gathered.plus(bytes)
    else {
      this.#gathered = this.#flusher.empty.plus(bytes)
      this.#flusher.add(this)
    }
  }

  /**
   * Has {@link WriteQueue.writeNow} call back instead of writing where more than a bound would wait then, in
   * bytes.
   */
  limit(bound: number, exceeded: () => void): void {
    this.#bound = bound
    this.#exceeded = exceeded
  }

  /** Writes bytes at once; nothing may wait before them. */
  writeNow(bytes: Buffer, framed: Buffer | undefined): void {
    if (this.#closed) return
    const held = this.#held + bytes.length
    if (held > this.#bound && this.#sink.buffered() + bytes.length > this.#bound) this.#exceeded?.()
    else if (this.#sink.write(bytes, framed)) this.#held = held < MAX_KEPT ? held : MAX_KEPT
    else this.#held = this.#sink.buffered()
  }

  /** Puts other bytes in the place of a chunk that was pushed lately, if it still waits. */
  replace(bytes: Buffer, by: Buffer): void {
    const later: Buffer[] = []
    let list = this.#gathered
    for (; list && list.last !== bytes; list = list.before) {
      if (list.before === list) return
      later.push(list.last)
    }
    list = list?.before.plus(by)
    for (let chunk = later.pop(); list && chunk; chunk = later.pop()) list = list.plus(chunk)
    this.#gathered = list
  }

  /** Writes what waits at once. */
  flush(): void {
    const gathered = this.#gathered
    if (!gathered) return
    this.#gathered = undefined
    this.#held = gathered.writeTo(this.#sink) ? MAX_KEPT : this.#sink.buffered()
  }

  /** Resolves when the reader has taken enough of what was written, in a later turn in any case. */
  async room(): Promise<void> {
    this.flush()
    if (this.#sink.buffered() > BEHIND_BYTES) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#sink.onDrain(resolve)
      })
    }
    // A drain that is awaited may come in the same turn: others get theirs in any case.
    await yieldToEventLoop()
  }

  /** Lets go of what waits here; calls back once the sink's own bytes were taken. */
  drop(drained: () => void): void {
    this.#gathered = undefined
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

  get #bytes(): number {
    return this.#gathered?.size ?? 0
  }
}
