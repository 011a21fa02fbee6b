import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { refuseUnknown } from '../../model/unknown.ts'
import { parseCriteria, resolveCriteria } from '../../policy/criteria.ts'
import { References } from '../hints/references.ts'
import { Warnings } from '../hints/warnings.ts'
import type { Dependency, DependsOn } from '../options/source-options.ts'
import { isHandle } from '../registry/handle.ts'
import type { Sources } from '../registry/sources.ts'
import { withTimeout } from '../support/scheduling.ts'
import { digestOf, type LiveQueries, type LiveQueryHandle, type LiveQuerySpec } from './live-query.ts'
import { RelationResolver } from './relations.ts'

/** How long a client waits until its relations and dependencies are read, in milliseconds. */
const PATIENCE = 5_000

/** How long a failure of `dependsOn` is not reported again, in milliseconds. */
const REPORT_PAUSE_MS = 60_000

/** What an identity depends on, watched until it is closed. */
export class Watching {
  readonly #watched: LiveQueryHandle[] = []
  readonly #listener: () => void
  readonly #waiting: (() => void)[] = []

  /** @param listener told whenever the documents are others, and when they were read */
  constructor(listener: () => void) {
    this.#listener = listener
  }

  /** Names the documents as they are, `''` where there are none to watch; undefined while they are read. */
  get digest(): string | undefined {
    const digests = this.#watched.flatMap(({ digest }) => digest ?? [])
    if (digests.length < this.#watched.length) return undefined
    return digests.length === 0 ? '' : digestOf(digests)
  }

  /** Resolves once all were read, or it was closed. */
  async settled(): Promise<void> {
    if (this.digest === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  add(watches: LiveQueries, spec: LiveQuerySpec): void {
    this.#watched.push(watches.take(spec, () => this.#tell()))
  }

  close(): void {
    for (const watched of this.#watched) watched.release()
    this.#wake()
  }

  #tell(): void {
    if (this.#waiting.length > 0 && this.digest !== undefined) this.#wake()
    this.#listener()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/**
 * What the server follows on its clients' account: what they are related to, and what their identities depend
 * on.
 */
export class Dependencies {
  readonly #sources: Sources
  readonly #watches: LiveQueries
  readonly #dependsOn: DependsOn | undefined
  readonly #onError: (error: unknown) => void
  readonly #references: References
  readonly #relationValues: number
  #reportedAt = Number.NEGATIVE_INFINITY

  /** @throws ParticleError `INVALID_OPTION` or `INVALID_QUERY` where `dependsOn` isn't right */
  constructor(
    sources: Sources,
    watches: LiveQueries,
    dependsOn: DependsOn | undefined,
    onError: (error: unknown) => void,
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
      new Warnings({ onError, onDebug: () => {} }),
    )
  }

  /**
   * What an identity is related to, as far as it was read; undefined where no source follows a relation.
   * `Sources.viewsOf` tells what this throws.
   */
  related(identity: Json): RelationResolver | undefined {
    const followed = this.#sources.relationsOf(identity)
    return followed.length > 0
      ? new RelationResolver(followed, this.#watches, this.#relationValues)
      : undefined
  }

  /**
   * Resolves once what an identity is related to and what it depends on was read; for a short while,
   * {@link Dependencies.related} and {@link Dependencies.dependencies} find it at hand.
   * @throws ParticleError `UNAVAILABLE` where it can't be read in time; `LIMIT_EXCEEDED` where a relation leads to too much
   */
  async settle(identity: Json, given: Json): Promise<void> {
    const related = this.related(identity)
    const watching = this.watch(identity, given, () => {})
    if (!related && !watching) return
    try {
      const read = await withTimeout(Promise.all([related?.settled(), watching?.settled()]), PATIENCE)
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

  /** The error of an identity that is related to too much. */
  excess(): ParticleError {
    const what = `A relation leads from one identity to more than ${this.#relationValues} values`
    return new ParticleError('LIMIT_EXCEEDED', `${what}: shorten it, or raise limits.relationValues`)
  }

  /** Names the documents that an identity depends on, as they are now: see {@link Watching.digest}. */
  dependencies(identity: Json, given: Json): string | undefined {
    const watching = this.watch(identity, given, () => {})
    if (!watching) return ''
    watching.close()
    return watching.digest
  }

  /**
   * LiveQueries what an identity depends on; undefined where that is nothing. What the application does wrong
   * there is reported.
   */
  watch(identity: Json, given: Json, listener: () => void): Watching | undefined {
    if (!this.#dependsOn) return undefined
    const watching = new Watching(listener)
    try {
      for (const spec of this.#specsOf(this.#dependsOn, identity, given)) watching.add(this.#watches, spec)
    } catch (cause) {
      watching.close()
      this.#report(cause)
      return undefined
    }
    return watching
  }

  /** Lets go of what is of no use any more. */
  sweep(): void {
    this.#watches.sweep()
  }

  /** Ends what nobody needs. */
  close(): Promise<void> {
    return this.#watches.close()
  }

  /** Reports a failure of the application's function, once a minute: an admission asks it several times. */
  #report(cause: unknown): void {
    const now = performance.now()
    if (now - this.#reportedAt < REPORT_PAUSE_MS) return
    this.#reportedAt = now
    this.#onError(new ParticleError('CALLBACK_FAILED', `dependsOn failed: ${cause}`, { cause }))
  }

  #specsOf(dependsOn: DependsOn, identity: Json, given: Json): LiveQuerySpec[] {
    this.#references.look(identity)
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
  const refuse = (sentence: string): never => {
    throw new ParticleError('INVALID_OPTION', sentence)
  }
  if (!Array.isArray(list))
    refuse('dependsOn must be a list of { collection, criteria }, or a function that returns one')
  return list.map((dependency, index) => {
    const where = `dependsOn[${index}]`
    if (typeof dependency !== 'object' || dependency === null)
      refuse(`${where} must be { collection, criteria }`)
    refuseUnknown(`${where}: option`, dependency, ['collection', 'criteria'])
    const { collection, criteria } = dependency
    if (!isHandle(collection)) refuse(`${where}.collection must be adapter.collection(name)`)
    return criteria === undefined
      ? { collection }
      : { collection, criteria: parseCriteria(criteria, `${where}.criteria`) }
  })
}
