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
