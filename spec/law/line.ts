import { createParser, type EventSourceParser } from 'eventsource-parser'
import type { Sink } from '../../lib/server/delivery/sink.ts'

/** What the client's end of a line hears. */
export interface Ear {
  opened(): void
  /** `id` is undefined where there was no `id:` line, and empty where that line was. */
  event(name: string, data: string, id: string | undefined): void
  lost(): void
}

/** One stream from a node to a client. What the node writes arrives a turn later, if the client reads. */
export class Line implements Sink {
  /** Tells the server that the client has gone; set once the stream is attached. */
  gone: () => void = () => {}
  readonly #ear: Ear
  readonly #parser: EventSourceParser
  readonly #text = new TextDecoder()
  #held: Buffer[] = []
  #size = 0
  #paused = false
  #dead = false
  #ended = false
  #opened = false
  #scheduled = false
  #drains: (() => void)[] = []

  constructor(ear: Ear) {
    this.#ear = ear
    this.#parser = createParser({
      onEvent: ({ event = 'message', data, id }) => {
        if (!this.#dead) ear.event(event, data, id)
      },
    })
  }

  /** Whether the client still has it. */
  get live(): boolean {
    return !this.#dead
  }

  /** Whether something is on its way that the client would read. */
  get busy(): boolean {
    return !this.#dead && !this.#paused && (this.#scheduled || this.#size > 0)
  }

  opened(): void {
    this.#opened = true
    this.#schedule()
  }

  write(bytes: Buffer): boolean {
    // A peer that vanished takes nothing more.
    this.#size += bytes.length
    this.#held.push(bytes)
    if (!this.#paused) this.#schedule()
    return this.buffered() === 0
  }

  buffered(): number {
    return this.#paused || this.#dead ? this.#size : 0
  }

  onDrain(listener: () => void): void {
    if (this.buffered() > 0) this.#drains.push(listener)
    else setImmediate(listener)
  }

  end(): void {
    this.#ended = true
    if (!this.#paused) this.#schedule()
  }

  /** The client stops reading. */
  pause(): void {
    this.#paused = true
  }

  /** The client reads so many bytes, and goes on not reading. */
  sip(bytes: number): void {
    if (!this.#paused || this.#dead) return
    const all = Buffer.concat(this.#held)
    this.#held = [all.subarray(bytes)]
    this.#take(all.subarray(0, bytes))
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  /** The client still gets so many of the events that are on their way. */
  gasp(events: number): void {
    if (this.#dead || events === 0) return
    const all = Buffer.concat(this.#held)
    let end = 0
    for (let event = 0; event < events && end < all.length; event++) {
      const at = all.indexOf('\n\n', end)
      end = at < 0 ? all.length : at + 2
    }
    this.#held = [all.subarray(end)]
    this.#take(all.subarray(0, end))
  }

  /** The connection breaks. `heard` says whether the client notices by itself; the server does only when `gone` is called. */
  cut(heard: boolean): void {
    if (this.#dead) return
    this.#dead = true
    if (heard) setImmediate(() => this.#ear.lost())
  }

  #schedule(): void {
    if (this.#scheduled || this.#dead) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#arrive()
    })
  }

  #arrive(): void {
    if (this.#dead || this.#paused) return
    if (this.#opened) {
      this.#opened = false
      this.#ear.opened()
    }
    const held = Buffer.concat(this.#held)
    this.#held = []
    this.#take(held)
    for (const listener of this.#drains.splice(0)) listener()
    if (this.#ended && this.#size === 0 && !this.#dead) {
      this.#dead = true
      this.#ear.lost()
    }
  }

  #take(bytes: Buffer): void {
    this.#size -= bytes.length
    this.#parser.feed(this.#text.decode(bytes, { stream: true }))
  }
}
