import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import { refuseUnknown } from '../model/unknown.ts'
import { parseCriteria, resolveCriteria } from '../policy/criteria.ts'
import { References } from './references.ts'
import { Related } from './related.ts'
import type { Dependency, DependsOn } from './source-options.ts'
import { isHandle, type Sources } from './sources.ts'
import { Warnings } from './warnings.ts'
import type { Watched, Watches, WatchSpec } from './watch.ts'

/** How long a client waits until its relations are read, in milliseconds. */
const PATIENCE = 5_000

/** What an identity depends on, watched until it is closed. */
export class Watching {
  readonly #watched: readonly Watched[]

  constructor(watched: readonly Watched[]) {
    this.#watched = watched
  }

  /**
   * Whether what was found out at that time, or later, may be another thing by now; false while that is not
   * known.
   */
  changedSince(time: number): boolean {
    return this.#watched.some(({ documents, changedAt }) => documents !== undefined && changedAt >= time)
  }

  close(): void {
    for (const watched of this.#watched) watched.release()
  }
}

/**
 * What the server follows on its clients' account: what they are related to, and what their identities depend
 * on.
 */
export class Following {
  readonly #sources: Sources
  readonly #watches: Watches
  readonly #dependsOn: DependsOn | undefined
  readonly #onError: (error: unknown) => void
  readonly #references: References

  /** @throws ParticleError `INVALID_OPTION` or `INVALID_QUERY` where `dependsOn` isn't right */
  constructor(
    sources: Sources,
    watches: Watches,
    dependsOn: DependsOn | undefined,
    onError: (error: unknown) => void,
  ) {
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
  related(identity: Json): Related | undefined {
    const followed = this.#sources.relationsOf(identity)
    return followed.length > 0 ? new Related(followed, this.#watches) : undefined
  }

  /**
   * Resolves once what an identity is related to was read; for a short while, {@link Following.related} finds
   * it at hand.
   * @throws ParticleError `UNAVAILABLE` where it can't be read in time
   */
  async settle(identity: Json): Promise<void> {
    const related = this.related(identity)
    if (!related) return
    let timer: NodeJS.Timeout | undefined
    try {
      const late = new Promise<never>((_, reject) => {
        const error = new ParticleError('UNAVAILABLE', 'Relations could not be read in time; try again later')
        timer = setTimeout(() => reject(error), PATIENCE).unref()
      })
      await Promise.race([related.settled(), late])
    } finally {
      clearTimeout(timer)
      related.close()
    }
  }

  /**
   * Watches what an identity depends on; undefined where that is nothing. What the application does wrong
   * there is reported.
   */
  watch(identity: Json, given: Json, listener: () => void): Watching | undefined {
    if (!this.#dependsOn) return undefined
    const watched: Watched[] = []
    try {
      for (const spec of this.#specsOf(this.#dependsOn, identity, given))
        watched.push(this.#watches.take(spec, listener))
    } catch (cause) {
      for (const each of watched) each.release()
      this.#onError(new ParticleError('CALLBACK_FAILED', `dependsOn failed: ${cause}`, { cause }))
      return undefined
    }
    return new Watching(watched)
  }

  /** Lets go of what is of no use any more. */
  sweep(): void {
    this.#watches.sweep()
  }

  /** Ends what nobody needs. */
  close(): Promise<void> {
    return this.#watches.close()
  }

  #specsOf(dependsOn: DependsOn, identity: Json, given: Json): WatchSpec[] {
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
