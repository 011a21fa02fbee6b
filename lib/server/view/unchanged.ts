import { applyAll, applyToCopy } from '../../model/apply.ts'
import type { Document, Json } from '../../model/document.ts'
import { field, isObject, sameJson } from '../../model/json.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { positionOf } from '../../model/path.ts'
import { filterPayload, type Manifest } from '../../policy/manifest.ts'
import { firstOf } from '../../policy/verdict.ts'

/** Limits the operations of which each is compared by the whole image: the cost is that of their product. */
const MAX_COMPARED = 64

/**
 * Leaves out the operations that change no visible value of a document. Otherwise a write of hidden fields
 * would reveal which document was written.
 *
 * @param before the document before the operations, with its hidden fields
 * @param oplist the operations after the manifest's filter
 */
export function withoutUnchanged(
  manifest: Manifest,
  before: Document,
  oplist: readonly DocumentOperation[],
): DocumentOperation[] {
  try {
    const isDirect = areApart(oplist)
    // Takes the fast path, which most updates take: it builds no copy of the document.
    if (isDirect && oplist.every(isScalar)) {
      const values = oplist.map(({ path }) => valueAt(before, path))
      if (!values.includes(OPAQUE)) return oplist.filter((one, at) => changes(one, values[at]))
    }
    let image: Document | undefined = filterPayload(manifest, partOf(before, oplist))
    if (isDirect && image) {
      const shown: Document = image
      const values = oplist.map(({ operation, path }) => valueAt(shown, path, operation !== 'unset'))
      if (!values.includes(OPAQUE)) return oplist.filter((one, at) => changes(one, values[at]))
    }
    // Compares a long list as a whole, so that the cost stays linear.
    if (oplist.length > MAX_COMPARED) {
      const after = applyAll(image, oplist)
      return image && after && sameJson(image, after) ? [] : [...oplist]
    }
    return oplist.filter((operation) => {
      const after = applyToCopy(image, operation)
      if (image && after && sameJson(image, after)) return false
      image = after
      return true
    })
  } catch {
    // Keeps all operations when one doesn't fit the earlier document.
    return [...oplist]
  }
}

/** Checks whether an operation writes a scalar. The manifest changes neither the new nor the old value. */
function isScalar({ operation, data }: Operation): boolean {
  return operation !== 'unset' && (typeof data !== 'object' || data === null)
}

/** Checks whether a direct operation changes the earlier value. */
function changes({ operation, data }: Operation, value: Json | undefined | typeof OPAQUE): boolean {
  if (value === OPAQUE) return true
  if (operation === 'unset') return value !== undefined
  if (operation === 'set') return !sameJson(value, data)
  return typeof value !== 'number' || typeof data !== 'number' || value + data !== value
}

const DIRECT: ReadonlySet<string> = new Set(['set', 'unset', 'inc'])

/** Checks whether all operations write by field names and positions, and none where another one writes. */
function areApart(oplist: readonly Operation[]): boolean {
  for (const { operation, path } of oplist)
    if (!DIRECT.has(operation) || path === '.' || path.includes('[')) return false
  if (oplist.length === 1) return true
  const paths = new Set(oplist.map(({ path }) => path))
  if (paths.size < oplist.length) return false
  for (const path of paths)
    for (let at = path.indexOf('.'); at > 0; at = path.indexOf('.', at + 1))
      if (paths.has(path.slice(0, at))) return false
  return true
}

/** Stands for a value that a path does not reach. */
const OPAQUE = Symbol('opaque')

/** Returns the value at a path through objects, and through arrays if allowed. */
function valueAt(document: Document, path: string, through = false): Json | undefined | typeof OPAQUE {
  if (!path.includes('.')) return field(document, path)
  let value: Json | undefined = document as Json
  for (const name of path.split('.')) {
    if (value === undefined) return undefined
    if (isObject(value)) value = field(value, name)
    else {
      const position = through && Array.isArray(value) ? positionOf(name) : undefined
      if (position === undefined) return OPAQUE
      value = (value as Json[])[position]
    }
  }
  return value
}

/** Returns the top-level fields that operations touch, or the whole document when the paths don't tell. */
function partOf(document: Document, oplist: readonly Operation[]): Document {
  const part: Document = {}
  for (const { operation, path, data } of oplist) {
    const names = [firstOf(path), operation === 'rename' && typeof data === 'string' ? firstOf(data) : '']
    for (const name of names) {
      if (name === undefined) return document
      const value = field(document, name)
      if (value !== undefined) part[name] = value
    }
  }
  return part
}
