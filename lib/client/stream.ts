import { ParticleError } from '../errors.ts'
import type { Clock, Sink, StreamStart, Transport } from './transport.ts'

const HINT = 'Does a proxy or a middleware that compresses hold the stream back (nginx: proxy_buffering off)?'

/**
 * Holds one stream of a transport, from its opening to its end. Ends a stream that is silent for too long.
 */
export class Stream {
  /** Counts the signs of life. */
  signs = 0
  readonly #clock: Clock
  #live = true
  #opened: number | undefined
  #lastSign: number
  #cancel = () => {}
  #close = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lastSign = clock.now()
  }

  /** Returns the time since the stream opened, in milliseconds; 0 before. */
  get age(): number {
    return this.#opened === undefined ? 0 : this.#clock.now() - this.#opened
  }

  /** Opens the stream. `sink` gets no call after the end or after {@link Stream.close}. */
  open(transport: Transport, start: StreamStart, sink: Sink): void {
    const lost = (error: unknown) => {
      if (this.#live) sink.lost(error)
    }
    const opened = () => {
      if (!this.#live) return
      this.signs++
      this.#lastSign = this.#clock.now()
      this.#opened ??= this.#lastSign
      sink.opened()
    }
    const watch = (silence: number) => {
      const left = this.#lastSign + silence - this.#clock.now()
      if (left > 0) this.#cancel = this.#clock.after(left, () => watch(silence))
      else
        lost({ error: new ParticleError('UNAVAILABLE', 'The stream was silent for too long.'), hint: HINT })
    }
    if (transport.heartbeat) watch(transport.heartbeat * 2.5)
    try {
      const close = transport.open(start, {
        opened,
        event: (name, data, id) => {
          opened()
          if (this.#live) sink.event(name, data, id)
        },
        lost,
      })
      // Closes at once a stream that has ended before the transport returned.
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
