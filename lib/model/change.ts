import type { Conditions } from './arrays.ts'
import type { Document, Json } from './document.ts'
import { idKey } from './id.ts'
import { canonical, field, isObject, type JsonObject } from './json.ts'
import { OPERATIONS, type Operation } from './operation.ts'
import { type PathSegment, parsePath } from './path.ts'
import { nextValue, REMOVALS, refuse, UNCHANGED } from './value.ts'

/** How far past its end an array may be written to, as in MongoDB. */
const MAX_PADDING = 1_500_000
const NAMES: ReadonlySet<string> = new Set(OPERATIONS)

/**
 * What an operation makes of a document, on a copy: neither the document nor `op.data` is changed, and the result shares with both what did
 * not change. The document itself is returned where there was nothing to do. Without `conditions`, a `pull` takes plain values only:
 * the browser's client does without them, since they never stand on the wire.
 */
export function changed(
  document: Document | undefined,
  op: Operation,
  conditions?: Conditions,
): Document | undefined {
  if (!NAMES.has(op.operation)) refuse(op, 'a known name')
  const path = parsePath(op.path)
  if (path.length === 0) {
    if (op.operation === 'set') return isObject(op.data) ? op.data : refuse(op, 'an object as data')
    if (op.operation === 'unset') return undefined
    return op.operation === 'noop' ? document : refuse(op, 'a path within the document')
  }
  if (document === undefined || op.operation === 'noop') return document
  const root = document as JsonObject
  const result = op.operation === 'rename' ? rename(root, op, path) : change(root, op, path, conditions)
  if (result === UNCHANGED) return document
  // A change within an object gives an object.
  const after = result as Document
  const { _id } = document
  if (_id !== undefined && idKey(after._id ?? null) !== idKey(_id)) refuse(op, 'to leave the _id as it is')
  return after
}

function rename(root: JsonObject, op: Operation, from: PathSegment[]): Json | undefined | typeof UNCHANGED {
  const { path, data } = op
  if (typeof data !== 'string') return refuse(op, 'a path as data')
  const to = parsePath(data)
  if (`${path}.`.startsWith(`${data}.`) || `${data}.`.startsWith(`${path}.`))
    return refuse(op, 'two separate places')
  const value = throughObjects(root, op, from)
  if (value === undefined) return UNCHANGED
  throughObjects(root, op, to)
  const rest = change(root, { operation: 'unset', path }, from)
  return change(rest as Json, { operation: 'set', path: data, data: value }, to)
}

/** The value at a path that may not lead through arrays, as both ends of a rename. */
function throughObjects(root: JsonObject, op: Operation, path: PathSegment[]): Json | undefined {
  let value: Json | undefined = root
  for (const segment of path) {
    if (Array.isArray(value) || typeof segment !== 'string') return refuse(op, 'a path through no array')
    value = isObject(value) ? field(value, segment) : undefined
  }
  return value
}

/** What an operation makes of a value; the path leads on from there. Copies what changes. */
function change(
  value: Json | undefined,
  op: Operation,
  path: PathSegment[],
  conditions?: Conditions,
  at = 0,
): ReturnType<typeof nextValue> {
  const segment = path[at]
  if (segment === undefined) return nextValue(op, value, conditions)
  const removes = REMOVALS.has(op.operation)
  if (value === undefined && removes) return UNCHANGED
  const parent = value === undefined ? {} : value
  const key = keyOf(parent, segment)
  if (key === undefined) {
    return removes || typeof segment !== 'string' ? UNCHANGED : refuse(op, 'a parent that has fields')
  }
  const next = change(field(parent as JsonObject, `${key}`), op, path, conditions, at + 1)
  if (next === UNCHANGED) return next
  if (Array.isArray(parent)) {
    const copy = [...parent]
    if (Number(key) - copy.length > MAX_PADDING) refuse(op, 'a position nearer to the end of the array')
    while (copy.length < Number(key)) copy.push(null)
    copy[Number(key)] = next ?? null
    return copy
  }
  const copy = { ...(parent as JsonObject) }
  if (next === undefined) delete copy[key]
  else copy[key] = next
  return copy
}

function keyOf(value: Json, segment: PathSegment): string | number | undefined {
  if (!Array.isArray(value)) return isObject(value) && typeof segment === 'string' ? segment : undefined
  if (typeof segment === 'string') return /^(?:0|[1-9]\d*)$/.test(segment) ? Number(segment) : undefined
  const index = value.findIndex((item) => isObject(item) && idText(field(item, '_id')) === segment.id)
  return index < 0 ? undefined : index
}

function idText(id: Json | undefined): string | undefined {
  return typeof id === 'object' && id !== null ? canonical(id) : id === undefined ? undefined : `${id}`
}
