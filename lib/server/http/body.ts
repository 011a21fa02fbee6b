import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { excessOf, REQUEST_BOUNDS } from '../../model/bounds.ts'
import { field, isObject, toJson } from '../../model/json.ts'

/** Limits a body, in bytes: it may hold an identity, and a token that seals another. */
export const MAX_BODY_BYTES = 512_000

/** The shortest body with a field, in bytes. */
const MIN_BODY = '{"identity":0}'.length

const MEND = 'Mount Particle before that middleware, or have it leave application/json to express.json()'

type Request = IncomingMessage & { body?: unknown }

/**
 * Reads the JSON of a request's body. A body that another middleware has read is taken from `request.body`:
 * parsed, or as text or bytes.
 *
 * @param fields The fields that a body may have: one without any of them is refused unless it is empty, so
 * that no identity is dropped where a middleware parsed the body as something else, or where a field's name
 * is misspelt.
 * @throws ParticleError `UNSUPPORTED_MEDIA_TYPE`, `BODY_TOO_LARGE` or `INVALID_MESSAGE`.
 */
export async function readJson(request: Request, fields?: readonly string[]): Promise<unknown> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new ParticleError(
      'UNSUPPORTED_MEDIA_TYPE',
      'The body must be JSON, with Content-Type: application/json',
    )
  }
  if (Number(request.headers['content-length']) > MAX_BODY_BYTES) throw tooLarge()
  const body = isRead(request) ? bodyRead(request) : parse(await readBody(request))
  // Before anything walks the body: to walk a deep one holds the process, or exhausts its stack.
  const excess = excessOf(body, REQUEST_BOUNDS)
  if (excess) throw invalid(`The body ${excess}: send less`)
  if (fields) refuseForeign(body, fields)
  return isRead(request) ? toJson(body) : body
}

/**
 * Whether a middleware before Particle has read the body: express.json() of Express 4 puts an empty one
 * where it reads nothing.
 */
function isRead({ body, readableEnded, readableDidRead }: Request): boolean {
  return readableEnded || (body !== undefined && readableDidRead)
}

/** The body that a middleware before Particle has read. */
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
      `The JSON of the body was read as a form by a middleware before Particle (express.urlencoded?). ${MEND}`,
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

async function readBody(request: IncomingMessage): Promise<string> {
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
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    // A middleware may have set an encoding: the chunks are text then.
    const take = (chunk: Buffer | string) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, request.readableEncoding ?? 'utf8') : chunk
      size += bytes.length
      if (size > MAX_BODY_BYTES) {
        request.off('data', take)
        reject(tooLarge())
      } else chunks.push(bytes)
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks).toString()))
    request.once('error', () => reject(brokenOff()))
    request.once('close', () => reject(brokenOff()))
    // One that a middleware has paused does not begin by itself.
    request.resume()
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('The body is not valid JSON')
  }
}

function invalid(message: string): ParticleError {
  return new ParticleError('INVALID_MESSAGE', message)
}

function tooLarge(): ParticleError {
  return new ParticleError('BODY_TOO_LARGE', `The body is over ${MAX_BODY_BYTES} bytes`)
}

function brokenOff(): ParticleError {
  return invalid('The body broke off')
}
