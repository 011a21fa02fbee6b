import type { Document } from '../../model/document.ts'
import type { Scalar } from '../../policy/equality.ts'
import { FieldIndex, type Place } from './field-index.ts'

/** So many fields have an index at the most. */
const MAX_FIELDS = 4
/**
 * A field gets an index when it is asked for so many times: one that is asked for once would not make up for
 * the making.
 */
const ASKED = 2
/** What was of no use to the last so many questions makes room for another. */
const IDLE = 100
/** So many fields are kept in mind that have no index. */
const MAX_ASKED = 100
/** An index answers where it leaves out all but this part of the documents: else a scan is as good. */
const PART = 4

interface Use {
  index: FieldIndex
  /** The number of the question that it last answered. */
  last: number
}

interface Answer {
  use: Use
  values: readonly Scalar[]
}

/** Indexes on the fields by which the documents of a collection are asked for, made when they are. */
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

  /** Puts a document in its place. */
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
   * The places of all documents that have one of the values at each of the paths, and of some others, in the
   * order of insertion; undefined where a look at all `places` is as good.
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

  /** The index that leaves most documents out. */
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

  /**
   * Makes an index where the field is asked for often enough, and there is room for it; true where it did.
   */
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
