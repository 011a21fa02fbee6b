import { ParticleError } from '../errors.ts'
import { MAX_DEPTH } from './bounds.ts'

/**
 * Represents one step of a path: a field's name or an array position as text, or the `_id` of an array's
 * element.
 */
export type PathSegment = string | { id: string }

const REFUSED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
/** Matches one segment: a name at the start or after a dot, or an id in brackets. */
const SEGMENT = /(?:^|(?!^)\.)([^.[\]]+)|(?!^)\[([^\]]+)\]/uy

/** Checks for a name that a path must not hold, because an assignment could reach an object's prototype. */
export function isRefusedName(name: string): boolean {
  return REFUSED.has(name)
}

/**
 * Returns the array position for a name in a path; `undefined` for other names. A number with a leading zero
 * is no position, as in MongoDB.
 */
export function positionOf(name: string): number | undefined {
  return /^(?:0|[1-9]\d*)$/.test(name) ? Number(name) : undefined
}

/** Checks that a field of this name can be a segment of a path. */
export function isPathName(name: string): boolean {
  return name !== '' && !/[.[\]]/.test(name) && !REFUSED.has(name)
}

/**
 * Splits a path into segments: `.` gives `[]`, `address.street` gives `['address', 'street']`, and
 * `todos[5].done` gives `['todos', { id: '5' }, 'done']`. The text in brackets may contain dots.
 *
 * @throws ParticleError `INVALID_PATH` for an empty or malformed path, for more than 200 segments, and for
 *   `__proto__`, `constructor` and `prototype`
 */
export function parsePath(path: string): PathSegment[] {
  if (path === '.') return []
  // Most paths are one field's name.
  if (typeof path === 'string' && isPathName(path)) return [path]
  const segments: PathSegment[] = []
  const refuse = (reason: string) => {
    throw new ParticleError('INVALID_PATH', `The path ${JSON.stringify(path)} ${reason}.`)
  }
  if (typeof path !== 'string' || path === '') refuse('must be a string that is not empty')
  SEGMENT.lastIndex = 0
  for (let at = 0; at < path.length; at = SEGMENT.lastIndex) {
    const [whole, name, id = ''] = SEGMENT.exec(path) ?? []
    if (whole === undefined) refuse('is malformed')
    segments.push(name ?? { id })
    if (segments.length > MAX_DEPTH) tooDeep(`A path of ${path.length} characters is`)
  }
  for (const segment of segments) {
    const name = typeof segment === 'string' ? segment : segment.id
    if (REFUSED.has(name)) refuse(`holds the refused name ${name}`)
  }
  return segments
}

/**
 * Checks the segments that a source gives beside a path.
 *
 * @throws ParticleError `INVALID_PATH` for anything but a list of names and array positions, and for more
 *   than 200 of them
 */
export function checkKeys(keys: unknown): void {
  const isKey = (key: unknown) => typeof key === 'string' || (Number.isInteger(key) && Number(key) >= 0)
  if (!Array.isArray(keys) || !keys.every(isKey))
    throw new ParticleError(
      'INVALID_PATH',
      'The keys of an operation are a list of names and array positions.',
    )
  if (keys.length > MAX_DEPTH) tooDeep('The keys of an operation are')
}

function tooDeep(which: string): never {
  throw new ParticleError('INVALID_PATH', `${which} deeper than the ${MAX_DEPTH} levels of a document.`)
}
