import type { Document, Id, Json } from '../../model/document.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { equalitiesOf, type Scalar } from '../../policy/equality.ts'
import { filterDelta, type Manifest, needsDocument } from '../../policy/manifest.ts'
import type { Order } from '../../policy/order.ts'
import { fieldsOf } from '../../policy/query.ts'
import { type MatchResult, UpdateMatcher } from '../../policy/verdict.ts'
import type { DocumentChange, Query, Reading } from '../../source/source.ts'
import { documentAfter, touchedBy } from '../feed/change.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import { withoutUnchanged } from './unchanged.ts'

/** Checks the documents of a snapshot, and what the store says of their collection. */
export type Sample = (documents: readonly Document[], reading: Reading, query: Query) => void

/** Filters documents and changes by a view's criteria and manifest. Remembers no documents. */
export class ViewFilter {
  readonly manifest: Manifest
  /** Checks whether a document belongs to the view; undefined when all documents do. */
  readonly matches: ((document: Document) => boolean) | undefined
  /** The order of the documents; undefined when the view has no order. */
  readonly order: Order | undefined
  /** Checks visible documents before the manifest hides their fields. */
  readonly sample: Sample | undefined
  readonly #query: Query
  /** Judges updates. Created at the first use, since few views need it. */
  #judge: UpdateMatcher | undefined

  constructor(
    manifest: Manifest,
    query: Query,
    matches: ((document: Document) => boolean) | undefined,
    order?: Order,
    sample?: Sample,
  ) {
    this.manifest = manifest
    this.matches = matches
    this.order = order
    this.sample = sample
    this.#query = query
  }

