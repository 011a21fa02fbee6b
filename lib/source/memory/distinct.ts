import { compare, typeOrder } from '../../model/compare.ts'
import type { Document, Json } from '../../model/document.ts'
import { child, isObject } from '../../model/json.ts'
import { positionOf } from '../../model/path.ts'
import { segmentsOf } from './update.ts'
import { copy } from './value.ts'

/**
 * Collects the distinct values at a path, in their order. The elements of an array count as values. A
 * document without the field adds no value.
 */
export function distinct(field: string, documents: readonly Document[]): Json[] {
  const path = segmentsOf(field)
  const found = new Map<string, Json>()
  const add = (value: Json) => found.set(`${typeOrder(value)}${JSON.stringify(value)}`, value)
  for (const document of documents) collect(document as Json, path, 0, add)
  return [...found.values()].sort(compare).map((value) => copy(value))
}

function collect(
  value: Json | undefined,
  path: readonly string[],
  at: number,
  add: (value: Json) => void,
): void {
  const name = path[at]
  if (value === undefined) return
  if (name === undefined) {
    if (Array.isArray(value)) for (const element of value) add(element)
    else add(value)
  } else if (Array.isArray(value)) {
    collect(value[positionOf(name) ?? value.length], path, at + 1, add)
    for (const element of value) if (isObject(element)) collect(element as Json, path, at, add)
  } else collect(child(value, name), path, at + 1, add)
}
