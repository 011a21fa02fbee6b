import { ParticleError } from '../errors.ts'
import { isoTime } from '../model/iso-time.ts'
import { isObject } from '../model/json.ts'
import { isRefusedName } from '../model/path.ts'
import { longDelta } from './delta.ts'
import type { EventName, ServerEvent } from './messages.ts'

/** Lists the required fields of each event but `delta`. */
const FIELDS: Record<EventName, string> = {
  manifest: 'protocol timestamp resumed sources',
  watching: 'watch sources',
  payload: 'root timestamp data part last',
  delta: '',
  ready: 'timestamp',
  reset: 'root reason',
  revoked: 'reason',
  error: 'code message',
  session: 'token expiresAt',
  renew: 'reason within',
  reached: 'position',
  ping: 'timestamp',
}

/**
 * Maps the fields that are no strings to their `typeof`. A field has the same type in all events, so one
 * table is enough.
 */
const KINDS: Record<string, string> = {
  protocol: 'number',
  part: 'number',
  within: 'number',
  resumed: 'boolean',
  last: 'boolean',
}

/**
 * Decodes an event from its name, data and id on the wire. Returns `undefined` for an unknown name. Clients
 * ignore unknown events and unknown fields, so that the protocol can grow.
 *
 * @param lead how far the server's clock is ahead of the local one, in milliseconds: dates a delta that comes
 *   without a timestamp
 * @throws ParticleError `INVALID_MESSAGE` when the data is not JSON of the event's shape
 */
export function decode(name: string, data: string, id?: string, lead = 0): ServerEvent | undefined {
  if (!Object.hasOwn(FIELDS, name)) return undefined
  const value = parseData(name, data, lead)
  if (name === 'delta') checkDelta(value)
  else {
    for (const field of FIELDS[name as EventName].split(' ')) check(name, field, value[field])
    // Checks the optional fields.
    for (const field of ['root', 'reason', 'together'])
      if (value[field] !== undefined) check(name, field, value[field])
  }
  const event = id === undefined ? { event: name, data: value } : { event: name, data: value, id }
  return event as unknown as ServerEvent
}

/**
 * Parses the data of an event, without a check of its fields. Expands the data of a delta.
 *
 * @throws ParticleError `INVALID_MESSAGE` when the data is neither an object nor the list of a delta
 */
export function parseData(name: string, data: string, lead = 0): Record<string, unknown> {
  try {
    let value: unknown = JSON.parse(data)
    const isDelta = name === 'delta'
    if (isDelta && Array.isArray(value)) value = longDelta(value)
    if (isObject(value)) {
      if (isDelta && value.timestamp === undefined) value.timestamp = isoTime(Date.now() + lead)
      return value
    }
  } catch {}
  throw invalid(name, 'data')
}

/** Checks a delta without the table. Most of a stream is deltas, and the table took a third of their time. */
function checkDelta({ root, timestamp, oplist }: Record<string, unknown>): void {
  if (!isName(root) || typeof timestamp !== 'string' || !isList(oplist, isOperation))
    throw invalid('delta', 'field')
}

function check(name: string, field: string, value: unknown): void {
  if (!fits(field, value)) throw invalid(name, field)
}

function fits(field: string, value: unknown): boolean {
  if (field === 'root') return isName(value)
  if (field === 'watch') return isList(value, (each) => isName(isObject(each) ? each.root : each))
  if (field === 'data') return isList(value, isObject)
  if (field === 'together') return isList(value, (group) => isList(group, isName))
  if (field !== 'sources') return typeof value === (KINDS[field] ?? 'string')
  return (
    isObject(value) &&
    Object.entries(value).every(([root, fields]) => isName(root) && (fields === true || isObject(fields)))
  )
}

function isList(value: unknown, fits: (value: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits)
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && !isRefusedName(value)
}

function isOperation(op: unknown): boolean {
  return (
    isObject(op) &&
    typeof op.operation === 'string' &&
    typeof op.path === 'string' &&
    op.id !== undefined &&
    Number.isInteger(op.at ?? 0)
  )
}

function invalid(name: string, field: string): ParticleError {
  return new ParticleError(
    'INVALID_MESSAGE',
    `The event ${name} has a malformed ${field}. Does a proxy change the stream?`,
  )
}
