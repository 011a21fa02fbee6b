import { type Scalar, scalarsAt } from '../../policy/equality.ts'
import type { Change, DocumentChange } from '../../source/source.ts'
import { documentAfter, touchedBy } from './change.ts'

/** A view, as far as a router finds those that a change may touch. */
export interface Routed {
  readonly filter: {
    /** The values that fields must have, as far as the criteria demands plain values. */
    readonly equalities: ReadonlyMap<string, readonly Scalar[]>
    /** The fields at the top of documents that the criteria and the order look at. */
    readonly fields: ReadonlySet<string>
  }
  /** Whether the change can be shown only with the document at hand. */
  needsDocument(change: DocumentChange): boolean
}

/**
 * What an indexed view is found by: one field of its criteria, and the values of which a document must have
 * one.
 */
interface Place {
  field: string
  values: readonly Scalar[]
}

/**
 * The views of one collection, so that a change comes to those that it may touch, and costs no more for all
 * the others: views are found by the values that their criteria demand of one field, and by the documents
 * that they have.
 */
export class Router<View extends Routed> {
  readonly #views = new Set<View>()
  /**
   * Views that any change may touch: they have no criteria, or none that demands a value, or don't know what
   * they have.
   */
  readonly #open = new Set<View>()
  readonly #places = new Map<View, Place>()
  /** Views by field and value. */
  readonly #index = new Map<string, Map<Scalar, Set<View>>>()
  /**
   * How many indexed views look at each field at the top of documents, besides the one that they are found
   * by.
   */
  readonly #readers = new Map<string, number>()
  /** By the key of a document, those that have it: mostly one. */
  readonly #holders = new Map<string, View | Set<View>>()

  get size(): number {
    return this.#views.size
  }

  [Symbol.iterator](): Iterator<View> {
    return this.#views.values()
  }

  /** Any change may touch the view until it is routed. */
  add(view: View): void {
    if (this.#views.has(view)) return
    this.#views.add(view)
    this.#open.add(view)
  }

  /**
   * `found`: the view knows which documents it has, and tells of each by {@link Router.hold}; only changes
   * that may touch it need come to it.
   */
  route(view: View, found: boolean): void {
    if (!this.#views.has(view) || this.#places.has(view) === found) return
    const place = found ? this.#bestPlace(view) : undefined
    if (!place) {
      this.#unplace(view)
      this.#open.add(view)
      return
    }
    this.#open.delete(view)
    this.#places.set(view, place)
    const values = getOrMake(this.#index, place.field, () => new Map<Scalar, Set<View>>())
    for (const value of place.values) getOrMake(values, value, () => new Set<View>()).add(view)
    this.#count(view, place, 1)
  }

  delete(view: View): void {
    this.#views.delete(view)
    this.#open.delete(view)
    this.#unplace(view)
  }

  #unplace(view: View): void {
    const place = this.#places.get(view)
    if (!place) return
    this.#places.delete(view)
    const values = this.#index.get(place.field)
    for (const value of place.values) {
      const views = values?.get(value)
      if (views?.delete(view) && views.size === 0) values?.delete(value)
    }
    if (values?.size === 0) this.#index.delete(place.field)
    this.#count(view, place, -1)
  }

  /** The view has the document of a key, or has it no more. */
  hold(view: View, key: string, held: boolean): void {
    const holders = this.#holders.get(key)
    if (held) {
      if (holders === undefined) this.#holders.set(key, view)
      else if (holders instanceof Set) holders.add(view)
      else if (holders !== view) this.#holders.set(key, new Set([holders, view]))
    } else if (holders === view || (holders instanceof Set && holders.delete(view) && holders.size === 0))
      this.#holders.delete(key)
  }

  #holdersOf(key: string): Iterable<View> {
    const holders = this.#holders.get(key)
    return holders === undefined ? [] : holders instanceof Set ? holders : [holders]
  }

  /** The views that a change may touch. `key` is that of its document's id. */
  viewsOf(change: Change, key: string): Set<View> {
    if (change.kind === 'clear' || change.kind === 'reload') return new Set(this.#views)
    const views = new Set(this.#open)
    for (const view of this.#holdersOf(key)) if (this.#views.has(view)) views.add(view)
    if (change.kind === 'delete') return views
    const document = documentAfter(change)
    // From a source that can't be asked for documents: whoever needs this one is read again.
    if (!document && this.needsDocument(change, key)) return new Set(this.#views)
    for (const [field, values] of this.#index) {
      const found = document ? scalarsAt(document, field) : (setScalars(change, field) ?? [])
      for (const each of found) for (const view of values.get(each) ?? []) views.add(view)
    }
    return views
  }

  /** Whether some view can show an update only with the document at hand. */
  needsDocument(change: DocumentChange, key: string): boolean {
    for (const view of this.#open) if (view.needsDocument(change)) return true
    for (const view of this.#holdersOf(key))
      if (this.#views.has(view) && view.needsDocument(change)) return true
    if (this.#places.size === 0) return false
    // The others don't have it: they need it where it may come to match them.
    const touched = touchedBy(change)
    if (!touched) return true
    for (const first of touched) if (this.#readers.get(first)) return true
    for (const [field, values] of this.#index) {
      if (!touched.has(field.split('.')[0] ?? field)) continue
      const set = setScalars(change, field)
      if (!set) return true
      for (const each of set)
        for (const view of values.get(each) ?? []) if (view.needsDocument(change)) return true
    }
    return false
  }

  /** The field that tells the view from most others. */
  #bestPlace(view: View): Place | undefined {
    let best: Place | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [field, values] of view.filter.equalities) {
      const views = this.#index.get(field)
      let crowd = 0
      for (const value of values) crowd += views?.get(value)?.size ?? 0
      if (crowd >= least) continue
      least = crowd
      best = { field, values }
    }
    return best
  }

  #count(view: View, place: Place, by: number): void {
    for (const field of view.filter.fields) {
      if (field === place.field) continue
      const count = (this.#readers.get(field) ?? 0) + by
      if (count > 0) this.#readers.set(field, count)
      else this.#readers.delete(field)
    }
  }
}

/**
 * The values that an update gives a field, where it sets it as a whole; undefined where it does otherwise.
 */
function setScalars(change: DocumentChange, field: string): Scalar[] | undefined {
  let set: Scalar[] | undefined
  for (const { operation, path, data } of change.operations) {
    if (path === field && operation === 'set') set = scalarsAt({ value: data ?? null }, 'value')
    else if (path === field && operation === 'unset') set = []
    else if (path.split(/[.[]/)[0] === field.split('.')[0] && operation !== 'noop') return undefined
    else if (operation === 'rename') return undefined
  }
  return set
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
