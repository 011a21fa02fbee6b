import type { Document, Id, Json } from '../model/document.ts'
import type { DocumentOperation, Operation } from '../model/operation.ts'
import { parsePath } from '../model/path.ts'
import { fieldsOf } from '../policy/criteria.ts'
import { filterDelta, type Manifest, needsDocument } from '../policy/manifest.ts'
import type { DocumentChange, Query } from '../source/source.ts'
import { documentAfter } from './change.ts'
import { BARRIER } from './frame.ts'

/** What a view lets through: its criteria and its manifest, without any memory of documents. */
export class Lens {
  readonly manifest: Manifest
  /** Whether a document belongs to the view; undefined when all do. */
  readonly matches: ((document: Document) => boolean) | undefined
  readonly #fields: ReadonlySet<string>

  constructor(manifest: Manifest, query: Query, matches: ((document: Document) => boolean) | undefined) {
    this.manifest = manifest
    this.matches = matches
    this.#fields = fieldsOf(query)
  }

  /** Whether an update touches what the criteria looks at. */
  mayEnterOrLeave({ operations }: DocumentChange): boolean {
    if (!this.matches) return false
    const touches = (path: string, keys?: Operation['keys']) => {
      const [first] = keys ?? parsePath(path)
      return first === undefined || typeof first === 'object' || this.#fields.has(String(first))
    }
    return operations.some(
      ({ operation, path, data, keys }) =>
        touches(path, keys) || (operation === 'rename' && typeof data === 'string' && touches(data)),
    )
  }

  /** Whether an update can be shown only with the document at hand; `held` says whether the view has the document now, if that is known. */
  needsDocument(change: DocumentChange, held: boolean | undefined): boolean {
    if (change.document) return false
    try {
      if (this.mayEnterOrLeave(change)) return true
      if (this.matches && held === false) return false
      return change.operations.some(
        (operation) => isConditional(operation) || needsDocument(this.manifest, operation),
      )
    } catch {
      // A malformed change: showing it reports that, and a document wouldn't help.
      return false
    }
  }

  /**
   * What is to be seen of a change; `held` says whether the view had the document before it. Where the change doesn't tell enough, the view
   * must be read again.
   *
   * @throws ParticleError where an operation is malformed
   */
  show(change: DocumentChange, held: boolean): DocumentOperation[] | typeof BARRIER {
    if (!this.matches) return this.#filter(change, change.operations)

    const leave: DocumentOperation[] = held ? [{ operation: 'unset', id: change.id, path: '.' }] : []
    if (change.kind === 'delete') return leave
    const whole = documentAfter(change)
    if (!whole) {
      if (this.mayEnterOrLeave(change)) return BARRIER
      return held ? this.#filter(change, change.operations) : []
    }
    if (!this.matches(whole)) return leave
    if (held) return this.#filter(change, change.operations)
    return this.#filter(change, [{ operation: 'set', path: '.', data: whole as Operation['data'] & object }])
  }

  #filter(change: DocumentChange, operations: readonly Operation[]): DocumentOperation[] | typeof BARRIER {
    const { id, document } = change
    const oplist = operations.map((operation) => ({ ...operation, id }))
    if (document) {
      const shown = filterDelta(this.manifest, oplist, () => document)
      return shown.some(isConditional) ? filterDelta(this.manifest, [replacement(id, document)]) : shown
    }
    if (oplist.some((operation) => needsDocument(this.manifest, operation))) return BARRIER
    const shown = filterDelta(this.manifest, oplist)
    return shown.some(isConditional) ? BARRIER : shown
  }
}

/** A `pull` by a condition never goes on the wire: browsers would need the whole query language for it. */
function isConditional({ operation, data }: Operation): boolean {
  return operation === 'pull' && typeof data === 'object' && data !== null && !Array.isArray(data)
}

function replacement(id: Id, document: Document): DocumentOperation {
  return { operation: 'set', id, path: '.', data: document as Json }
}
