import { applyToCopy } from '../../model/apply.ts'
import type { Document } from '../../model/document.ts'
import { field, sameJson } from '../../model/json.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { filterPayload, type Manifest } from '../../policy/manifest.ts'
import { firstOf } from '../../policy/verdict.ts'

/**
 * Leaves out the operations on a document that change nothing of what was shown of it. Otherwise a write of hidden
 * fields would tell clients which document was written.
 *
 * @param before the document before the operations, with what is hidden of it
 * @param oplist what the manifest lets through
 */
export function withoutUnchanged(
  manifest: Manifest,
  before: Document,
  oplist: readonly DocumentOperation[],
): DocumentOperation[] {
  const [first] = oplist
  // Nearly all updates are of this kind: the image need not be made.
  if (first && oplist.length === 1 && isPlain(first))
    return field(before, first.path) === first.data ? [] : [first]
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

/** Whether an operation sets a field at the top of the document, which is shown whole, to a scalar. */
function isPlain({ operation, path, data }: Operation): boolean {
  return (
    operation === 'set' &&
    (typeof data !== 'object' || data === null) &&
    !path.includes('.') &&
    !path.includes('[')
  )
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
