import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { excessOf, REQUEST_BOUNDS } from '../../model/bounds.ts'
import { field, isObject, toJson } from '../../model/json.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import { MAX_TIMER } from '../options/options.ts'

/** The shortest body with a field, in bytes. */
const MIN_BODY = '{"identity":0}'.length

const MEND = 'Mount Particle before that middleware, or have it leave application/json to express.json()'

type Request = IncomingMessage & { body?: unknown }

/** Bounds the bodies that a server reads: see `Limits`. */
export type BodyBounds = Pick<ResolvedLimits, 'bodyBytes' | 'bodyMs' | 'bodyBytesWaiting'>

/** Reads the bodies of requests. */
export class BodyReader {
  readonly #bounds: BodyBounds
  readonly #onError: (error: ParticleError) => void
  /** The bytes of all bodies that are arriving, or whose requests are not answered yet. */
  #waiting = 0
  readonly #held = new WeakMap<IncomingMessage, number>()

  /** @param onError called when the waiting bodies are too large together */
  constructor(bounds: BodyBounds, onError: (error: ParticleError) => void) {
    this.#bounds = bounds
    this.#onError = onError
  }

  /**
   * Reads the JSON of a request's body. Takes a body that another middleware has read from `request.body`: a
   * parsed value, a text or bytes. The body counts until {@link BodyReader.release}, since a slow lookup
   * keeps it in memory.
   *
   * @param fields the possible fields of a body. A body without any of them is refused unless it is empty: a
   *   middleware that parsed the body in another way, or a misspelt name, must not drop the identity
   * @param signal ends the read with the signal's reason
   * @throws ParticleError `UNSUPPORTED_MEDIA_TYPE`, `BODY_TOO_LARGE`, `BODY_TOO_SLOW`, `INVALID_MESSAGE`, or
   *   `UNAVAILABLE` when too many bodies wait
   */
  async json(request: Request, fields?: readonly string[], signal?: AbortSignal): Promise<unknown> {
    const type = request.headers['content-type'] ?? ''
    if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
      throw new ParticleError(
        'UNSUPPORTED_MEDIA_TYPE',
        'The body must be JSON, with Content-Type: application/json',
      )
    }
    if (Number(request.headers['content-length']) > this.#bounds.bodyBytes)
      throw tooLarge(this.#bounds.bodyBytes)
    const body = isRead(request) ? bodyRead(request) : parse(await this.#text(request, signal))
    // Checks the depth and the size first. Any walk of a deep body would block the process or exhaust its
    // stack.
    const excess = excessOf(body, REQUEST_BOUNDS)
    if (excess) throw invalid(`The body ${excess}: send less`)
    if (fields) refuseForeign(body, fields)
    const json = toJson(body)
    if (!this.#held.has(request)) this.#hold(request, JSON.stringify(json).length)
    return json
  }

  /** Stops counting the body of an answered request. */
  release(request: IncomingMessage): void {
    this.#waiting -= this.#held.get(request) ?? 0
    this.#held.delete(request)
  }

  /** @throws ParticleError `UNAVAILABLE` when too many bodies wait */
  #hold(request: IncomingMessage, bytes: number): void {
    this.#held.set(request, (this.#held.get(request) ?? 0) + bytes)
    this.#waiting += bytes
    if (this.#waiting > this.#bounds.bodyBytesWaiting) throw this.#tooMany()
  }

  async #text(request: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
    const encoding = request.headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity') {
      throw new ParticleError(
        'UNSUPPORTED_MEDIA_TYPE',
        'The body must come without Content-Encoding, or express.json() must read it before Particle',
      )
    }
    if (request.destroyed) throw brokenOff()
    if (request.readableDidRead) {
      throw invalid(`A part of the body was read by a middleware before Particle. ${MEND}`)
    }
    const { bodyBytes: most, bodyMs: ms } = this.#bounds
    const chunks: Buffer[] = []
    let size = 0
    let timer: NodeJS.Timeout | undefined
    let stop = () => {}
    try {
      return await new Promise<string>((resolve, reject) => {
        // Accepts texts too, since a middleware may have set an encoding.
        const take = (chunk: Buffer | string) => {
          const bytes =
            typeof chunk === 'string' ? Buffer.from(chunk, request.readableEncoding ?? 'utf8') : chunk
          size += bytes.length
          if (size > most) return reject(tooLarge(most))
          try {
            this.#hold(request, bytes.length)
            chunks.push(bytes)
          } catch (error) {
            reject(error)
          }
        }
        const end = () => resolve(Buffer.concat(chunks).toString())
        const broken = () => reject(brokenOff())
        const abort = () => reject(signal?.reason)
        stop = () => {
          request.off('data', take).off('end', end).off('close', broken).off('error', broken)
          // Replaces this read's listener, which would keep the body in memory for the life of the request.
          request.on('error', ignore)
          signal?.removeEventListener('abort', abort)
        }
        timer = setTimeout(() => reject(tooSlow(ms)), Math.min(ms, MAX_TIMER)).unref()
        signal?.addEventListener('abort', abort)
        request.on('data', take).once('end', end).once('error', broken).once('close', broken)
        // Starts a request that a middleware has paused.
        request.resume()
      })
    } finally {
      stop()
      clearTimeout(timer)
    }
  }

  #tooMany(): ParticleError {
    const what = `The bodies of unanswered requests have over ${this.#bounds.bodyBytesWaiting} bytes together`
    this.#onError(
      new ParticleError('UNAVAILABLE', `${what}: raise limits.bodyBytesWaiting for legitimate clients`),
    )
    return new ParticleError('UNAVAILABLE', 'Too many bodies wait at once; try again later')
  }
}

