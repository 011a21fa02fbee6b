import { ParticleError } from '../../errors.ts'
import { walkable } from '../../model/bounds.ts'
import type { Json } from '../../model/document.ts'
import { canonical } from '../../model/json.ts'

/** Selects the conversion between a text of Redis and a JSON value. */
export type RedisCodec = 'string' | 'number' | 'boolean' | 'json'

export const CODECS: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'json'])

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const BOOLEANS = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
])

/**
 * Decodes a text to a value. A text that doesn't fit stays a string, so that nothing is lost, like a number
 * that a double can't hold (an integer past 2^53).
 */
export function decode(codec: RedisCodec, text: string): Json {
  if (codec === 'number') return number(text) ?? text
  if (codec === 'boolean') return BOOLEANS.get(text) ?? text
  return codec === 'json' ? json(text, text) : text
}

/**
 * Encodes a value as a text. Throws `INVALID_OPERATION` for a value that the codec can't encode. `what` names
 * the place, for the message.
 */
export function encode(codec: RedisCodec, value: Json, what: string): string {
  if (codec === 'json') return JSON.stringify(value)
  if (codec === 'string' && typeof value === 'string') return value
  if (codec === 'number' && typeof value === 'number') return String(value)
  if (codec === 'boolean' && typeof value === 'boolean') return value ? '1' : '0'
  const found = value === null ? 'null' : Array.isArray(value) ? 'an array' : `of type ${typeof value}`
  throw new ParticleError(
    'INVALID_OPERATION',
    `${what} is ${found}, but is declared as '${codec}': use { ${fitting(value)} } in the collection's ` +
      'options',
  )
}

/**
 * Decodes the rest of a key to an `_id`; `undefined` for a text that {@link encodeId} would not write, so
 * that two keys are never one document.
 */
export function decodeId(codec: RedisCodec, rest: string): Json | undefined {
  const id = codec === 'json' ? json(rest, undefined) : codec === 'string' ? rest : decode(codec, rest)
  return id !== undefined && encodeId(codec, id) === rest ? id : undefined
}

/** Encodes an `_id` as the rest of a key; `undefined` for an `_id` without a key. */
export function encodeId(codec: RedisCodec, id: Json): string | undefined {
  if (codec === 'json') return canonical(id)
  return typeof id === codec ? encode(codec, id, '_id') : undefined
}

function fitting(value: Json): string {
  const codec = typeof value === 'object' ? 'json' : typeof value
  return `fields: { ...: '${codec}' }`
}

function number(text: string): number | undefined {
  if (!NUMBER.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
    ? value
    : undefined
}

function json<T>(text: string, otherwise: T): Json | T {
  try {
    return walkable(JSON.parse(text))
  } catch {
    return otherwise
  }
}
