import type { Document } from '../../../lib/model/document.ts'
import { inJson, matcher } from '../../../lib/policy/query.ts'
import type { Columns } from '../../../lib/source/source.ts'

/**
 * Returns the comparisons that some documents match, though the columns deny it. Compares each path with all
 * values, and with those of the documents.
 */
export function wronglyDenied(
  columns: Columns,
  paths: readonly string[],
  values: readonly unknown[],
  documents: readonly Document[],
): string[] {
  const own = documents
    .flatMap((document) => Object.values(document))
    .flatMap((value) => [value, value].flat())
  const all = [...values, ...own].filter((value) => !(value instanceof RegExp))
  return paths.flatMap((path) => {
    const form = columns.find(path)
    if (!form) return []
    const isDenied = (query: Record<string, unknown>) => (documents.some(matcher(query)) ? [query] : [])
    const queries =
      'absence' in form
        ? isDenied({ [path]: { $ne: null } })
        : all.flatMap((value) => {
            const json = inJson(value) as never
            if (json === null) return []
            const equal = form.mayEqual(json) ? [] : isDenied({ [path]: value })
            if (form.types.includes(typeof json)) return equal
            return [
              ...equal,
              ...isDenied({ [path]: { $gte: value } }),
              ...isDenied({ [path]: { $lte: value } }),
            ]
          })
    return queries.map((query) => JSON.stringify(query))
  })
}
