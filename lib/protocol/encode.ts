import { ParticleError } from '../errors.ts'
import { isObject } from '../model/json.ts'
import { type LongDelta, shortDelta } from './delta.ts'

/**
 * Encodes an event for the wire: `id: X`, `event: delta` and `data: …`, one line each, and an empty line.
 * Lines end with LF only. An `id` of `''` writes an empty `id:` line, which makes a native EventSource forget
 * its position. Without an `id`, no `id:` line is written.
 *
 * A delta's object is written as a list, without the operations' `keys`. All other data is written unchanged.
 *
 * @throws ParticleError `INVALID_MESSAGE` when the event's name or id would break the frame, or the data
 *   isn't JSON, is circular or is nested too deep
 */
export function encode(message: { event: string; data: unknown; id?: string }): string {
  const { event, id } = message
  const data = textOf(event === 'delta' && isLong(message.data) ? shortDelta(message.data) : message.data)
  if (data === undefined) throw invalid('data that JSON can hold')
  if (event === '' || /[\r\n]/.test(event)) throw invalid('a name of one line')
  // Refuses NUL too: a receiver must ignore such an id, and would silently keep an older position.
  if (id !== undefined && /[\r\n\0]/.test(id)) throw invalid('an id of one line')
  const position = id === undefined ? '' : id === '' ? 'id:\n' : `id: ${id}\n`
  return `${position}event: ${event}\ndata: ${data}\n\n`
}

function isLong(data: unknown): data is LongDelta {
  return isObject(data) && Array.isArray(data.oplist)
}

/** Returns the JSON of data; undefined for data without any. */
function textOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data)
  } catch (cause) {
    // JSON.stringify exhausts the stack at some thousand levels.
    const what = cause instanceof RangeError ? 'is nested too deep' : `has no JSON form: ${cause}`
    throw invalid(`data that JSON can hold, but its data ${what}`, cause)
  }
}

function invalid(need: string, cause?: unknown): ParticleError {
  return new ParticleError('INVALID_MESSAGE', `An event needs ${need}.`, { cause })
}
