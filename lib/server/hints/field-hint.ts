import type { Document } from '../../model/document.ts'
import { nearest } from '../../model/nearest.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { Warnings } from './warnings.ts'

/** How many documents of a snapshot are looked at. */
const SAMPLE = 100

/** A part of a source that names fields at the top of its documents. */
interface Naming {
  /** What the names stand in, for messages: say, `dataSources.users.manifest`. */
  where: string
  names: Iterable<string>
}

/**
 * Makes a function that looks at the documents of a root, and says of each name of a manifest or a sort that
 * none of them has it, where they have a field of nearly that name that is not named. Undefined where nothing
 * is named.
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
      const said = `${where} names "${name}", which none of the documents has that were read first`
      warnings.debug(`${where} ${name}`, `${said}; they have "${candidate}", which was perhaps meant`)
      return false
    })
  }
}

/** The names of the fields that a manifest lists; none where it shows all. */
export function listedBy(manifest: Manifest): string[] {
  return manifest === true ? [] : Object.keys(manifest)
}
