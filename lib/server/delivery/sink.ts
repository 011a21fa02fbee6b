import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Http2ServerResponse, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

/** Where a connection's bytes go: a response, or a receiver in the same process. */
export interface Sink {
  /**
   * Writes bytes; `framed` holds the same bytes as one chunk of HTTP's chunked coding, where they were
   * framed once for many sinks. False when the reader is behind: {@link Sink.onDrain} tells when it has
   * caught up.
   */
  write(bytes: Buffer, framed?: Buffer): boolean
  /** Bytes written and not yet taken by the reader. */
  buffered(): number
  /** Calls the listener once, when what was written has been taken. */
  onDrain(listener: () => void): void
  end(): void
}

/** How long TCP's own probes of a silent peer take: libuv sends ten, a second apart. */
const PROBING = 11_000
/**
 * A reader that is behind and takes nothing is given up within two to four heartbeats; two count as no less
 * than this, in milliseconds.
 */
const MIN_PROBE_TIMEOUT_MS = 5_000
/** What a timer can wait at most, in milliseconds. */
const MAX_PROBE_TIMEOUT_MS = 2_147_483_647

/**
 * A sink over an HTTP response whose head is written already.
 *
 * Where nothing stands between the response and its socket, chunks go straight to the socket: one that many
 * connections share is framed once. Where something does (a middleware that compresses, HTTP/2), or the
 * response isn't chunked (HTTP/1.0), they go by `response.write`.
 */
export class ResponseSink implements Sink {
  readonly #response: ServerResponse
  /** The socket to write to; undefined where only the response may. */
  readonly #socket: Socket | undefined
  /**
   * The HTTP/2 stream of the response: there, the response itself tells neither what waits nor when it was
   * taken.
   */
  readonly #stream: ServerHttp2Stream | undefined
  readonly #patience: number
  #watching = false
  #ended = false

  /** @param heartbeat Milliseconds between two pings: they set the times in which a dead peer is found. */
  constructor(response: ServerResponse, heartbeat: number) {
    this.#response = response
    this.#socket = socketOf(response)
    this.#stream = streamOf(response)
    this.#patience = Math.min(MAX_PROBE_TIMEOUT_MS, Math.max(MIN_PROBE_TIMEOUT_MS, heartbeat * 2))
    // Once the response has ended, whoever ended it, its socket may be carrying the next one.
    response.on('prefinish', () => {
      this.#ended = true
    })
    // With nothing under way, TCP finds a peer that is gone. Linux doesn't probe while it waits for an
    // acknowledgement: the idle time and the probes must fit between two pings. On HTTP/2 the socket is the
    // session's, which Node lets no stream touch.
    if (response.req.httpVersionMajor === 1) {
      response.socket?.setKeepAlive(true, Math.max(1000, heartbeat - PROBING))
      response.socket?.setNoDelay(true)
    }
  }

  write(bytes: Buffer, framed?: Buffer): boolean {
    if (this.#ended) return false
    const socket = this.#socket
    const kept = !socket ? this.#pass(bytes) : framed ? socket.write(framed) : frame(socket, bytes)
    if (!kept && !this.#watching) this.#watch()
    return kept
  }

  buffered(): number {
    // What the response says counts what its socket holds, down to what the system hasn't taken yet.
    return this.#writable.writableLength
  }

  onDrain(listener: () => void): void {
    const writable = this.#writable
    if (writable.writableNeedDrain) writable.once('drain', listener)
    else setImmediate(listener)
  }

  end(): void {
    endResponse(this.#response)
  }

  get #writable(): Socket | ServerHttp2Stream | ServerResponse {
    return this.#socket ?? this.#stream ?? this.#response
  }

  /** Writes by the response: an end by another middleware is known at once over HTTP/1 alone. */
  #pass(bytes: Buffer): boolean {
    return !this.#stream?.writableEnded && this.#response.write(bytes)
  }

  /**
   * Gives the reader up when it takes nothing of what waits: Node begins the time anew with each part of it
   * that the system takes.
   */
  #watch(): void {
    this.#watching = true
    const timed = this.#stream ?? this.#response
    const before = this.#stream ? 0 : (this.#response.socket?.timeout ?? 0)
    const giveUp = () => void timed.destroy()
    timed.setTimeout(this.#patience, giveUp)
    this.onDrain(() => {
      this.#watching = false
      timed.off('timeout', giveUp)
      timed.setTimeout(before)
    })
  }
}

function socketOf(response: ServerResponse): Socket | undefined {
  const { socket } = response
  const plain =
    response.write === OutgoingMessage.prototype.write && response.headersSent && response.chunkedEncoding
  return plain && socket ? socket : undefined
}

/**
 * Ends a stream's response. A reader that takes nothing of what still waits is given up, or a server could
 * not close.
 */
export function endResponse(response: ServerResponse): void {
  response.end()
  const carrier = streamOf(response) ?? response.socket
  if (carrier && carrier.writableLength > 0) carrier.setTimeout(MIN_PROBE_TIMEOUT_MS, () => carrier.destroy())
}

/** The HTTP/2 stream of a response, which is then one of Node's compatibility API. */
export function streamOf(response: ServerResponse): ServerHttp2Stream | undefined {
  return (response as unknown as Partial<Http2ServerResponse>).stream
}

/** Writes bytes as one chunk of HTTP, without a copy of them. */
function frame(socket: Socket, bytes: Buffer): boolean {
  // An empty chunk would end the response.
  if (bytes.length === 0) return !socket.writableNeedDrain
  if (socket.writableCorked === 0) {
    socket.cork()
    process.nextTick(() => socket.uncork())
  }
  socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1')
  socket.write(bytes)
  return socket.write('\r\n', 'latin1')
}

/** A sink that takes all at once. */
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

/** Calls a function of this process for each event. */
export class ReceiverSink extends InstantSink {
  readonly #receive: (text: string) => void

  constructor(receive: (text: string) => void) {
    super()
    this.#receive = receive
  }

  write(bytes: Buffer): boolean {
    this.#receive(bytes.toString())
    return true
  }
}
