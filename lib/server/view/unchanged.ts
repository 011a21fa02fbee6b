import { applyToCopy } from '../../model/apply.ts'
import type { Document, Json } from '../../model/document.ts'
import { field, isObject, sameJson } from '../../model/json.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { filterPayload, type Manifest } from '../../policy/manifest.ts'
import { firstOf } from '../../policy/verdict.ts'

/** Limits the operations of which each is compared with all others. */
const MAX_COMPARED = 8

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
  // Takes the fast path, which most updates take: it builds no copy of the document.
  if (oplist.length <= MAX_COMPARED && oplist.every((one, at) => isPlain(one) && isApart(oplist, at))) {
    const values = oplist.map(({ path }) => valueAt(before, path))
    if (!values.includes(OPAQUE)) return oplist.filter((one, at) => changes(one, values[at]))
  }
  try {
    let image: Document | undefined = filterPayload(manifest, partOf(before, oplist))
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

/**
 * Checks whether an operation sets a field to a scalar. The manifest changes neither the new nor the old
 * value.
 */
function isPlain({ operation, path, data }: Operation): boolean {
  if (operation !== 'set' && operation !== 'inc') return false
  return (typeof data !== 'object' || data === null) && !path.includes('[')
}

/** Checks whether a plain operation changes the earlier value. */
function changes({ operation, data }: Operation, value: Json | undefined | typeof OPAQUE): boolean {
  if (operation === 'set') return value !== data
  return typeof value !== 'number' || typeof data !== 'number' || value + data !== value
}

/** Checks whether no earlier operation touches the same value. */
function isApart(oplist: readonly Operation[], at: number): boolean {
  const path = oplist[at]?.path ?? ''
  for (let other = 0; other < at; other++) {
    const { path: earlier = '' } = oplist[other] ?? {}
    if (path === earlier || path.startsWith(`${earlier}.`) || earlier.startsWith(`${path}.`)) return false
  }
  return true
}

/** Stands for a value that field names alone don't reach. */
const OPAQUE = Symbol('opaque')

/** Returns the value at a path through objects only. */
function valueAt(document: Document, path: string): Json | undefined | typeof OPAQUE {
  if (!path.includes('.')) return field(document, path)
  let value: Json | undefined = document as Json
  for (const name of path.split('.')) {
    if (value === undefined) return undefined
    if (!isObject(value)) return OPAQUE
    value = field(value, name)
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
