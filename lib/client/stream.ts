import { ParticleError } from '../errors.ts'
import type { Clock, Sink, Transport } from './transport.ts'

const HINT = 'Does a proxy or a middleware that compresses hold the stream back (nginx: proxy_buffering off)?'

/** Holds one stream of a transport, from its opening to its end, and gives it up after too long a silence. */
export class Stream {
  /** Counts the signs of life. */
  signs = 0
  readonly #clock: Clock
  #live = true
  #opened: number | undefined
  #heard: number
  #cancel = () => {}
  #close = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
    this.#heard = clock.now()
  }

  /** The time since it was opened, in milliseconds; 0 before that. */
  get age(): number {
    return this.#opened === undefined ? 0 : this.#clock.now() - this.#opened
  }

  /** Opens the stream from the position. `sink` hears nothing after the end or after {@link Stream.close}. */
  open(transport: Transport, position: string, sink: Sink): void {
    const lost = (error: unknown) => {
      if (this.#live) sink.lost(error)
    }
    const opened = () => {
      if (!this.#live) return
      this.signs++
      this.#heard = this.#clock.now()
      this.#opened ??= this.#heard
      sink.opened()
    }
    const watch = (silence: number) => {
      const left = this.#heard + silence - this.#clock.now()
      if (left > 0) this.#cancel = this.#clock.after(left, () => watch(silence))
      else lost({ error: new ParticleError('UNAVAILABLE', 'Nothing was heard for too long.'), hint: HINT })
    }
    if (transport.heartbeat) watch(transport.heartbeat * 2.5)
    try {
      const close = transport.open(position, {
        opened,
        event: (name, data, id) => {
          opened()
          if (this.#live) sink.event(name, data, id)
        },
        lost,
      })
      // The stream may have ended before the transport has returned.
      if (this.#live) this.#close = close
      else close()
    } catch (error) {
      lost(error)
    }
  }

  close(): void {
    this.#live = false
    this.#cancel()
    this.#close()
  }
}
