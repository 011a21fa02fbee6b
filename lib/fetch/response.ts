import { Writable } from 'node:stream'
import { FetchMessage } from './request.ts'

/** The status of an answer to a client that has gone. Nobody receives it; nginx logs the same number. */
const CLIENT_CLOSED_REQUEST = 499
/** The statuses whose answers have no body (Fetch standard, "null body status"). */
const WITHOUT_BODY = [204, 205, 304]

/**
 * Turns what the server's routes write to a response of Node into a web response. A stream's bytes wait here
 * until the framework asks for them, so that `maxBufferedBytes` bounds a slow reader. It also stands for the
 * socket, which a web response does not have.
 */
export class FetchResponse extends Writable {
  readonly req: FetchMessage
  /** Resolves when the head is written, or the client has gone. */
  readonly answer: Promise<Response>
  readonly remoteAddress: string | undefined
  readonly encrypted: boolean
  statusCode = 200
  headersSent = false
  /** The time in which the reader must take a part of the waiting bytes, in milliseconds; 0: no limit. */
  timeout = 0
  readonly #headers = new Headers()
  #resolve: (answer: Response) => void = () => {}
  #isAnswered = false
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  /** Whether the reader waits for bytes. */
  #isWanted = false
  /** Hands the waiting chunk to the reader. */
  #give: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  /**
   * @param context the framework's context, for the application's functions
   * @param remoteAddress the address that the client is counted under
   */
  constructor(request: Request, context: unknown, remoteAddress: string | undefined) {
    // Reports a reader as behind until it has taken everything, so that a reader that takes nothing is found.
    super({ highWaterMark: 1 })
    this.req = new FetchMessage(request, context, this)
    this.remoteAddress = remoteAddress
    this.encrypted = request.url.startsWith('https:')
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.on('error', () => {})
  }

  get socket(): this {
    return this
  }

  getHeader(name: string): string | undefined {
    return this.#headers.get(name) ?? undefined
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name)
  }

  setHeader(name: string, value: string | number): this {
    this.#headers.set(name, String(value))
    return this
  }

  appendHeader(name: string, value: string): this {
    this.#headers.append(name, value)
    return this
  }

  writeHead(status: number, headers: Record<string, string | number> = {}): this {
    this.statusCode = status
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value)
    this.headersSent = true
    return this
  }

  /** Answers with a stream. */
  flushHeaders(): void {
    if (this.#isAnswered) return
    // A limit of 0 chunks keeps no bytes in the stream: `pull` is called when the reader waits.
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => {
          this.#controller = undefined
          this.destroy()
        },
      },
      { highWaterMark: 0 },
    )
    this.#answer(stream)
  }

  /** Ends the answer. The bytes of an answer without a stream are its whole body. */
  override end(...given: unknown[]): this {
    if (this.#isAnswered) return Reflect.apply(super.end, this, given)
    this.#answer((given[0] ?? null) as string | Uint8Array<ArrayBuffer> | null)
    return super.end()
  }

  /** Emits `timeout` when the reader takes no bytes for a time, in milliseconds; 0: never. */
  setTimeout(ms: number, listener?: () => void): this {
    if (listener) this.on('timeout', listener)
    this.timeout = ms
    this.#restart()
    return this
  }

  /** Ends the answer to a client that has gone. Gives no error, since Deno would print it. */
  leave(): void {
    this.#close()
    this.destroy()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.flushHeaders()
    this.#give = () => {
      this.#give = undefined
      this.#isWanted = false
      this.#controller?.enqueue(chunk)
      this.#restart()
      done()
    }
    if (this.#isWanted) this.#give()
  }

  override _final(done: () => void): void {
    this.#close()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    this.#give = undefined
    this.req.destroy()
    if (!this.#isAnswered) {
      this.statusCode = CLIENT_CLOSED_REQUEST
      this.#answer(null)
    }
    // Cuts a stream that did not end, so that the framework cuts the connection.
    this.#controller?.error(new DOMException('The stream was cut', 'AbortError'))
    this.#controller = undefined
    done(error)
  }

  /** Ends the stream, once: a controller throws for a stream that has ended. */
  #close(): void {
    this.#controller?.close()
    this.#controller = undefined
  }

  #pull(): void {
    this.#isWanted = true
    this.#give?.()
  }

  #answer(body: ReadableStream<Uint8Array> | string | Uint8Array<ArrayBuffer> | null): void {
    this.#isAnswered = true
    this.headersSent = true
    // The connection belongs to the framework, and HTTP/2 forbids the header.
    this.#headers.delete('Connection')
    const isEmpty = this.req.method === 'HEAD' || WITHOUT_BODY.includes(this.statusCode)
    this.#resolve(new Response(isEmpty ? null : body, { status: this.statusCode, headers: this.#headers }))
  }

  #restart(): void {
    clearTimeout(this.#timer)
    if (this.timeout > 0) this.#timer = setTimeout(() => this.emit('timeout'), this.timeout).unref()
  }
}
