import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { isObject } from '../../model/json.ts'
import type { WatchEntry } from '../../protocol/watched-root.ts'

/** Checks that a body is an object. @throws ParticleError `INVALID_MESSAGE` for another body */
export function objectOf(body: unknown, form: string): Record<string, unknown> {
  if (isObject(body)) return body
  throw new ParticleError('INVALID_MESSAGE', `The body must be an object ${form}`)
}

/** Checks that an optional field is a text. @throws ParticleError `INVALID_MESSAGE` for another field */
export function textOf(value: unknown, sentence: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw new ParticleError('INVALID_MESSAGE', sentence)
}

/**
 * Reads a field that is a text or a list of texts.
 *
 * @throws ParticleError `INVALID_MESSAGE` for another field
 */
export function textsOf(value: unknown, sentence: string): string[] {
  const list: unknown[] = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  return list.map((each) => {
    if (typeof each === 'string') return each
    throw new ParticleError('INVALID_MESSAGE', sentence)
  })
}

/** Finds the token of a request: in the body, the header, or the address (a ticket, with its cookie). */
export function tokenOf(
  request: IncomingMessage,
  query: URLSearchParams,
  body: Record<string, unknown>,
): string | undefined {
  return textOf(body.token, 'token must be a text') ?? bearer(request) ?? query.get('token') ?? undefined
}

function bearer(request: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** Limits the entries of one request. */
const MAX_ENTRIES = 1_000

/**
 * Checks an optional list of watched roots, each once.
 *
 * @throws ParticleError `INVALID_MESSAGE` for another value
 */
export function entriesOf(value: unknown, name: string): WatchEntry[] | undefined {
  if (value === undefined || value === null) return undefined
  const isList = Array.isArray(value) && value.length <= MAX_ENTRIES && value.every(isEntry)
  if (isList)
    return [...new Map(value.map((each) => [typeof each === 'string' ? each : each.root, each])).values()]
  throw new ParticleError(
    'INVALID_MESSAGE',
    `${name} must be a list of at most ${MAX_ENTRIES} roots, such as ["messages?{\\"room\\":7}"]`,
  )
}

/** Reads a list of watched roots in an address. */
export function entriesIn(query: URLSearchParams, name: string): WatchEntry[] | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  try {
    return entriesOf(JSON.parse(text), name)
  } catch (cause) {
    if (cause instanceof ParticleError) throw cause
    throw new ParticleError('INVALID_MESSAGE', `${name} is not JSON: encode it with encodeURIComponent`)
  }
}

function isEntry(value: unknown): value is WatchEntry {
  if (typeof value === 'string') return true
  if (!isObject(value) || typeof value.root !== 'string') return false
  return Number.isSafeInteger(value.limit) && Number(value.limit) > 0
}