/**
 * Checks whether a middleware before Particle has read the body. Without a body, express.json() of Express 4
 * sets an empty one.
 */
function isRead({ body, readableEnded, readableDidRead }: Request): boolean {
  return readableEnded || (body !== undefined && readableDidRead)
}

/** Returns the body that a middleware before Particle has read. */
function bodyRead(request: Request): unknown {
  const { body, headers } = request
  if (typeof body === 'string') return parse(body)
  if (body instanceof Uint8Array)
    return parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString())
  const length = headers['content-encoding'] ? 0 : Number(headers['content-length'] ?? 0)
  const isLost = isObject(body) && Object.keys(body).length === 0 && length >= MIN_BODY
  if (body === undefined || isLost) {
    throw invalid(`The body was read by a middleware before Particle, which kept nothing of it. ${MEND}`)
  }
  if (isObject(body) && Object.keys(body).some((key) => key.trimStart().startsWith('{'))) {
    throw invalid(
      `A middleware before Particle (express.urlencoded?) read the JSON of the body as a form. ${MEND}`,
    )
  }
  return body
}

function refuseForeign(body: unknown, fields: readonly string[]): void {
  if (!isObject(body)) return
  const names = Object.keys(body)
  if (names.length === 0 || fields.some((name) => field(body, name) !== undefined)) return
  const found = `The body has none of the fields ${fields.join(', ')}, but ${names.slice(0, 3).join(', ')}`
  throw invalid(`${found}. Check the names, and that no middleware before Particle changes the body`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('The body is not valid JSON')
  }
}

function ignore(): void {}

function invalid(message: string): ParticleError {
  return new ParticleError('INVALID_MESSAGE', message)
}

function tooLarge(most: number): ParticleError {
  return new ParticleError('BODY_TOO_LARGE', `The body is over ${most} bytes`)
}

function tooSlow(ms: number): ParticleError {
  return new ParticleError('BODY_TOO_SLOW', `The body did not arrive within ${ms} ms`)
}

function brokenOff(): ParticleError {
  return invalid('The body broke off')
}
