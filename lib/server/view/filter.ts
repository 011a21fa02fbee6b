import type { Document, Id, Json } from '../../model/document.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { equalitiesOf, type Scalar } from '../../policy/equality.ts'
import { filterDelta, type Manifest, needsDocument } from '../../policy/manifest.ts'
import type { Order } from '../../policy/order.ts'
import { fieldsOf } from '../../policy/query.ts'
import { type MatchResult, UpdateMatcher } from '../../policy/verdict.ts'
import type { DocumentChange, Query } from '../../source/source.ts'
import { documentAfter, touchedBy } from '../feed/change.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import { withoutUnchanged } from './unchanged.ts'

/** What a view lets through: its criteria and its manifest, without any memory of documents. */
export class ViewFilter {
  readonly manifest: Manifest
  /** Whether a document belongs to the view; undefined when all do. */
  readonly matches: ((document: Document) => boolean) | undefined
  /** In which order it shows documents, where it has one. */
  readonly order: Order | undefined
  /** Looks at documents that are shown, before the manifest hides anything of them. */
  readonly sample: ((documents: readonly Document[]) => void) | undefined
  readonly #query: Query
  /** Made when it is first needed: of many views, few ever are asked. */
  #judge: UpdateMatcher | undefined

  constructor(
    manifest: Manifest,
    query: Query,
    matches: ((document: Document) => boolean) | undefined,
    order?: Order,
    sample?: (documents: readonly Document[]) => void,
  ) {
    this.manifest = manifest
    this.matches = matches
    this.order = order
    this.sample = sample
    this.#query = query
  }

  /**
   * What a document must have to match, as far as the criteria says it by plain values: see `equalitiesOf`.
   */
  get equalities(): Map<string, Scalar[]> {
    return equalitiesOf(this.#query)
  }

  /** The fields at the top of documents that the criteria and the order look at. */
  get fields(): Set<string> {
    const fields = fieldsOf(this.#query)
    for (const field of this.order?.fields ?? []) fields.add(field)
    return fields
  }

  /** Whether an update touches what documents are ordered by. */
  moves(change: DocumentChange): boolean {
    if (!this.order) return false
    const touched = touchedBy(change)
    if (!touched) return true
    for (const field of this.order.fields) if (touched.has(field)) return true
    return false
  }

  /**
   * The same as {@link ViewFilter.match}, where the view doesn't have the document, so that only the document
   * tells
   * a new place of it.
   */
  matchUnheld(change: DocumentChange): MatchResult {
    const verdict = this.match(change)
    return verdict !== 'out' && this.moves(change) ? 'unknown' : verdict
  }

  /** What an update tells of whether its document matches. */
  match(change: DocumentChange): MatchResult {
    if (!this.matches) return 'same'
    this.#judge ??= new UpdateMatcher(this.#query)
    return this.#judge.match(change.operations)
  }

  /**
   * Whether an update can be shown only with the document at hand; `held` says whether the view has the
   * document now, if that is known.
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
      // A malformed change: showing it reports that, and a document wouldn't help.
      return false
    }
  }

  /** Whether an update is about hidden fields alone, which neither rows nor their order depend on. */
  hides(change: DocumentChange): boolean {
    if (change.kind !== 'update') return false
    try {
      if (this.match(change) !== 'same' || this.moves(change)) return false
      const shown = this.cut(change, change.operations)
      return shown !== MUST_RELOAD && shown.length === 0
    } catch {
      // A malformed change: showing it reports that.
      return false
    }
  }

  /**
   * What is to be seen of a change; `held` says whether the view had the document before it. Where the change
   * doesn't tell enough, the view must be read again.
   *
   * @throws ParticleError where an operation is malformed
   */
  show(change: DocumentChange, held: boolean): DocumentOperation[] | typeof MUST_RELOAD {
    if (!this.matches) return this.showHeld(change)

    // A source whose reading ran ahead of its log may have had the document in no reading of this view, and a
    // client that resumed here may hold it: the document before the change tells.
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
   * Filters a change of a document that is in the view. Leaves out what is known to be as it was.
   *
   * @param before the document as the view had it, by default as the change tells it
   * @throws ParticleError where an operation is malformed
   */
  showHeld(
    change: DocumentChange,
    before = change.kind === 'insert' ? undefined : change.before,
  ): DocumentOperation[] | typeof MUST_RELOAD {
    const shown = this.cut(change, change.operations)
    return before && shown !== MUST_RELOAD ? withoutUnchanged(this.manifest, before, shown) : shown
  }

  /**
   * Operations of a change as the manifest lets them through; whether the document is in the view is not
   * asked.
   */
  cut(change: DocumentChange, operations: readonly Operation[]): DocumentOperation[] | typeof MUST_RELOAD {
    const { id, document } = change
    const oplist = operations.map((operation) => ({ ...operation, id }))
    if (document) {
      const shown = filterDelta(this.manifest, oplist, () => document)
      return shown.some(isConditional) ? filterDelta(this.manifest, [replacement(id, document)]) : shown
    }
    if (oplist.some((operation) => needsDocument(this.manifest, operation))) return MUST_RELOAD
    const shown = filterDelta(this.manifest, oplist)
    return shown.some(isConditional) ? MUST_RELOAD : shown
  }
}

/** A `pull` by a condition never goes on the wire: browsers would need the whole query language for it. */
function isConditional({ operation, data }: Operation): boolean {
  return operation === 'pull' && typeof data === 'object' && data !== null && !Array.isArray(data)
}

function replacement(id: Id, document: Document): DocumentOperation {
  return { operation: 'set', id, path: '.', data: document as Json }
}
