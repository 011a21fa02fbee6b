import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { refuseOption, refuseUnknown } from '../../model/unknown.ts'
import { parseCriteria, resolveCriteria } from '../../policy/criteria.ts'
import type { SequenceOf } from '../feed/collection-entries.ts'
import { References } from '../hints/references.ts'
import { Warnings } from '../hints/warnings.ts'
import type { Dependency, DependsOn } from '../options/source-options.ts'
import { isHandle } from '../registry/handle.ts'
import type { Sources } from '../registry/sources.ts'
import { withTimeout } from '../support/scheduling.ts'
import {
  digestOf,
  type LiveQueries,
  type LiveQueryHandle,
  type LiveQueryListener,
  type LiveQuerySpec,
} from './live-query.ts'
import { RelationResolver } from './relations.ts'

/** Limits the wait of a client for its relations and dependencies, in milliseconds. */
const READ_TIMEOUT_MS = 5_000

/** Watches documents, such as those that an identity depends on, until `close`. */
export class Watching {
  readonly #watched: LiveQueryHandle[] = []
  readonly #listener: LiveQueryListener
  readonly #waiting: (() => void)[] = []
  #isClosed = false

  /**
   * @param changed called after each change of the documents, and after their first read
   * @param doubted called when known documents are read again
   */
  constructor(changed: () => void, doubted: () => void = () => {}) {
    this.#listener = { changed: () => this.#notify(changed), doubted }
  }

