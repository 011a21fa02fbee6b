import type { Json } from './document.ts'
import { canonical, field, isObject } from './json.ts'

/** Holds the positions of an array's elements by the texts of their ids. */
interface Index {
  positions: Map<string, number>
  /** The number of elements at the array's begin that are indexed. */
  size: number
  isUnique: boolean
}

/**
 * The indexes of the arrays that a delta owns, by what it owns. A delta that names very many elements of one
 * array by their ids would search the whole array for each.
 */
const INDEXES = new WeakMap<Set<object>, Map<Json[], Index>>()

/** Returns the text by which a path names an id. */
export function idText(id: Json | undefined): string | undefined {
  return typeof id === 'object' && id !== null ? canonical(id) : id === undefined ? undefined : `${id}`
}

function textOf(element: Json | undefined): string | undefined {
  return isObject(element) ? idText(field(element, '_id')) : undefined
}

/** Finds the first element of that id. */
export function indexOfElement(array: Json[], id: string, owned: Set<object> | undefined): number {
  if (!owned?.has(array)) return array.findIndex((element) => textOf(element) === id)
  const indexes = INDEXES.get(owned) ?? new Map<Json[], Index>()
  INDEXES.set(owned, indexes)
  const index = indexes.get(array) ?? { positions: new Map(), size: 0, isUnique: true }
  indexes.set(array, index)
  for (; index.size < array.length; index.size++) {
    const text = textOf(array[index.size])
    if (text === undefined) continue
    if (index.positions.has(text)) index.isUnique = false
    else index.positions.set(text, index.size)
  }
  return index.positions.get(id) ?? -1
}

/**
 * Replaces the element at a position, which may be past the end. `renamed` says that the element was changed
 * in place and may have got another id.
 */
export function putElement(
  array: Json[],
  at: number,
  element: Json,
  renamed: boolean,
  owned: Set<object> | undefined,
): void {
  const index = owned && INDEXES.get(owned)?.get(array)
  if (index && at < index.size) {
    const { positions, isUnique } = index
    const [before, after] = [textOf(array[at]), textOf(element)]
    if (renamed || (before !== after && (!isUnique || positions.has(after ?? '')))) {
      forgetElements(array, owned)
    } else if (before !== after) {
      if (before !== undefined) positions.delete(before)
      if (after !== undefined) positions.set(after, at)
    }
  }
  array[at] = element
}

/** Forgets where the elements of an array are, after a change other than of one element or at the end. */
export function forgetElements(array: Json[], owned: Set<object> | undefined): void {
  if (owned) INDEXES.get(owned)?.delete(array)
}
