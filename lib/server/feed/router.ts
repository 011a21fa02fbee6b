import { idKey } from '../../model/id.ts'
import { type Scalar, scalarsAt } from '../../policy/equality.ts'
import type { Change, DocumentChange, ReportedChange } from '../../source/source.ts'
import { FewSet } from '../support/few-set.ts'
import { documentAfter, touchedBy } from './change.ts'

/** Describes a view, as far as a router uses it. */
export interface Routed {
  readonly filter: {
    /** The values that the criteria requires of fields, as far as they are plain values. */
    readonly equalities: ReadonlyMap<string, readonly Scalar[]>
    /** The top-level fields that the criteria and the order use. */
    readonly fields: ReadonlySet<string>
  }
  /** Checks whether the view can apply the change only with the document. */
  needsDocument(change: DocumentChange): boolean
}

/**
 * Finds the views of one collection that a change may touch, without cost for the other views. Views are
 * indexed by the required values of one field, and by the documents that they have.
 */
export class Router<View extends Routed> {
  readonly #views = new Set<View>()
  /**
   * Views that any change may touch: without criteria, without required values, or without known documents.
   */
  readonly #open = new Set<View>()
  /** A copy of the open views, for changes that touch no other view. */
  #onlyOpen: readonly View[] | undefined
  /** The field of the criteria by which each view is indexed. */
  readonly #keys = new Map<View, string>()
  /** The views by field and value. */
  readonly #index = new Map<string, Map<Scalar, FewSet<View>>>()
  /** Counts the indexed views that use each top-level field besides the field of their index key. */
  readonly #readers = new Map<string, number>()
  /** The views that have a document, by the document's key: mostly one view. */
  readonly #holders = new Map<string, View | Set<View>>()

  get size(): number {
    return this.#views.size
  }

  [Symbol.iterator](): Iterator<View> {
    return this.#views.values()
  }

  /** Adds a view. Any change may touch it until `route` is called. */
  add(view: View): void {
    if (this.#views.has(view)) return
    this.#views.add(view)
    this.#addOpen(view)
  }

  /**
   * Sets how the view gets changes. A view that `knows` its documents and reports each by {@link Router.hold}
   * gets only the changes that may touch it, if its criteria requires plain values. Returns whether it does.
   */
  route(view: View, knows: boolean): boolean {
    if (!this.#views.has(view)) return false
    if (knows && this.#keys.has(view)) return true
    const equalities = knows ? view.filter.equalities : undefined
    const field = equalities && this.#bestField(equalities)
    if (field === undefined) {
      if (this.#keys.has(view)) this.#addOpen(view)
      this.#unindex(view)
      return false
    }
    this.#deleteOpen(view)
    this.#keys.set(view, field)
    const values = getOrMake(this.#index, field, () => new Map<Scalar, FewSet<View>>())
    for (const value of equalities?.get(field) ?? [])
      getOrMake(values, value, () => new FewSet<View>()).add(view)
    this.#count(view, field, 1)
    return true
  }

  delete(view: View): void {
    this.#views.delete(view)
    this.#deleteOpen(view)
    this.#unindex(view)
  }

  #addOpen(view: View): void {
    this.#open.add(view)
    this.#onlyOpen = undefined
  }

  #deleteOpen(view: View): void {
    this.#open.delete(view)
    this.#onlyOpen = undefined
  }

  #unindex(view: View): void {
    const field = this.#keys.get(view)
    if (field === undefined) return
    this.#keys.delete(view)
    const values = this.#index.get(field)
    for (const value of view.filter.equalities.get(field) ?? []) {
      const views = values?.get(value)
      if (views?.delete(view) && views.size === 0) values?.delete(value)
    }
    if (values?.size === 0) this.#index.delete(field)
    this.#count(view, field, -1)
  }

  /** Records that a view has the document of a key, or no longer has it. */
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

  /** Returns the views that a change may touch. `key` is the key of its document's id. */
  viewsOf(change: Change, key: string): readonly View[] | ReadonlySet<View> {
    if (this.#keys.size === 0) {
      this.#onlyOpen ??= [...this.#open]
      return this.#onlyOpen
    }
    if (change.kind === 'clear' || change.kind === 'reload') return new Set(this.#views)
    const views = new Set(this.#open)
    for (const view of this.#holdersOf(key)) if (this.#views.has(view)) views.add(view)
    if (change.kind === 'delete') return views
    const document = documentAfter(change)
    // Passes the change to all views, when the source can't look the document up. Views that need it are read
    // again.
    if (!document && this.needsDocument(change, key)) return new Set(this.#views)
    for (const [field, values] of this.#index) {
      const found = document ? scalarsAt(document, field) : (setScalars(change, field) ?? [])
      for (const each of found) for (const view of values.get(each) ?? []) views.add(view)
    }
    return views
  }

  /** Checks whether some view can apply an update only with the document. */
  needsDocument(change: DocumentChange, key: string): boolean {
    for (const view of this.#open) if (view.needsDocument(change)) return true
    for (const view of this.#holdersOf(key))
      if (this.#views.has(view) && view.needsDocument(change)) return true
    if (this.#keys.size === 0) return false
    // Checks the other views, which need the document only if it may start to match them.
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

  /** Finds the field that separates the view from most others. */
  #bestField(equalities: Routed['filter']['equalities']): string | undefined {
    let best: string | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [field, values] of equalities) {
      const views = this.#index.get(field)
      let crowd = 0
      for (const value of values) crowd += views?.get(value)?.size ?? 0
      if (crowd >= least) continue
      least = crowd
      best = field
    }
    return best
  }

  #count(view: View, indexed: string, by: number): void {
    for (const field of view.filter.fields) {
      if (field === indexed) continue
      const count = (this.#readers.get(field) ?? 0) + by
      if (count > 0) this.#readers.set(field, count)
      else this.#readers.delete(field)
    }
  }
}

/** Returns the views that any of the changes may touch. */
export function viewsTouchedBy<View extends Routed>(
  changes: readonly ReportedChange[],
  routers: ReadonlyMap<string, Router<View>>,
): readonly View[] | ReadonlySet<View> {
  const viewsOf = (change: ReportedChange) =>
    change.kind === 'encoded'
      ? []
      : (routers.get(change.collection)?.viewsOf(change, 'id' in change ? idKey(change.id) : '') ?? [])
  const [only] = changes
  if (only && changes.length === 1) return viewsOf(only)
  const touched = new Set<View>()
  for (const change of changes) for (const view of viewsOf(change)) touched.add(view)
  return touched
}

/** Returns the values that an update sets a field to. Returns undefined for another kind of write. */
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