  /**
   * Identifies the current documents. Returns `''` without documents to watch, and undefined during a read.
   */
  get digest(): string | undefined {
    const digests = this.#watched.flatMap(({ query }) => query.digest ?? [])
    if (digests.length < this.#watched.length) return undefined
    return digests.length === 0 ? '' : digestOf(digests)
  }

  /** The documents as far as they were read. */
  get documents(): Document[] {
    return this.#watched.flatMap(({ query }) => query.documents ?? [])
  }

  /** Resolves after all documents were read, or after `close`. */
  async settled(): Promise<void> {
    if (!this.#isClosed && this.digest === undefined)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Whether known documents are read again, after a lost history for example. */
  get isStale(): boolean {
    return this.#watched.some(({ query }) => query.isStale)
  }

  /** Checks that the documents have not changed since a client's position, not even for a while. */
  isUnchangedSince(sequenceOf: SequenceOf): boolean {
    return this.#watched.every(({ query }) => query.isUnchangedSince(sequenceOf))
  }

  add(watches: LiveQueries, spec: LiveQuerySpec): void {
    this.#watched.push(watches.take(spec, this.#listener))
  }

  close(): void {
    this.#isClosed = true
    for (const watched of this.#watched) watched.release()
    this.#wake()
  }

  #notify(changed: () => void): void {
    if (this.#waiting.length > 0 && this.digest !== undefined) this.#wake()
    changed()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** Follows the clients' relations and the documents that their identities depend on. */
export class Dependencies {
  readonly #sources: Sources
  readonly #watches: LiveQueries
  readonly #dependsOn: DependsOn | undefined
  readonly #onError: (error: Error) => void
  readonly #references: References
  readonly #relationValues: number

  /**
   * @param onError called for each failure of `dependsOn`, several times for one admission
   * @throws ParticleError `INVALID_OPTION` or `INVALID_QUERY` for an invalid `dependsOn`
   */
  constructor(
    sources: Sources,
    watches: LiveQueries,
    dependsOn: DependsOn | undefined,
    onError: (error: Error) => void,
    relationValues = Number.POSITIVE_INFINITY,
  ) {
    this.#relationValues = relationValues
    this.#sources = sources
    this.#watches = watches
    this.#onError = onError
    this.#dependsOn =
      typeof dependsOn === 'function' || dependsOn === undefined ? dependsOn : parsed(dependsOn)
    const listed = Array.isArray(this.#dependsOn) ? (this.#dependsOn as Dependency[]) : []
    this.#references = new References(
      listed.map(({ criteria = {} }, index) => [`dependsOn[${index}].criteria`, criteria]),
      new Warnings({ onError }),
    )
  }

  /**
   * Returns the values that an identity is related to, as far as they were read. Returns undefined without
   * relations in the sources. Throws the errors of `Sources.viewsOf`.
   */
  related(identity: Json): RelationResolver | undefined {
    const followed = this.#sources.relationsOf(identity)
    return followed.length > 0
      ? new RelationResolver(followed, this.#watches, this.#relationValues)
      : undefined
  }

  /**
   * Resolves after an identity's relations and dependencies were read. {@link Dependencies.related} and
   * {@link Dependencies.dependencies} then find them in memory for a short time.
   *
   * @throws ParticleError `UNAVAILABLE` when the read takes too long; `LIMIT_EXCEEDED` when a relation leads
   *   to too many values
   */
  async settle(identity: Json, given: Json): Promise<void> {
    const related = this.related(identity)
    const watching = this.watch(identity, given, () => {})
    if (!related && !watching) return
    try {
      const read = await withTimeout(Promise.all([related?.settled(), watching?.settled()]), READ_TIMEOUT_MS)
      if (read && related?.isTooLarge) throw this.excess()
      if (read) return
      throw new ParticleError(
        'UNAVAILABLE',
        'Relations and dependencies could not be read in time; try again later',
      )
    } finally {
      related?.close()
      watching?.close()
    }
  }

  /** Creates the error of an identity with too many related values. */
  excess(): ParticleError {
    const what = `A relation leads from one identity to more than ${this.#relationValues} values`
    return new ParticleError('LIMIT_EXCEEDED', `${what}: shorten it, or raise limits.relationValues`)
  }

  /**
   * Identifies the current documents that an identity depends on. Returns `''` without documents, and during
   * a read.
   */
  dependencies(identity: Json, given: Json): string {
    const watching = this.watch(identity, given, () => {})
    watching?.close()
    return watching?.digest ?? ''
  }

  /**
   * Watches the documents that an identity depends on. Returns undefined without such documents. Errors of
   * the application are reported.
   */
  watch(identity: Json, given: Json, changed: () => void, doubted?: () => void): Watching | undefined {
    if (!this.#dependsOn) return undefined
    const watching = new Watching(changed, doubted)
    try {
      for (const spec of this.#specsOf(this.#dependsOn, identity, given)) watching.add(this.#watches, spec)
    } catch (cause) {
      watching.close()
      this.#onError(new ParticleError('CALLBACK_FAILED', `dependsOn failed: ${cause}`, { cause }))
      return undefined
    }
    return watching
  }

  /** Frees unused memory. */
  sweep(): void {
    this.#watches.sweep()
  }

  /** Closes the live queries that nobody uses. */
  close(): Promise<void> {
    return this.#watches.close()
  }

  #specsOf(dependsOn: DependsOn, identity: Json, given: Json): LiveQuerySpec[] {
    this.#references.check(identity)
    const list = typeof dependsOn === 'function' ? parsed(dependsOn(identity, given) ?? []) : dependsOn
    return list.flatMap(({ collection, criteria = {} }) => {
      const query = resolveCriteria(criteria, identity, undefined, { where: 'a criteria of dependsOn' })
      const { collectionName } = collection
      return query === null
        ? []
        : [{ feed: this.#sources.feedOf(collection), collection: collectionName, query, manifest: true }]
    })
  }
}

function parsed(list: readonly Dependency[]): Dependency[] {
  if (!Array.isArray(list))
    refuseOption('dependsOn must be a list of { collection, criteria }, or a function that returns one')
  return list.map((dependency, index) => {
    const where = `dependsOn[${index}]`
    if (typeof dependency !== 'object' || dependency === null)
      refuseOption(`${where} must be { collection, criteria }`)
    refuseUnknown(`${where}: option`, dependency, ['collection', 'criteria'])
    const { collection, criteria } = dependency
    if (!isHandle(collection)) refuseOption(`${where}.collection must be adapter.collection(name)`)
    return criteria === undefined
      ? { collection }
      : { collection, criteria: parseCriteria(criteria, `${where}.criteria`) }
  })
}
