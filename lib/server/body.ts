import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../errors.ts'
import { toJson } from '../model/json.ts'

/** How large a handshake's body may be, in bytes. */
export const MOST_BODY = 100_000

/**
 * The JSON of a request's body; what `express.json()` has parsed already is taken as it is.
 * @throws ParticleError `UNSUPPORTED_MEDIA_TYPE`, `BODY_TOO_LARGE` or `INVALID_MESSAGE`.
 */
export async function readJson(request: IncomingMessage & { body?: unknown }): Promise<unknown> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new ParticleError(
      'UNSUPPORTED_MEDIA_TYPE',
      'The body must be JSON, with Content-Type: application/json',
    )
  }
  if (request.body !== undefined && request.readableEnded) return toJson(request.body)
  if (request.readableEnded) {
    throw new ParticleError(
      'INVALID_MESSAGE',
      'The body was read by a middleware before Particle, which kept nothing of it',
    )
  }
  const text = await readText(request)
  try {
    return JSON.parse(text)
  } catch {
    throw new ParticleError('INVALID_MESSAGE', 'The body is not valid JSON')
  }
}

function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = () => new ParticleError('BODY_TOO_LARGE', `The body is over ${MOST_BODY} bytes`)
  if (Number(request.headers['content-length']) > MOST_BODY) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > MOST_BODY) {
        request.removeAllListeners('data')
        reject(tooLarge())
      } else chunks.push(chunk)
    })
    request.once('end', () => resolve(Buffer.concat(chunks).toString()))
    request.once('error', () => reject(new ParticleError('INVALID_MESSAGE', 'The body broke off')))
    request.once('close', () => reject(new ParticleError('INVALID_MESSAGE', 'The body broke off')))
  })
}
