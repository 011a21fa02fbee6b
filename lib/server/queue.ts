import type { Flushable, Flusher } from './flusher.ts'
import { yieldTurn } from './pause.ts'
import type { Sink } from './sink.ts'

/** With so many bytes waiting, in memory or in the socket, a reader counts as behind. */
const BEHIND = 64 * 1024

/** What waits to be written to one sink: gathered within a turn of the event loop, written at its end. */
export class WriteQueue implements Flushable {
  pending: Buffer[] = []
  readonly #sink: Sink
  readonly #flusher: Flusher
  #bytes = 0
  #closed = false
  #wake: (() => void) | undefined

  constructor(sink: Sink, flusher: Flusher) {
    this.#sink = sink
    this.#flusher = flusher
  }

  /** Bytes that wait here and in the sink. */
  get buffered(): number {
    return this.#bytes + this.#sink.buffered()
  }

  get behind(): boolean {
    return this.#bytes > BEHIND || this.#sink.buffered() > BEHIND
  }

  push(bytes: Buffer): void {
    if (this.#closed) return
    this.pending.push(bytes)
    this.#bytes += bytes.length
    if (this.pending.length === 1) this.#flusher.add(this)
  }

  /** Takes a chunk back that was pushed lately, if it still waits. */
  withdraw(bytes: Buffer): void {
    const at = this.pending.lastIndexOf(bytes)
    if (at < 0) return
    this.pending.splice(at, 1)
    this.#bytes -= bytes.length
  }

  write(bytes: Buffer): void {
    this.#bytes = 0
    if (!this.#closed) this.#sink.write(bytes)
  }

  /** Writes what waits at once. */
  flush(): void {
    if (this.pending.length === 0) return
    const bytes = Buffer.concat(this.pending)
    this.pending = []
    this.write(bytes)
  }

  /** Resolves when the reader has taken enough of what was written, in a later turn in any case. */
  async room(): Promise<void> {
    this.flush()
    if (this.#sink.buffered() > BEHIND) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#sink.onDrain(resolve)
      })
    }
    // A drain that is awaited may come in the same turn: others get theirs in any case.
    await yieldTurn()
  }

  /** Lets go of what waits here; calls back once the sink's own bytes were taken. */
  drop(drained: () => void): void {
    this.pending = []
    this.#bytes = 0
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
    this.pending = []
    this.#wake?.()
  }
}
