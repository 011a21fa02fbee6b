import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Readable, type Writable } from 'node:stream'

/**
 * The request that `identityLookup` and the inspector's guard get from `particle/fetch`. It has `method`,
 * `url`, `headers` and `socket.remoteAddress`, as the requests of Node have, so that one lookup serves both.
 */
export type FetchRequest<Context = unknown> = IncomingMessage & {
  /** The request as the framework gave it. Its body belongs to Particle. */
  readonly webRequest: Request
  /** The second argument of the handler: the framework's context, with its session or its user. */
  readonly context: Context
}

/** Shows a web request as a request of Node, as far as the server's routes read it. */
export class FetchMessage extends Readable {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Stands for every version without the header `Connection`: a web response can't set that header. */
  readonly httpVersion = '2.0'
  readonly httpVersionMajor = 2
  readonly httpVersionMinor = 0
  readonly webRequest: Request
  readonly context: unknown
  readonly socket: Writable
  /** The body, taken at once: Deno throws when it is asked for after the answer. */
  readonly #body: ReadableStream<Uint8Array> | null
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined

  /** @param socket the response, which stands for the socket that a web request does not have */
  constructor(request: Request, context: unknown, socket: Writable) {
    super()
    const { host, pathname, search } = new URL(request.url)
    this.method = request.method
    this.url = `${pathname}${search}`
    this.headers = { host, ...Object.fromEntries(request.headers) }
    // Leaves compression to the framework: Next drops `Content-Encoding` from the answers of route handlers.
    Reflect.deleteProperty(this.headers, 'accept-encoding')
    this.webRequest = request
    this.context = context
    this.socket = socket
    const isRead = request.bodyUsed || request.body?.locked
    this.#body = isRead ? null : request.body
    // Reports a body that the framework has read, since its bytes can't be read again.
    if (isRead) Object.defineProperty(this, 'readableDidRead', { value: true })
  }

  override _read(): void {
    if (!this.#body) {
      this.push(null)
      return
    }
    this.#reader ??= this.#body.getReader()
    this.#reader.read().then(
      ({ done, value }) => void this.push(done ? null : Buffer.from(value)),
      (error: Error) => void this.destroy(error),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Lets the framework drop the rest of the body. A body that was read or that broke off has no rest.
    const cancelled = this.#reader?.cancel() ?? (this.#body?.locked ? undefined : this.#body?.cancel())
    cancelled?.catch(() => {})
    done(error)
  }
}
