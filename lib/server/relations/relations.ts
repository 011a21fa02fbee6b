import type { Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Manifest } from '../../policy/manifest.ts'
import { linkValues, type Relation } from '../../policy/relation.ts'
import type { SequenceOf } from '../feed/collection-entries.ts'
import type { PendingRights } from '../feed/pending-rights.ts'
import type { IdentityRelation, RelationStep } from '../registry/relation-steps.ts'
import type { LiveQueries, LiveQueryHandle, LiveQueryListener, LiveQuerySpec } from './live-query.ts'

/**
 * Follows the values of one relation for one identity. Each step has a live query for each value of the
 * previous step.
 */
class Chain {
  values: readonly Json[] = []
  /** Whether all documents of the relation were read. Documents before their read add no values. */
  complete = false
  /** Whether a step leads to too many values. The relation then has no values. */
  isTooLarge = false
  readonly #most: number
  readonly #start: readonly Json[]
  readonly #steps: readonly RelationStep[]
  readonly #watches: LiveQueries
  readonly #listener: LiveQueryListener
  /** The live query of each value, by the value's key, for each step. */
  readonly #levels: readonly Map<string, LiveQueryHandle>[]

  constructor(
    start: readonly Json[],
    steps: readonly RelationStep[],
    watches: LiveQueries,
    most: number,
    listener: LiveQueryListener,
  ) {
    this.#start = start
    this.#most = most
    this.#steps = steps
    this.#watches = watches
    this.#listener = listener
    this.#levels = steps.map(() => new Map())
    this.update()
  }

  /** Whether a step is read again after a lost history, so that the values may include removed links. */
  get isStale(): boolean {
    return this.#levels.some((level) => [...level.values()].some(({ query }) => query.isStale))
  }

  /** See {@link RelationResolver.isUnchangedSince}. */
  isUnchangedSince(sequenceOf: SequenceOf): boolean {
    return this.#levels.every((level) =>
      [...level.values()].every(({ query }) => query.isUnchangedSince(sequenceOf)),
    )
  }

  /** Follows the current links. Returns whether the values changed. */
  update(): boolean {
    this.complete = true
    this.isTooLarge = false
    let values = this.#bounded(new Map(this.#start.map((value) => [idKey(value), value])))
    for (const [index, step] of this.#steps.entries())
      values = this.#bounded(this.#follow(step, index, values))
    if (this.isTooLarge) values = new Map()
    const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
    const before = this.values
    this.values = sorted
    return (
      before.length !== sorted.length ||
      sorted.some((value, index) => idKey(value) !== idKey(before[index] ?? null))
    )
  }

  close(): void {
    for (const level of this.#levels) for (const watched of level.values()) watched.release()
  }

  /** Returns no values in place of too many. The queries of the following steps are then closed. */
  #bounded(values: Map<string, Json>): Map<string, Json> {
    if (values.size <= this.#most) return values
    this.isTooLarge = true
    return new Map()
  }

  #follow(step: RelationStep, index: number, values: ReadonlyMap<string, Json>): Map<string, Json> {
    const level = this.#levels[index] ?? new Map<string, LiveQueryHandle>()
    for (const [key, watched] of level) {
      if (values.has(key)) continue
      level.delete(key)
      watched.release()
    }
    const next = new Map<string, Json>()
    for (const [key, value] of values) {
      const watched = level.get(key) ?? this.#watches.take(specOf(step, value), this.#listener)
      level.set(key, watched)
      const { documents } = watched.query
      if (!documents) this.complete = false
      for (const document of documents ?? [])
        for (const [own, found] of linkValues(document, step.to)) next.set(own, found)
    }
    return next
  }
}

/**
 * Keeps all values that an identity is related to current, until `close`. Changes of one step are reported
 * together, ahead of later changes of other documents. A removed link removes its values at once. A new link
 * adds its values after all documents behind it were read.
 */
export class RelationResolver {
  /** Called when some values changed. */
  onChange: (() => void) | undefined
  /** Called when a step is read again. A removed link may count until {@link RelationResolver.fresh}. */
  onDoubt: (() => void) | undefined
  readonly #chains: ReadonlyMap<Relation, Chain>
  readonly #waiting: (() => void)[] = []
  readonly #waitingFresh: (() => void)[] = []
  readonly #rights: PendingRights
  #isDoubted = false
  #closed = false

  /** @param most the maximum number of values per step */
  constructor(followed: readonly IdentityRelation[], watches: LiveQueries, most: number) {
    const listener = { changed: () => this.#rights.add(this.#update), doubted: () => this.#doubt() }
    this.#rights = watches.rights
    this.#chains = new Map(
      followed.flatMap(({ relation, steps, start }) =>
        start ? [[relation, new Chain(start, steps, watches, most, listener)]] : [],
      ),
    )
  }

  /**
   * Returns the values of a relation, in the order of their keys. Returns undefined when the identity lacks
   * the start.
   */
  valuesOf(relation: Relation): readonly Json[] | undefined {
    return this.#chains.get(relation)?.values
  }

  /** Resolves after all documents were read, or after `close`. */
  async settled(): Promise<void> {
    if (!this.#closed && !this.#complete) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /**
   * Resolves when no step is read again, or after `close`. A removed link may count until then, so a client
   * must not be shown what was read meanwhile.
   */
  async fresh(): Promise<void> {
    // Lets all queries notice a loss of this step: a client's view may notice it before them.
    await Promise.resolve()
    if (!this.#closed && this.#isStale) await new Promise<void>((resolve) => this.#waitingFresh.push(resolve))
  }

  /**
   * Checks that the links have not changed since a client's position, not even for a while. A position from
   * before a change must not resume, since the replay would show the changes of a time without the right.
   */
  isUnchangedSince(sequenceOf: SequenceOf): boolean {
    return [...this.#chains.values()].every((chain) => chain.isUnchangedSince(sequenceOf))
  }

  /** Whether a relation leads to too many values, and therefore shows no documents. */
  get isTooLarge(): boolean {
    return [...this.#chains.values()].some((chain) => chain.isTooLarge)
  }

  close(): void {
    this.#closed = true
    for (const chain of this.#chains.values()) chain.close()
    for (const resolve of [...this.#waiting.splice(0), ...this.#waitingFresh.splice(0)]) resolve()
  }

  get #isStale(): boolean {
    return [...this.#chains.values()].some((chain) => chain.isStale)
  }

  get #complete(): boolean {
    return [...this.#chains.values()].every(({ complete }) => complete)
  }

  #doubt(): void {
    // Several steps are lost together.
    if (this.#isDoubted) return
    this.#isDoubted = true
    this.onDoubt?.()
  }

  readonly #update = () => {
    if (this.#closed) return
    const changed = [...this.#chains.values()].map((chain) => chain.update())
    if (this.#complete) for (const resolve of this.#waiting.splice(0)) resolve()
    this.#isDoubted = this.#isStale
    if (!this.#isDoubted) for (const resolve of this.#waitingFresh.splice(0)) resolve()
    if (changed.includes(true) || this.isTooLarge) this.onChange?.()
  }
}

function specOf({ feed, collection, from, to }: RelationStep, value: Json): LiveQuerySpec {
  // Selects only the link itself, since the other fields would waste memory.
  const manifest = to.split('.').reduceRight<Manifest>((inner, name) => ({ [name]: inner }), true)
  return { feed, collection, query: { [from]: { $eq: value } }, manifest }
}
