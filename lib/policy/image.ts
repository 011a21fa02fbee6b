import type { Document, Id, Json } from '../model/document.ts'
import type { DocumentOperation } from '../model/operation.ts'
import { isPathName } from '../model/path.ts'
import { below, filterDocument, filterValue, isFields, type Manifest, own } from './fields.ts'
import { elementAt, type Place, stepsOf } from './target.ts'

/**
 * Lists names that lead through objects only, from the document's root. A client can follow them whatever its
 * arrays hold.
 */
type Trail = readonly string[]

/**
 * Writes the `set` and `unset` operations that bring an image at these places to the state in `document`.
 * They apply to any earlier image that differs only there.
 */
export function imageOf(
  manifest: Manifest,
  document: Document,
  id: Id,
  trails: Iterable<Trail>,
): DocumentOperation[] {
  const kept = new Set<string>()
  const operations = new Map<string, DocumentOperation>()
  for (const trail of [...trails].sort((a, b) => a.length - b.length)) {
    // Skips a trail below a kept trail. Names in a trail never contain a dot.
    if (kept.has('') || trail.some((_, index) => kept.has(trail.slice(0, index + 1).join('.')))) continue
    kept.add(trail.join('.'))
    const operation = imageAt(manifest, document, id, trail)
    operations.set(operation.path, operation)
  }
  return [...operations.values()]
}

/**
 * Finds the place where an operation changed the image: the deepest trail that contains the whole change;
 * `undefined` if the operation can't have changed the image.
 */
export function touched(manifest: Manifest, document: Document, place: Place): Trail | undefined {
  const trail: string[] = []
  let node = manifest
  let value: Json | undefined = document as Json
  for (const step of stepsOf(place).steps) {
    if (!isFields(value) || step.kind === 'id') return trail
    const next = below(node, step.name, trail.length === 0)
    if (next === undefined) return trail.length > 0 && isEmptyImage(node, value) ? trail : undefined
    if (!isPathName(step.name)) return trail
    trail.push(step.name)
    node = next
    value = own(value, step.name)
  }
  return trail
}

/**
 * Finds the visible effect of a write to a hidden place: created parents, or an array padded with nulls.
 * `still` says that no other operation moved elements of arrays, so that the positions in the path are still
 * right.
 */
export function created(
  manifest: Manifest,
  document: Document,
  place: Place & { last?: boolean },
  still: boolean,
): Trail | undefined {
  const trail: string[] = []
  const { steps } = stepsOf(place)
  let inArray = false
  let node = manifest
  let value: Json | undefined = document as Json
  for (const [index, step] of steps.entries()) {
    if (Array.isArray(value)) {
      inArray = true
      if (!still) return trail
      value = elementAt(value, step)
      continue
    }
    if (!isFields(value) || step.kind === 'id') return trail
    const next = below(node, step.name, trail.length === 0)
    if (next === undefined || (place.last && index === steps.length - 1)) {
      return trail.length > 0 && isEmptyImage(node, value) ? trail : undefined
    }
    if (!inArray) {
      if (!isPathName(step.name)) return trail
      trail.push(step.name)
    }
    node = next
    value = own(value, step.name)
  }
  return trail
}

/**
 * Checks for an image that is an object without fields. Stops at the first visible field, because the value
 * may be large and many operations may ask.
 */
function isEmptyImage(node: Manifest | undefined, value: Json | undefined): boolean {
  if (node === undefined || !isFields(value)) return false
  const shows = (name: string, inner = own(value, name)) =>
    inner !== undefined && hasImage(node === true ? true : own(node, name), inner)
  for (const name in node === true ? value : node) if (shows(name)) return false
  return true
}

function hasImage(node: Manifest | undefined, value: Json): boolean {
  return node === true || (node !== undefined && typeof value === 'object' && value !== null)
}

function imageAt(manifest: Manifest, document: Document, id: Id, trail: Trail): DocumentOperation {
  if (trail.length === 0) {
    return { operation: 'set', id, path: '.', data: filterDocument(manifest, document) as Json }
  }
  const found = lookAt(manifest, document, trail)
  const image = found.node === undefined ? undefined : filterValue(found.node, found.value)
  if (image !== undefined) return { operation: 'set', id, path: trail.join('.'), data: image }
  // Skips the parent that a removal leaves empty: the removal does not create it.
  const parent = trail.slice(0, -1)
  const around = parent.length > 0 ? lookAt(manifest, document, parent) : undefined
  if (around && isEmptyImage(around.node, around.value)) {
    return { operation: 'set', id, path: parent.join('.'), data: {} }
  }
  return { operation: 'unset', id, path: trail.join('.') }
}

interface Found {
  node: Manifest | undefined
  value: Json | undefined
}

/** Follows a trail in the manifest and in the document at once. */
function lookAt(manifest: Manifest, document: Document, trail: Trail): Found {
  let node: Manifest | undefined = manifest
  let value: Json | undefined = document as Json
  for (const [index, name] of trail.entries()) {
    node = node === undefined ? undefined : below(node, name, index === 0)
    value = isFields(value) ? own(value, name) : undefined
  }
  return { node, value }
}
