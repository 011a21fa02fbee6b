import { applyToCopy } from '../../model/apply.ts'
import type { Document, Json } from '../../model/document.ts'
import { field, isObject, sameJson } from '../../model/json.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { filterPayload, type Manifest } from '../../policy/manifest.ts'
import { firstOf } from '../../policy/verdict.ts'

/** The number of operations up to which each is compared with all others. */
const MAX_COMPARED = 8

/**
 * Leaves out the operations on a document that change nothing of what was shown of it. Otherwise a write of
 * hidden fields would tell clients which document was written.
 *
 * @param before the document before the operations, with what is hidden of it
 * @param oplist what the manifest lets through
 */
export function withoutUnchanged(
  manifest: Manifest,
  before: Document,
  oplist: readonly DocumentOperation[],
): DocumentOperation[] {
  // Nearly all updates are of this kind: no image need be made.
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
    // An operation doesn't fit what was there: nothing is known for certain.
    return [...oplist]
  }
}

/** Whether an operation gives a field a scalar. Then it is shown as it is, and so is what was there. */
function isPlain({ operation, path, data }: Operation): boolean {
  if (operation !== 'set' && operation !== 'inc') return false
  return (typeof data !== 'object' || data === null) && !path.includes('[')
}

/** Whether a plain operation changes the value that was there. */
function changes({ operation, data }: Operation, value: Json | undefined | typeof OPAQUE): boolean {
  if (operation === 'set') return value !== data
  return typeof value !== 'number' || typeof data !== 'number' || value + data !== value
}

/** Whether none of the operations before this one touches what it touches. */
function isApart(oplist: readonly Operation[], at: number): boolean {
  const path = oplist[at]?.path ?? ''
  for (let other = 0; other < at; other++) {
    const { path: earlier = '' } = oplist[other] ?? {}
    if (path === earlier || path.startsWith(`${earlier}.`) || earlier.startsWith(`${path}.`)) return false
  }
  return true
}

/** Stands for a value that the names of a path alone don't lead to. */
const OPAQUE = Symbol('opaque')

/** The value at a path that leads through objects alone. */
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

/** The fields at the top of a document that operations touch; all of it, where that can't be told. */
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
