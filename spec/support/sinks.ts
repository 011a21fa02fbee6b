import type { Sink } from '../../lib/server/delivery/sink.ts'

/** A sink that notes what was written; its reader is behind as long as the spec says so. */
export class NotingSink implements Sink {
  readonly written: string[] = []
  held = 0
  #listeners: (() => void)[] = []

  /** All that was written, as lines without the empty ones. */
  get lines(): string[] {
    return this.written.join('').split('\n').filter(Boolean)
  }
  write(bytes: Buffer): boolean {
    this.written.push(bytes.toString())
    return this.held === 0
  }
  buffered(): number {
    return this.held
  }
  onDrain(listener: () => void): void {
    this.#listeners.push(listener)
  }
  drain(): void {
    this.held = 0
    for (const listener of this.#listeners.splice(0)) listener()
  }
  end(): void {}
}

/** A sink whose reader reads when the spec lets it: what is written while it has stopped stays in the socket. */
export abstract class StoppingSink implements Sink {
  stopped = false
  readonly #socket: string[] = []
  #listeners: (() => void)[] = []

  /** Takes what was read. */
  protected abstract readonly receive: (text: string) => void

  write(bytes: Buffer): boolean {
    this.#socket.push(bytes.toString())
    if (!this.stopped) this.read()
    return !this.stopped
  }
  buffered(): number {
    return this.#socket.join('').length
  }
  onDrain(listener: () => void): void {
    if (this.buffered() === 0) setImmediate(listener)
    else this.#listeners.push(listener)
  }
  end(): void {}
  read(): void {
    for (const text of this.#socket.splice(0)) this.receive(text)
    for (const listener of this.#listeners.splice(0)) listener()
  }
}
