import type { Document } from '../../model/document.ts'
import type { Scalar } from '../../policy/equality.ts'
import { FieldIndex, type Place } from './field-index.ts'

/** Limits the number of indexed fields. */
const MAX_FIELDS = 4
/** Creates an index at this number of queries for a field: a single query would not pay for the index. */
const ASKED = 2
/** Drops an index that was of no use to this number of queries, to make room for another. */
const IDLE = 100
/** Limits the number of remembered fields without an index. */
const MAX_ASKED = 100
/**
 * Uses an index only if it leaves out all but this fraction of the documents. Otherwise a scan is as fast.
 */
const PART = 4

interface Use {
  index: FieldIndex
  /** The number of the last query that used the index. */
  last: number
}

interface Answer {
  use: Use
  values: readonly Scalar[]
}

/** Indexes a collection by the fields of its queries. Creates each index when queries ask for its field. */
export class Indexes {
  readonly #uses = new Map<string, Use>()
  /** How often the fields without an index were asked for. */
  readonly #asked = new Map<string, number>()
  #questions = 0

  add(place: Place): void {
    for (const { index } of this.#uses.values()) index.add(place)
  }

  delete(place: Place): void {
    for (const { index } of this.#uses.values()) index.delete(place)
  }

  /** Adds a document at its place. */
  put(place: Place, document: Document): void {
    const moved: FieldIndex[] = []
    for (const { index } of this.#uses.values()) {
      if (!index.differ(place.document, document)) continue
      index.delete(place)
      moved.push(index)
    }
    place.document = document
    for (const index of moved) index.add(place)
  }

  clear(): void {
    this.#uses.clear()
    this.#asked.clear()
  }

  /**
   * Returns the places of all documents with one of the values at each of the paths, and of some other
   * documents, in the order of insertion. Returns `undefined` if a scan of all `places` is as fast.
   */
  find(
    wanted: ReadonlyMap<string, readonly Scalar[]>,
    places: { size: number; values(): Iterable<Place> },
  ): Iterable<Place> | undefined {
    if (places.size === 0 || wanted.size === 0) return undefined
    this.#questions++
    const most = places.size / PART
    let best = this.#best(wanted, most)
    for (const path of wanted.keys()) {
      if (best) break
      if (this.#ask(path, places)) best = this.#best(wanted, most)
    }
    if (!best) return undefined
    best.use.last = this.#questions
    return best.use.index.find(best.values)
  }

  /** Chooses the index that leaves out the most documents. */
  #best(wanted: ReadonlyMap<string, readonly Scalar[]>, most: number): Answer | undefined {
    let best: Answer | undefined
    let least = most
    for (const [path, values] of wanted) {
      const use = this.#uses.get(path)
      const count = use?.index.count(values) ?? Number.POSITIVE_INFINITY
      if (!use || count > least) continue
      least = count
      best = { use, values }
    }
    return best
  }

  /** Creates an index after enough queries for the field, if there is room. Returns true for a new index. */
  #ask(path: string, places: { values(): Iterable<Place> }): boolean {
    if (this.#uses.has(path)) return false
    const times = (this.#asked.get(path) ?? 0) + 1
    if (times < ASKED || !this.#makeRoom()) {
      if (this.#asked.size >= MAX_ASKED) this.#asked.clear()
      this.#asked.set(path, times)
      return false
    }
    this.#asked.delete(path)
    this.#uses.set(path, { index: new FieldIndex(path, places.values()), last: this.#questions })
    return true
  }

  #makeRoom(): boolean {
    if (this.#uses.size < MAX_FIELDS) return true
    for (const [path, { last }] of this.#uses) {
      if (this.#questions - last <= IDLE) continue
      this.#uses.delete(path)
      return true
    }
    return false
  }
}
