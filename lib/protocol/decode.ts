import { ParticleError } from '../errors.ts'
import { isObject } from '../model/json.ts'
import { isRefusedName } from '../model/path.ts'
import type { EventName, ServerEvent } from './messages.ts'

/** A field's kind: what `typeof` says, or an array of objects; a trailing `?` lets it be missing. */
type Kind = 'string' | 'string?' | 'number' | 'boolean' | 'objects' | 'sources'

const SHAPES: Record<EventName, Record<string, Kind>> = {
  manifest: {
    protocol: 'number',
    timestamp: 'string',
    resumed: 'boolean',
    reason: 'string?',
    sources: 'sources',
  },
  payload: { root: 'string', timestamp: 'string', data: 'objects', part: 'number', last: 'boolean' },
  delta: { root: 'string', timestamp: 'string', oplist: 'objects' },
  ready: { timestamp: 'string' },
  reset: { root: 'string', reason: 'string' },
  revoked: { reason: 'string' },
  error: { root: 'string?', code: 'string', message: 'string' },
  session: { token: 'string', expiresAt: 'string' },
  ping: { timestamp: 'string' },
}

/**
 * An event from its name, data and id as they came over the wire. `undefined` for a name that is unknown, which
 * a client ignores, as it does fields that are unknown: so can the protocol grow.
 *
 * @throws ParticleError `INVALID_MESSAGE` where the data is not JSON of the event's shape.
 */
export function decode(name: string, data: string, id?: string): ServerEvent | undefined {
  if (!Object.hasOwn(SHAPES, name)) return undefined
  const value = parse(name, data)
  for (const [field, kind] of Object.entries(SHAPES[name as EventName])) {
    if (!fits(value[field], kind)) throw invalid(name, field)
  }
  const roots = [value.root, ...Object.keys(value.sources ?? {})]
  if (roots.some((root) => isRefusedName(String(root)))) throw invalid(name, 'root')
  if (name === 'delta' && !(value.oplist as Record<string, unknown>[]).every(isOperation)) {
    throw invalid(name, 'oplist')
  }
  return { event: name, data: value, ...(id === undefined ? {} : { id }) } as unknown as ServerEvent
}

function parse(name: string, data: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data)
    if (isObject(value)) return value
  } catch {}
  throw invalid(name, 'data')
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === 'objects') return Array.isArray(value) && value.every(isObject)
  if (kind === 'sources') {
    return isObject(value) && Object.values(value).every((source) => source === true || isObject(source))
  }
  return kind.endsWith('?') ? value === undefined || typeof value === 'string' : typeof value === kind
}

function isOperation(op: Record<string, unknown>): boolean {
  return typeof op.operation === 'string' && typeof op.path === 'string' && op.id !== undefined
}

function invalid(name: string, field: string): ParticleError {
  return new ParticleError('INVALID_MESSAGE', `The event ${name} came with a malformed ${field}.`)
}
