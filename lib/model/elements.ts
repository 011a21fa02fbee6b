import type { Json } from './document.ts'
import { canonical, field, isObject } from './json.ts'

/**
 * Holds the positions of an array's elements by the texts of their ids. An element may have lost an id since,
 * so that each position is checked.
 */
interface Index {
  readonly positions: Map<string | undefined, number>
  /** The number of elements at the array's begin that are indexed. */
  size: number
  isUnique: boolean
}

/**
 * The indexes of the arrays that deltas own, which change in place. A delta that names very many elements of
 * one array by their ids would search the whole array for each.
 */
const INDEXES = new WeakMap<Json[], Index>()

/** Returns the text by which a path names an id. */
export function idText(id: Json | undefined): string | undefined {
  return typeof id === 'object' && id !== null ? canonical(id) : id === undefined ? undefined : `${id}`
}

function textOf(element: Json | undefined): string | undefined {
  return isObject(element) ? idText(field(element, '_id')) : undefined
}

/** Finds the first element of that id. `owned` holds the arrays that are worth an index. */
export function indexOfElement(array: Json[], id: string, owned: Set<object> | undefined): number {
  if (!owned?.has(array)) return array.findIndex((element) => textOf(element) === id)
  const index = INDEXES.get(array) ?? { positions: new Map(), size: 0, isUnique: true }
  INDEXES.set(array, index)
  const find = (text: string) => {
    const at = index.positions.get(text) ?? -1
    return textOf(array[at]) === text ? at : -1
  }
  for (; index.size < array.length; index.size++) {
    const text = textOf(array[index.size])
    if (text === undefined) continue
    if (find(text) < 0) index.positions.set(text, index.size)
    else index.isUnique = false
  }
  return find(id)
}

/** Replaces the element at a position, which may be past the end. */
export function putElement(array: Json[], at: number, element: Json): void {
  const index = INDEXES.get(array)
  const [before, id] = [textOf(array[at]), textOf(element)]
  array[at] = element
  if (!index || at >= index.size || index.positions.get(id) === at) return
  if (!index.isUnique || index.positions.has(id)) forgetElements(array)
  else {
    index.positions.delete(before)
    if (id !== undefined) index.positions.set(id, at)
  }
}

/** Forgets where the elements of an array are, before it is cut or ordered anew. */
export function forgetElements(array: Json[]): void {
  INDEXES.delete(array)
}
