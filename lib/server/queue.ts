import { type Flushable, type Flusher, writeAlone } from './flusher.ts'
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

  /** Puts other bytes in the place of the last ones, if those still wait. */
  replaceLast(last: Buffer, bytes: Buffer): void {
    const { pending } = this
    if (pending.length === 0 || pending[pending.length - 1] !== last) return
    pending[pending.length - 1] = bytes
    this.#bytes += bytes.length - last.length
  }

  write(bytes: Buffer, framed?: Buffer): void {
    this.#bytes = 0
    if (!this.#closed) this.#sink.write(bytes, framed)
  }

  /** Writes what waits at once. */
  flush(): void {
    const { pending } = this
    if (pending.length === 0) return
    this.pending = []
    writeAlone(this, pending)
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
