import type { ServerResponse } from 'node:http'

/** Where a connection's bytes go: a response, or a receiver in the same process. */
export interface Sink {
  /** False when the reader is behind: {@link Sink.onDrain} tells when it has caught up. */
  write(bytes: Buffer): boolean
  /** Bytes written and not yet taken by the reader. */
  buffered(): number
  /** Calls the listener once, when what was written has been taken. */
  onDrain(listener: () => void): void
  end(): void
}

/** A sink over an HTTP response whose head is written already. */
export class ResponseSink implements Sink {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  write(bytes: Buffer): boolean {
    return this.#response.write(bytes)
  }

  buffered(): number {
    // What the socket holds is counted in it.
    return this.#response.writableLength
  }

  onDrain(listener: () => void): void {
    if (this.#response.writableNeedDrain) this.#response.once('drain', listener)
    else setImmediate(listener)
  }

  end(): void {
    this.#response.end()
  }
}

/** Calls a function of this process for each event. */
export class ReceiverSink implements Sink {
  readonly #receive: (text: string) => void

  constructor(receive: (text: string) => void) {
    this.#receive = receive
  }

  write(bytes: Buffer): boolean {
    this.#receive(bytes.toString())
    return true
  }

  buffered(): number {
    return 0
  }

  onDrain(listener: () => void): void {
    setImmediate(listener)
  }

  end(): void {}
}
