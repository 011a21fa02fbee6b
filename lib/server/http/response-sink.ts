import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Http2ServerResponse, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Sink } from '../delivery/sink.ts'
import { MAX_TIMER } from '../options/options.ts'

/** Sets the time of TCP's own probes of a silent peer, in milliseconds: libuv sends ten, a second apart. */
const PROBING_MS = 11_000
/**
 * Sets the minimum time for a blocked reader to take bytes, in milliseconds. Such a reader is disconnected
 * after two to four heartbeats; two count as at least this time.
 */
const MIN_PROBE_TIMEOUT_MS = 5_000

/**
 * Writes to an HTTP response whose head was written before. Chunks go straight to the socket if nothing is
 * between the response and its socket, and a chunk for many connections is framed once. Otherwise (a
 * middleware that compresses, HTTP/2, or HTTP/1.0 without chunks) they go through `response.write`.
 */
export class ResponseSink implements Sink {
  readonly #response: ServerResponse
  /** The socket to write to; undefined when bytes must go through the response. */
  readonly #socket: Socket | undefined
  /**
   * The HTTP/2 stream of the response. On HTTP/2 the response itself does not report unsent bytes and drains.
   */
  readonly #stream: ServerHttp2Stream | undefined
  readonly #probeTimeout: number
  /** Whether the head waits for the first chunk. One write of both costs a third of two. */
  #headWaits: boolean
  #watching = false
  #ended = false
  readonly #draining: (() => void)[] = []

  /** @param heartbeat milliseconds between two pings, which set the time to find a dead peer */
  constructor(response: ServerResponse, heartbeat: number) {
    this.#response = response
    this.#socket = socketOf(response)
    this.#headWaits = this.#socket !== undefined
    if (!this.#headWaits) response.flushHeaders()
    this.#stream = streamOf(response)
    this.#probeTimeout = Math.min(MAX_TIMER, Math.max(MIN_PROBE_TIMEOUT_MS, heartbeat * 2))
    // Stops writing after the end of the response, whose socket may then carry the next response.
    response.on('prefinish', () => {
      this.#ended = true
    })
    // Lets TCP find a dead peer of an idle stream. Linux doesn't probe while it waits for an acknowledgement,
    // so the idle time and the probes must fit between two pings. HTTP/2 is left out, because Node lets no
    // stream change the session's socket.
    if (response.req.httpVersionMajor === 1) {
      response.socket?.setKeepAlive(true, Math.max(1000, heartbeat - PROBING_MS))
      response.socket?.setNoDelay(true)
    }
  }

  write(bytes: Buffer, framed?: Buffer): boolean {
    if (this.#ended) return false
    const socket = this.#socket
    if (socket && this.#headWaits) {
      this.#headWaits = false
      gather(socket)
      this.#response.flushHeaders()
    }
    const kept = !socket ? this.#pass(bytes) : framed ? socket.write(framed) : frame(socket, bytes)
    if (!kept && !this.#watching) this.#watch()
    return kept
  }

  buffered(): number {
    // Includes the socket's bytes that the system hasn't taken yet.
    return this.#writable.writableLength
  }

  onDrain(listener: () => void): void {
    const writable = this.#writable
    if (!writable.writableNeedDrain) setImmediate(listener)
    // Listens once for all, since Node warns of many listeners.
    else if (this.#draining.push(listener) === 1) {
      writable.once('drain', () => {
        for (const each of this.#draining.splice(0)) each()
      })
    }
  }

  end(): void {
    endResponse(this.#response)
  }

  get #writable(): Socket | ServerHttp2Stream | ServerResponse {
    return this.#socket ?? this.#stream ?? this.#response
  }

  /** Writes through the response. Only HTTP/1 reports an end by another middleware at once. */
  #pass(bytes: Buffer): boolean {
    return !this.#stream?.writableEnded && this.#response.write(bytes)
  }

  /**
   * Disconnects a reader that takes no bytes. Node restarts the timeout whenever the system takes a part of
   * them.
   */
  #watch(): void {
    this.#watching = true
    const timed = this.#stream ?? this.#response
    const before = this.#stream ? 0 : (this.#response.socket?.timeout ?? 0)
    const disconnect = () => void timed.destroy()
    timed.setTimeout(this.#probeTimeout, disconnect)
    this.onDrain(() => {
      this.#watching = false
      timed.off('timeout', disconnect)
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

/** Ends a stream's response. Disconnects a reader that takes no more bytes, or a server could not close. */
export function endResponse(response: ServerResponse): void {
  response.end()
  const carrier = streamOf(response) ?? response.socket
  if (carrier && carrier.writableLength > 0) carrier.setTimeout(MIN_PROBE_TIMEOUT_MS, () => carrier.destroy())
}

/** Returns the HTTP/2 stream of a response of Node's compatibility API. Returns undefined on HTTP/1. */
export function streamOf(response: ServerResponse): ServerHttp2Stream | undefined {
  return (response as unknown as Partial<Http2ServerResponse>).stream
}

/** Gathers the writes of this step of the event loop to one write of the system. */
function gather(socket: Socket): void {
  if (socket.writableCorked > 0) return
  socket.cork()
  process.nextTick(uncork, socket)
}

function uncork(socket: Socket): void {
  socket.uncork()
}

/** Writes bytes as one HTTP chunk, without copying them. */
function frame(socket: Socket, bytes: Buffer): boolean {
  // Skips an empty chunk, which would end the response.
  if (bytes.length === 0) return !socket.writableNeedDrain
  gather(socket)
  socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1')
  socket.write(bytes)
  return socket.write('\r\n', 'latin1')
}
