import type { Document, Json } from './document.ts'
import { canonical, field, isObject, type JsonObject } from './json.ts'
import { OPERATIONS, type Operation } from './operation.ts'
import { type PathSegment, parsePath } from './path.ts'
import { nextValue, REMOVALS, refuse, UNCHANGED } from './value.ts'

/** How far past its end an array may be written to, as in MongoDB. */
const MAX_PADDING = 1_500_000
const POSITION = /^(?:0|[1-9]\d*)$/
const NAMES: ReadonlySet<string> = new Set(OPERATIONS)

type Container = JsonObject | Json[]

/** A value's place: the containers on the way, each with the key that leads on, and the segments that are not there yet. */
interface Place {
  way: { container: Container; key: string | number }[]
  missing: string[]
  value: Json | undefined
}

/**
 * Applies one operation to a document, in place, and returns the document: `undefined` when the operation removed it.
 * `set` of `.` returns `op.data` itself; all other operations on no document (`undefined`) return `undefined`.
 *
 * It takes ownership of `op.data`: parts of it become parts of the document, so a later operation may change them. Pass a
 * copy where the data is needed elsewhere. Where it throws, the document is as it was.
 *
 * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION`: the path is malformed or refused, the operation is unknown, its
 * data or the value there does not fit it, it writes through a scalar, it renames through an array, or it changes `_id`.
 */
export function applyOp(document: Document | undefined, op: Operation): Document | undefined {
  return apply(document, op, false)
}

/**
 * The same as {@link applyOp}, but on a copy: neither the document nor `op.data` is changed, and the result shares with both
 * what did not change. The document itself is returned where there was nothing to do.
 */
export function applyToCopy(document: Document | undefined, op: Operation): Document | undefined {
  return apply(document, op, true)
}

function apply(document: Document | undefined, op: Operation, copy: boolean): Document | undefined {
  if (!NAMES.has(op.operation)) refuse(op, 'is unknown')
  const path = parsePath(op.path)
  if (path.length === 0) return applyWhole(document, op)
  if (document === undefined) return undefined
  if (op.operation === 'rename') return rename(document, op, path, copy)
  guardId(document, op, path)
  const root = document as JsonObject
  const place = locate(root, op, path)
  if (place === undefined) return document
  const value = nextValue(op, place.value)
  return value === UNCHANGED ? document : write(root, place, value, copy)
}

function applyWhole(document: Document | undefined, op: Operation): Document | undefined {
  if (op.operation === 'set') return isObject(op.data) ? op.data : refuse(op, 'needs an object as data')
  if (op.operation === 'unset') return undefined
  return op.operation === 'noop' ? document : refuse(op, 'is not for a whole document')
}

function rename(document: Document, op: Operation, from: PathSegment[], copy: boolean): Document {
  if (typeof op.data !== 'string') return refuse(op, 'needs a path as data')
  const to = parsePath(op.data)
  if (!to.concat(from).every((segment) => typeof segment === 'string'))
    return refuse(op, 'leads through an array')
  if (
    to.every((segment, index) => segment === from[index]) ||
    from.every((segment, index) => segment === to[index])
  ) {
    return refuse(op, 'needs two places, neither of them within the other')
  }
  const root = document as JsonObject
  const source = locate(root, op, from)
  if (source?.value === undefined) return document
  guardId(document, op, from)
  guardId(document, op, to)
  const target = locate(root, op, to, true)
  // The target comes first: it is what can fail.
  const written = target ? write(root, target, source.value, copy) : root
  const again = locate(written, op, from)
  return again ? write(written, again, undefined, copy) : written
}

/** The document's id stays what it is, as in MongoDB; that which changes nothing may pass. */
function guardId(document: Document, op: Operation, path: PathSegment[]): void {
  const id = document._id
  if (path[0] !== '_id' || id === undefined || op.operation === 'noop') return
  const same = op.operation === 'set' && path.length === 1 && canonical(op.data ?? null) === canonical(id)
  if (!same) refuse(op, 'would change the _id')
}

/** Where a path leads; `undefined` where the operation has nothing to do since there is no such place. */
function locate(root: JsonObject, op: Operation, path: PathSegment[], target = false): Place | undefined {
  const removes = REMOVALS.has(op.operation) || (op.operation === 'rename' && !target)
  const way: Place['way'] = []
  let value: Json | undefined = root
  for (const [index, segment] of path.entries()) {
    if (value === undefined) {
      const missing = path.slice(index)
      if (removes || !missing.every((name) => typeof name === 'string')) return undefined
      return { way, missing, value }
    }
    if (op.operation === 'rename' && Array.isArray(value)) refuse(op, 'leads through an array')
    const key = keyOf(value, segment)
    if (key === undefined) {
      if (removes || typeof segment !== 'string' || op.operation === 'noop') return undefined
      return refuse(op, 'leads through a value that has no fields')
    }
    const container = value as Container
    if (typeof key === 'number' && !removes && key - (container as Json[]).length > MAX_PADDING) {
      refuse(op, 'leads too far past the end of an array')
    }
    way.push({ container, key })
    value = field(container, String(key))
  }
  return { way, missing: [], value }
}

function keyOf(value: Json, segment: PathSegment): string | number | undefined {
  if (!Array.isArray(value)) return isObject(value) && typeof segment === 'string' ? segment : undefined
  if (typeof segment === 'string') return POSITION.test(segment) ? Number(segment) : undefined
  const index = value.findIndex((item) => isObject(item) && idText(item) === segment.id)
  return index < 0 ? undefined : index
}

function idText(item: JsonObject): string | undefined {
  const id = field(item, '_id')
  return isObject(id) || Array.isArray(id) ? canonical(id) : id === undefined ? undefined : String(id)
}

function write(root: JsonObject, place: Place, value: Json | undefined, copy: boolean): JsonObject {
  let next = place.missing.reduceRight<Json | undefined>((inner, name) => ({ [name]: inner ?? null }), value)
  for (const { container, key } of place.way.toReversed()) {
    const changed = copy ? shallow(container) : container
    if (Array.isArray(changed)) {
      while (changed.length < Number(key)) changed.push(null)
      changed[Number(key)] = next ?? null
    } else if (next === undefined) delete changed[key]
    else changed[key] = next
    if (!copy) return root
    next = changed
  }
  return next as JsonObject
}

function shallow(container: Container): Container {
  return Array.isArray(container) ? [...container] : { ...container }
}
