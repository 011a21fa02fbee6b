import type { Conditions } from './arrays.ts'
import type { Document, Json } from './document.ts'
import { forgetElements, idText, indexOfElement, putElement } from './elements.ts'
import { idKey } from './id.ts'
import { canonical, field, isObject, type JsonObject } from './json.ts'
import { OPERATIONS, type Operation } from './operation.ts'
import { type PathSegment, parsePath } from './path.ts'
import { nextValue, REMOVALS, refuse, UNCHANGED } from './value.ts'

/**
 * Holds the objects and arrays that a delta has copied already. Nobody else has them, so that the delta's
 * later operations
 * change them in place: each object is copied once a delta, not once an operation.
 */
export type Owned = Set<object>

interface Context {
  conditions: Conditions | undefined
  owned: Owned | undefined
}

/** How far past its end an array may be written to, as in MongoDB. */
const MAX_PADDING = 1_500_000
const NAMES: ReadonlySet<string> = new Set(OPERATIONS)

/**
 * What an operation makes of a document, on a copy: neither the document nor `op.data` is changed, and the
 * result shares with both what did not change. The document itself is returned where there was nothing to do.
 * Without `conditions`, a `pull` takes plain values only: the browser's client does without them, since they
 * never stand on the wire. With `owned`, what it holds is changed in place, and copies that are made are
 * added to it.
 */
export function changed(
  document: Document | undefined,
  op: Operation,
  conditions?: Conditions,
  owned?: Owned,
): Document | undefined {
  if (!NAMES.has(op.operation)) refuse(op, 'a known name')
  if (op.operation === 'noop') return document
  const path = parsePath(op.path)
  if (path.length === 0) {
    if (op.operation === 'set') return isObject(op.data) ? op.data : refuse(op, 'an object as data')
    return op.operation === 'unset' ? undefined : refuse(op, 'a path within the document')
  }
  if (document === undefined) return document
  const root = document as JsonObject
  // An operation on the _id may be refused after it is done: it works on a copy.
  const context = { conditions, owned: path[0] === '_id' ? undefined : owned }
  const result = op.operation === 'rename' ? rename(root, op, path, context) : change(root, op, path, context)
  if (result === UNCHANGED) return document
  // A change within an object gives an object.
  const after = result as Document
  const { _id } = document
  if (_id !== undefined && idKey(after._id ?? null) !== idKey(_id)) refuse(op, 'to leave the _id as it is')
  return after
}

function rename(
  root: JsonObject,
  op: Operation,
  from: PathSegment[],
  context: Context,
): Json | undefined | typeof UNCHANGED {
  const { path, data } = op
  if (typeof data !== 'string') return refuse(op, 'a path as data')
  const to = parsePath(data)
  if (`${path}.`.startsWith(`${data}.`) || `${data}.`.startsWith(`${path}.`))
    return refuse(op, 'two separate places')
  const value = throughObjects(root, op, from)
  if (value === undefined) return UNCHANGED
  throughObjects(root, op, to)
  // The new path can lead through a scalar, which is found when the old field is gone: the _id too stays
  // untouched by a copy.
  const safe = to[0] === '_id' || !isOpen(root, to) ? { ...context, owned: undefined } : context
  const rest = change(root, { operation: 'unset', path }, from, safe)
  return change(rest as Json, { operation: 'set', path: data, data: value }, to, safe)
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

/** Tells whether all parents on a path are objects or missing, so that a field can be written there. */
function isOpen(root: JsonObject, path: PathSegment[]): boolean {
  let value: Json | undefined = root
  for (const segment of path) {
    if (value === undefined) return true
    if (!isObject(value) || typeof segment !== 'string') return false
    value = field(value, segment)
  }
  return true
}

/** Copies an object or an array, unless the delta has done so already. */
function own<T extends Json[] | JsonObject>(value: T, { owned }: Context): T {
  if (owned?.has(value)) return value
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as T
  owned?.add(copy)
  return copy
}

/** What an operation makes of a value; the path leads on from there. Copies what changes. */
function change(
  value: Json | undefined,
  op: Operation,
  path: PathSegment[],
  context: Context,
  at = 0,
): ReturnType<typeof nextValue> {
  const segment = path[at]
  if (segment === undefined) {
    if (Array.isArray(value) && !isAppending(op)) forgetElements(value, context.owned)
    return nextValue(op, value, context.conditions, context.owned)
  }
  const removes = REMOVALS.has(op.operation)
  if (value === undefined && removes) return UNCHANGED
  if (typeof segment !== 'string' && !removes) return changeElement(value, op, path, context, at)
  const parent = value === undefined ? {} : value
  const key = keyOf(parent, segment, context)
  if (key === undefined) return removes ? UNCHANGED : refuse(op, 'a parent that has fields')
  const next = change(field(parent as JsonObject, `${key}`), op, path, context, at + 1)
  if (next === UNCHANGED) return next
  if (Array.isArray(parent)) {
    const copy = own(parent, context)
    if (Number(key) - copy.length > MAX_PADDING) refuse(op, 'a position nearer to the end of the array')
    while (copy.length < Number(key)) copy.push(null)
    putElement(copy, Number(key), next ?? null, path[at + 1] === '_id', context.owned)
    return copy
  }
  const copy = own(parent as JsonObject, context)
  if (next === undefined) delete copy[key]
  else copy[key] = next
  return copy
}

/**
 * What an operation that may create makes of an array whose element the path names by its `_id`: the element
 * is made at the end where it is missing, and so is the array. What would not have that `_id` afterwards is
 * not made, so that no operation makes it twice.
 */
function changeElement(
  value: Json | undefined,
  op: Operation,
  path: PathSegment[],
  context: Context,
  at: number,
): ReturnType<typeof nextValue> {
  const segment = path[at] as { id: string }
  const array = value ?? []
  if (!Array.isArray(array)) return refuse(op, 'an array there')
  const index = keyOf(array, segment, context)
  if (index !== undefined) {
    const next = change(array[Number(index)], op, path, context, at + 1)
    if (next === UNCHANGED) return UNCHANGED
    const copy = own(array, context)
    putElement(copy, Number(index), next ?? null, path[at + 1] === '_id', context.owned)
    return copy
  }
  const made = { _id: idOf(segment.id) }
  const next = change(made, op, path, context, at + 1)
  const element = next === UNCHANGED ? made : isObject(next) ? { ...made, ...next } : next
  if (!isObject(element) || idText(element._id) !== segment.id) return UNCHANGED
  const copy = own(array, context)
  copy.push(element)
  return copy
}

function keyOf(value: Json, segment: PathSegment, { owned }: Context): string | number | undefined {
  if (!Array.isArray(value)) return isObject(value) && typeof segment === 'string' ? segment : undefined
  if (typeof segment === 'string') return /^(?:0|[1-9]\d*)$/.test(segment) ? Number(segment) : undefined
  const index = indexOfElement(value, segment.id, owned)
  return index < 0 ? undefined : index
}

/** Whether an operation leaves the elements of an array where they are, or refuses the array. */
function isAppending({ operation, data }: Operation): boolean {
  if (operation === 'push')
    return !isObject(data) || Object.keys(data).every((name) => !name.startsWith('$') || name === '$each')
  return operation === 'addToSet' || operation === 'pushAll'
}

/** The id that a text stands for: a number where it is one, as in `todos[5]`. */
function idOf(text: string): Json {
  if (Number.isFinite(Number(text)) && String(Number(text)) === text) return Number(text)
  try {
    const id: Json = JSON.parse(text)
    return isObject(id) && canonical(id) === text ? id : text
  } catch {
    return text
  }
}
