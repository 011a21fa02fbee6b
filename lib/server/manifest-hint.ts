import type { Document } from '../model/document.ts'
import { nearest } from '../model/nearest.ts'
import type { Manifest } from '../policy/manifest.ts'
import type { Warnings } from './warnings.ts'

/** How many documents of a snapshot are looked at. */
const SAMPLE = 100

/**
 * Makes a function that looks at the documents of a root, and warns of names of its manifest that none of them has while
 * they have a field of nearly that name, which the manifest hides. Undefined where the manifest names no fields.
 */
export function manifestHint(
  where: string,
  manifest: Manifest,
  warnings: Warnings,
): ((documents: readonly Document[]) => void) | undefined {
  if (manifest === true) return undefined
  const names = Object.keys(manifest)
  let open = names.filter((name) => name !== '_id')
  if (open.length === 0) return undefined
  return (documents) => {
    if (open.length === 0 || documents.length === 0) return
    const fields = new Set(documents.slice(0, SAMPLE).flatMap((document) => Object.keys(document)))
    open = open.filter((name) => !fields.has(name))
    const hidden = [...fields].filter((field) => !names.includes(field))
    for (const name of open) {
      const candidate = nearest(name, hidden)
      if (candidate === undefined) continue
      open = open.filter((other) => other !== name)
      warnings.debug(
        `${where} ${name}`,
        `${where} lists "${name}", which none of the documents has that were read first; they have "${candidate}", which it hides: it was perhaps meant`,
      )
    }
  }
}
