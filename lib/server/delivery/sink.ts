import { type Receiver, receive } from './receiver.ts'

/** Takes a connection's bytes: a response, or a receiver in the same process. */
export interface Sink {
  /**
   * Writes bytes. `framed` holds the same bytes as one chunk of HTTP's chunked coding, if they were framed
   * once for many sinks. Returns false when the reader is behind: {@link Sink.onDrain} then reports when it
   * has caught up.
   */
  write(bytes: Buffer, framed?: Buffer): boolean
  /**
   * Whether chunks must be written one by one, because the sink keeps what it has made of a chunk for other
   * sinks.
   */
  readonly wantsChunks?: boolean
  /** Returns the bytes that were written and not yet taken by the reader. */
  buffered(): number
  /** Calls the listener once, when the written bytes have been taken. */
  onDrain(listener: () => void): void
  end(): void
}

/** Shows a sink's bytes to listeners, too. */
export class TappedSink implements Sink {
  readonly sink: Sink
  readonly listeners = new Set<(bytes: Buffer) => void>()

  constructor(sink: Sink) {
    this.sink = sink
  }

  get wantsChunks(): boolean {
    return this.sink.wantsChunks === true
  }

  write(bytes: Buffer, framed?: Buffer): boolean {
    for (const listener of this.listeners) listener(bytes)
    return this.sink.write(bytes, framed)
  }

  buffered(): number {
    return this.sink.buffered()
  }

  onDrain(listener: () => void): void {
    this.sink.onDrain(listener)
  }

  end(): void {
    this.sink.end()
  }
}

/** Takes all bytes at once. */
export abstract class InstantSink implements Sink {
  abstract write(bytes: Buffer, framed?: Buffer): boolean

  buffered(): number {
    return 0
  }

  onDrain(listener: () => void): void {
    setImmediate(listener)
  }

  end(): void {}
}

/** Calls a receiver of this process for each event. */
export class ReceiverSink extends InstantSink {
  readonly #receiver: Receiver
  readonly #onError: (error: Error) => void

  /** @param onError called with the errors that the receiver throws */
  constructor(receiver: Receiver, onError: (error: Error) => void) {
    super()
    this.#receiver = receiver
    this.#onError = onError
  }

  write(bytes: Buffer): boolean {
    receive(bytes.toString(), this.#receiver, this.#onError)
    return true
  }
}
