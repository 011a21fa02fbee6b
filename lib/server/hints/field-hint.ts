import type { Document } from '../../model/document.ts'
import { nearest } from '../../model/nearest.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { Warnings } from './warnings.ts'

/** Limits the documents of a snapshot that are checked. */
const SAMPLE = 100

/** Describes a part of a source that names top-level fields. */
interface Naming {
  /** The path of the part in the options, for messages: `dataSources.users.manifest`, for example. */
  where: string
  names: Iterable<string>
}

/**
 * Creates a function that checks the first documents of a root. The function reports each name of a manifest
 * or a sort that no document has, if the documents have a field with a similar name that is not listed.
 * Returns undefined without names.
 */
export function fieldHint(
  namings: readonly Naming[],
  warnings: Warnings,
): ((documents: readonly Document[]) => void) | undefined {
  let open = namings.flatMap(({ where, names }) => {
    const all = [...names].filter((name) => name !== '_id')
    return all.map((name) => ({ where, name, all }))
  })
  if (open.length === 0) return undefined
  return (documents) => {
    if (open.length === 0 || documents.length === 0) return
    const fields = [...new Set(documents.slice(0, SAMPLE).flatMap((document) => Object.keys(document)))]
    open = open.filter(({ where, name, all }) => {
      if (fields.includes(name)) return false
      const unnamed = fields.filter((field) => !all.includes(field))
      const candidate = nearest(name, unnamed)
      if (candidate === undefined) return true
      const finding = `${where} names "${name}", which none of the first documents has`
      warnings.debug(`${where} ${name}`, `${finding}; "${candidate}" was perhaps meant`)
      return false
    })
  }
}

/** Returns the names of the fields that a manifest lists, or none for `true`. */
export function listedBy(manifest: Manifest): string[] {
  return manifest === true ? [] : Object.keys(manifest)
}
