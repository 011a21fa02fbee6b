import type { Document } from '../../model/document.ts'
import { type Scalar, scalarsAt } from '../../policy/equality.ts'

/** Holds the current document at one place of a collection. An update replaces the document. */
export interface Place {
  document: Document
  /** Ascends in the order of insertion. */
  readonly rank: number
}

/** Holds the places of one value. */
class Bucket {
  places = new Set<Place>()
  #last = Number.NEGATIVE_INFINITY
  #sorted = true

  add(place: Place): void {
    if (place.rank < this.#last) this.#sorted = this.#sorted && this.places.has(place)
    else this.#last = place.rank
    this.places.add(place)
  }

  /** Sorts the places in the order of insertion. */
  get inOrder(): Set<Place> {
    if (!this.#sorted) {
      this.places = new Set(inOrder(this.places))
      this.#sorted = true
    }
    return this.places
  }
}

/**
 * Indexes the documents of a collection by the texts, numbers and booleans at a dotted path. Indexes each
 * element of an array.
 */
export class FieldIndex {
  readonly #path: string
  readonly #top: string
  /** A single place for a unique value, which is the common case. */
  readonly #places = new Map<Scalar, Place | Bucket>()

  constructor(path: string, places: Iterable<Place>) {
    this.#path = path
    this.#top = path.split('.')[0] ?? path
    for (const place of places) this.add(place)
  }

  add(place: Place): void {
    for (const value of scalarsAt(place.document, this.#path)) {
      const found = this.#places.get(value)
      if (found instanceof Bucket) found.add(place)
      else if (found === undefined) this.#places.set(value, place)
      else if (found !== place) {
        const bucket = new Bucket()
        bucket.add(found)
        bucket.add(place)
        this.#places.set(value, bucket)
      }
    }
  }

  delete(place: Place): void {
    for (const value of scalarsAt(place.document, this.#path)) {
      const found = this.#places.get(value)
      if (found === place) this.#places.delete(value)
      else if (found instanceof Bucket && found.places.delete(place) && found.places.size === 0)
        this.#places.delete(value)
    }
  }

  /** Checks that two documents have different values at the path. */
  differ(before: Document, after: Document): boolean {
    if (before[this.#top] === after[this.#top]) return false
    const values = scalarsAt(before, this.#path)
    const others = scalarsAt(after, this.#path)
    return values.length !== others.length || values.some((value, at) => value !== others[at])
  }

  /** Estimates, from above, the number of documents with one of the values. */
  count(values: readonly Scalar[]): number {
    let count = 0
    for (const value of values) {
      const found = this.#places.get(value)
      if (found) count += found instanceof Bucket ? found.places.size : 1
    }
    return count
  }

  /** Finds the documents with one of the values, in the order of insertion. */
  find(values: readonly Scalar[]): Iterable<Place> {
    const [first] = values
    if (values.length === 1 && first !== undefined) {
      const found = this.#places.get(first)
      return found instanceof Bucket ? found.inOrder : found ? [found] : []
    }
    const places = new Set<Place>()
    for (const value of values) {
      const found = this.#places.get(value)
      if (found instanceof Bucket) for (const place of found.places) places.add(place)
      else if (found) places.add(found)
    }
    return inOrder(places)
  }
}

/** Places in the order of insertion. */
export function inOrder(places: Iterable<Place>): Place[] {
  return [...places].sort((a, b) => a.rank - b.rank)
}
