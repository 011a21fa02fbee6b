import type { Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Manifest } from '../../policy/manifest.ts'
import { linkValues, type Relation } from '../../policy/relation.ts'
import type { IdentityRelation, RelationStep } from '../registry/relation-steps.ts'
import type { LiveQueries, LiveQueryHandle, LiveQuerySpec } from './live-query.ts'

/**
 * The values of one relation, followed for one identity: for each step, a watch for each value that the step
 * before leads to.
 */
class Chain {
  values: readonly Json[] = []
  /** Whether everything was read that leads to the values. Until then, what was not adds nothing. */
  complete = false
  /** Whether a step leads to more values than it may: then the relation has none. */
  isTooLarge = false
  readonly #most: number
  readonly #start: readonly Json[]
  readonly #steps: readonly RelationStep[]
  readonly #watches: LiveQueries
  readonly #listener: () => void
  /** By the key of a value, its watch, for each step. */
  readonly #levels: readonly Map<string, LiveQueryHandle>[]

  constructor(
    start: readonly Json[],
    steps: readonly RelationStep[],
    watches: LiveQueries,
    most: number,
    listener: () => void,
  ) {
    this.#start = start
    this.#most = most
    this.#steps = steps
    this.#watches = watches
    this.#listener = listener
    this.#levels = steps.map(() => new Map())
    this.update()
  }

  /** Follows the links as they are now. Whether the values are others. */
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

  /** No values in the place of too many: what follows them is let go of. */
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
      if (!watched.documents) this.complete = false
      for (const document of watched.documents ?? [])
        for (const [own, found] of linkValues(document, step.to)) next.set(own, found)
    }
    return next
  }
}

/**
 * All values that an identity is related to, kept current until it is closed. Changes of one turn are told
 * together. A link that is gone takes its values along at once; one that is new adds them once all that it
 * leads to was read.
 */
export class RelationResolver {
  /** Told when some values are others. */
  onChange: (() => void) | undefined
  readonly #chains: ReadonlyMap<Relation, Chain>
  readonly #waiting: (() => void)[] = []
  #due = false
  #closed = false

  /** @param most how many values a step may lead to */
  constructor(followed: readonly IdentityRelation[], watches: LiveQueries, most: number) {
    const listener = () => this.#schedule()
    this.#chains = new Map(
      followed.flatMap(({ relation, steps, start }) =>
        start ? [[relation, new Chain(start, steps, watches, most, listener)]] : [],
      ),
    )
  }

  /** The values of a relation, in the order of their keys; undefined where the identity lacks its start. */
  valuesOf(relation: Relation): readonly Json[] | undefined {
    return this.#chains.get(relation)?.values
  }

  /** Resolves once everything was read, or it was closed. */
  async settled(): Promise<void> {
    if (!this.#closed && !this.#complete) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Whether a relation leads to more values than it may: then nothing is shown by it. */
  get isTooLarge(): boolean {
    return [...this.#chains.values()].some((chain) => chain.isTooLarge)
  }

  close(): void {
    this.#closed = true
    for (const chain of this.#chains.values()) chain.close()
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  get #complete(): boolean {
    return [...this.#chains.values()].every(({ complete }) => complete)
  }

  #schedule(): void {
    if (this.#due) return
    this.#due = true
    // After all that the source tells at once.
    queueMicrotask(() => {
      this.#due = false
      if (this.#closed) return
      const changed = [...this.#chains.values()].map((chain) => chain.update())
      if (this.#complete) for (const resolve of this.#waiting.splice(0)) resolve()
      if (changed.includes(true) || this.isTooLarge) this.onChange?.()
    })
  }
}

function specOf({ feed, collection, from, to }: RelationStep, value: Json): LiveQuerySpec {
  // Only the link itself: what else the documents hold is of no interest, and takes no memory.
  const manifest = to.split('.').reduceRight<Manifest>((inner, name) => ({ [name]: inner }), true)
  return { feed, collection, query: { [from]: { $eq: value } }, manifest }
}