  /** The plain values that the criteria requires of a document: see `equalitiesOf`. */
  get equalities(): Map<string, Scalar[]> {
    return equalitiesOf(this.#query)
  }

  /** The top-level fields that the criteria and the order read. */
  get fields(): Set<string> {
    const fields = fieldsOf(this.#query)
    for (const field of this.order?.fields ?? []) fields.add(field)
    return fields
  }

  /** Checks whether an update touches the fields of the order. */
  moves(change: DocumentChange): boolean {
    if (!this.order) return false
    const touched = touchedBy(change)
    if (!touched) return true
    for (const field of this.order.fields) if (touched.has(field)) return true
    return false
  }

  /**
   * Judges an update of a document that the view doesn't have, like {@link ViewFilter.match}. Only the
   * document tells its new place when the update changes the order.
   */
  matchUnheld(change: DocumentChange): MatchResult {
    const verdict = this.match(change)
    return verdict !== 'out' && this.moves(change) ? 'unknown' : verdict
  }

  /** Judges by an update whether its document matches the criteria. */
  match(change: DocumentChange): MatchResult {
    if (!this.matches) return 'same'
    this.#judge ??= new UpdateMatcher(this.#query)
    return this.#judge.match(change.operations)
  }

  /**
   * Checks whether an update can be shown only with its document. `held` states whether the view has the
   * document now; undefined when that is not known.
   */
  needsDocument(change: DocumentChange, held: boolean | undefined): boolean {
    if (change.document) return false
    try {
      const verdict = held ? this.match(change) : this.matchUnheld(change)
      if (verdict === 'unknown') return true
      if (verdict === 'out' || (this.matches && verdict === 'same' && held === false)) return false
      if (verdict === 'in' && !held) return true
      return change.operations.some(
        (operation) => isConditional(operation) || needsDocument(this.manifest, operation),
      )
    } catch {
      // Leaves a malformed change to `show`, which reports it. The document would not help.
      return false
    }
  }

  /** Checks whether an update touches only hidden fields, which neither the criteria nor the order reads. */
  hides(change: DocumentChange): boolean {
    if (change.kind !== 'update') return false
    try {
      if (this.match(change) !== 'same' || this.moves(change)) return false
      const shown = this.cut(change, change.operations)
      return shown !== MUST_RELOAD && shown.length === 0
    } catch {
      // Leaves a malformed change to `show`, which reports it.
      return false
    }
  }

  /**
   * Checks whether a past change may have changed the documents of the view. `held` states whether the view
   * has the document now. Ignores removals of a document that the view does not have now: if the document was
   * there for a while, the change that added it counts.
   */
  mayAffect(change: DocumentChange, held: boolean): boolean {
    if (held) return !this.hides(change)
    if (change.kind === 'delete') return false
    const whole = documentAfter(change)
    if (whole) return this.matches?.(whole) !== false
    try {
      const verdict = this.match(change)
      return verdict === 'in' || verdict === 'unknown'
    } catch {
      return true
    }
  }

  /**
   * Returns the visible operations of a change. `held` states whether the view had the document before.
   * Returns `MUST_RELOAD` when the change doesn't tell enough.
   *
   * @throws ParticleError when an operation is malformed
   */
  show(change: DocumentChange, held: boolean): DocumentOperation[] | typeof MUST_RELOAD {
    if (!this.matches) return this.showHeld(change)

    // Also checks the document before the change. A source that was read ahead of its log may have changed
    // the document before this view read it, and a client that resumed here may still hold it.
    const isLeaving = held || (change.kind !== 'insert' && change.before && this.matches(change.before))
    const leave: DocumentOperation[] = isLeaving ? [{ operation: 'unset', id: change.id, path: '.' }] : []
    if (change.kind === 'delete') return leave
    const whole = documentAfter(change)
    if (!whole) {
      const verdict = this.match(change)
      if (verdict === 'unknown' || (verdict === 'in' && !held)) return MUST_RELOAD
      if (verdict === 'out') return leave
      return held ? this.showHeld(change) : []
    }
    if (!this.matches(whole)) return leave
    if (held) return this.showHeld(change)
    return this.cut(change, [{ operation: 'set', path: '.', data: whole as Operation['data'] & object }])
  }

  /**
   * Filters a change of a document that is in the view. Leaves out operations that change no visible value.
   *
   * @param before the document as the view had it; default: the document before the change, if the change has
   *   it
   * @throws ParticleError when an operation is malformed
   */
  showHeld(
    change: DocumentChange,
    before = change.kind === 'insert' ? undefined : change.before,
  ): DocumentOperation[] | typeof MUST_RELOAD {
    const shown = this.cut(change, change.operations)
    return before && shown !== MUST_RELOAD ? withoutUnchanged(this.manifest, before, shown) : shown
  }

  /** Filters operations of a change by the manifest. Does not check whether the document is in the view. */
  cut(change: DocumentChange, operations: readonly Operation[]): DocumentOperation[] | typeof MUST_RELOAD {
    const { id, document } = change
    const oplist = operations.map((operation) => withId(operation, id))
    if (document) {
      const shown = filterDelta(this.manifest, oplist, () => document)
      return shown.some(isConditional) ? filterDelta(this.manifest, [replacement(id, document)]) : shown
    }
    if (oplist.some((operation) => needsDocument(this.manifest, operation))) return MUST_RELOAD
    const shown = filterDelta(this.manifest, oplist)
    return shown.some(isConditional) ? MUST_RELOAD : shown
  }
}

/**
 * Checks for a `pull` by a condition. It is never sent, since browsers would need the whole query language.
 */
function isConditional({ operation, data }: Operation): boolean {
  return operation === 'pull' && typeof data === 'object' && data !== null && !Array.isArray(data)
}

/** Copies an operation with an id. A spread with a further field costs 1 µs. */
function withId({ operation, path, data, keys }: Operation, id: Id): DocumentOperation {
  const copy: DocumentOperation = { operation, id, path }
  if (data !== undefined) copy.data = data
  if (keys !== undefined) copy.keys = keys
  return copy
}

function replacement(id: Id, document: Document): DocumentOperation {
  return { operation: 'set', id, path: '.', data: document as Json }
}
