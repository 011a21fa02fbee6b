import type { Conditions } from './arrays.ts'
import type { Document, Json } from './document.ts'
import { idText, indexOfElement, putElement } from './elements.ts'
import { idKey } from './id.ts'
import { canonical, field, isObject, type JsonObject } from './json.ts'
import { OPERATIONS, type Operation } from './operation.ts'
import { type PathSegment, parsePath, positionOf } from './path.ts'
import { nextValue, REMOVALS, refuse, UNCHANGED } from './value.ts'

/**
 * Holds the objects and arrays that a delta has already copied. No other holder has these copies, so that
 * later operations change them in place: each object is copied once per delta, not once per operation.
 */
export type Owned = Set<object>

interface Context {
  conditions: Conditions | undefined
  owned: Owned | undefined
}

/** Limits a write past the end of an array, as MongoDB does. */
const MAX_PADDING = 1_500_000
const NAMES: ReadonlySet<string> = new Set(OPERATIONS)

/**
 * Applies an operation to a copy of a document: neither the document nor `op.data` is changed, and the result
 * shares all unchanged parts with both. Returns the document itself when nothing changes. Without
 * `conditions`, a `pull` takes plain values only: the browser's client needs no conditions, since the wire
 * has none. Changes the objects in `owned` in place, and adds its own copies to `owned`.
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
  // Works on a copy: an operation on the `_id` may be refused after the change.
  const context = { conditions, owned: path[0] === '_id' ? undefined : owned }
  const result = op.operation === 'rename' ? rename(root, op, path, context) : change(root, op, path, context)
  if (result === UNCHANGED) return document
  // Keeps the type: a change within an object returns an object.
  const after = result as Document
  const { _id } = document
  if (_id !== after._id && _id !== undefined && idKey(after._id ?? null) !== idKey(_id))
    refuse(op, 'to leave the _id as it is')
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
  // Removes last, which can't fail: a failed operation must not have changed an owned object.
  const safe = to[0] === '_id' ? { ...context, owned: undefined } : context
  const set = change(root, { operation: 'set', path: data, data: value }, to, safe)
  return change(set as Json, { operation: 'unset', path }, from, safe)
}

/** Returns the value at a path that must not lead through arrays, as both ends of a rename. */
function throughObjects(root: JsonObject, op: Operation, path: PathSegment[]): Json | undefined {
  let value: Json | undefined = root
  for (const segment of path) {
    if (Array.isArray(value) || typeof segment !== 'string') return refuse(op, 'a path through no array')
    value = isObject(value) ? field(value, segment) : undefined
  }
  return value
}

/** Copies an object or an array, unless the delta has done so already. */
function own<T extends Json[] | JsonObject>(value: T, { owned }: Context): T {
  if (owned?.has(value)) return value
  // Node 20 gives each copy by a spread that gets a new field a hidden class of its own, and takes 1.2 µs for
  // it (bench/FINDINGS.md). But an assignment of a field named `__proto__` would set the prototype.
  const isPlain = !Object.hasOwn(value, '__proto__')
  const copy = Array.isArray(value) ? [...value] : isPlain ? Object.assign({}, value) : { ...value }
  owned?.add(copy)
  return copy as T
}

/**
 * Applies an operation to a value, along the rest of the path. Copies every changed object. Creates missing
 * parents, and at the end of an array a missing element that the path names by its `_id`, unless it would not
 * have that `_id` afterwards: no operation creates an element twice.
 */
function change(
  value: Json | undefined,
  op: Operation,
  path: PathSegment[],
  context: Context,
  at = 0,
): ReturnType<typeof nextValue> {
  const segment = path[at]
  if (segment === undefined) return nextValue(op, value, context.conditions, context.owned)
  const removes = REMOVALS.has(op.operation)
  if (value === undefined && removes) return UNCHANGED
  const id = typeof segment === 'string' || removes ? undefined : segment.id
  const parent = id === undefined ? (value === undefined ? {} : value) : (value ?? [])
  if (id !== undefined && !Array.isArray(parent)) return refuse(op, 'an array there')
  let key = keyOf(parent, segment, context)
  const made = key === undefined && id !== undefined ? { _id: idOf(id) } : undefined
  if (key === undefined && !made) return removes ? UNCHANGED : refuse(op, 'a parent that has fields')
  let next = change(made ?? field(parent as JsonObject, `${key}`), op, path, context, at + 1)
  if (made) {
    next = next === UNCHANGED ? made : isObject(next) ? { ...made, ...next } : next
    if (!isObject(next) || idText(next._id) !== id) return UNCHANGED
    key = (parent as Json[]).length
  }
  if (next === UNCHANGED) return next
  const copy = own(parent as Json[] | JsonObject, context)
  if (Array.isArray(copy)) {
    const position = Number(key)
    if (position - copy.length > MAX_PADDING) refuse(op, 'a position nearer to the end of the array')
    while (copy.length < position) copy.push(null)
    putElement(copy, position, next ?? null)
  } else if (next === undefined) delete copy[`${key}`]
  else copy[`${key}`] = next
  return copy
}

function keyOf(value: Json, segment: PathSegment, { owned }: Context): string | number | undefined {
  if (!Array.isArray(value)) return isObject(value) && typeof segment === 'string' ? segment : undefined
  if (typeof segment === 'string') return positionOf(segment)
  const index = indexOfElement(value, segment.id, owned)
  return index < 0 ? undefined : index
}

/** Returns the id for a text: a number for a numeric text, as in `todos[5]`. */
function idOf(text: string): Json {
  if (Number.isFinite(Number(text)) && String(Number(text)) === text) return Number(text)
  try {
    const id: Json = JSON.parse(text)
    return isObject(id) && canonical(id) === text ? id : text
  } catch {
    return text
  }
}
