import type { Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { filterPayload } from '../../policy/manifest.ts'
import type { DocumentChange } from '../../source/source.ts'
import { documentAfter } from '../feed/change.ts'
import type { Feed } from '../feed/feed.ts'
import type { Subscriber } from '../feed/subscriber.ts'
import type { FewMap } from '../support/few-map.ts'
import type { ViewDigest } from './difference.ts'
import { digest, STALE } from './digest.ts'
import type { ViewFilter } from './filter.ts'
import type { Item, SortedWindow } from './sorted-window.ts'

/** Limits the members by which changes find a view. A larger view checks every change of its collection. */
const MAX_HELD = 1_000

/** Maps the key of a document's id to the digest of its visible fields, or to `STALE` after a change. */
export type Digests = FewMap<number>
/** The digests as others may read them. */
export type ReadonlyDigests = Pick<Digests, 'size' | 'has' | 'get' | typeof Symbol.iterator>

/** Describes the view of members. */
interface MembersView extends Subscriber {
  readonly feed: Feed
  readonly filter: ViewFilter
}

/** Keeps the known documents of a view after the last entry. The router finds the view by them. */
export class Members {
  readonly #view: MembersView
  #digests: Digests | undefined
  #window: SortedWindow | undefined
  #known: ViewDigest | undefined
  /** Whether the router finds the view by its members, so that the view need not check every change. */
  #found = false
  /** Whether the last change other than an insert contained the document before it. */
  #reportsBefore = false
  /** The sequence after which the view receives no changes, while it rests. */
  #asleepSince: number | undefined

  constructor(view: MembersView) {
    this.#view = view
  }

  /** The digests; undefined before the view was read. Callers must copy them to change them. */
  get digests(): ReadonlyDigests | undefined {
    return this.#digests
  }

  /** The first documents of an ordered view, if they are known. */
  get window(): SortedWindow | undefined {
    return this.#window
  }

  has(key: string): boolean {
    return this.#digests?.has(key) ?? false
  }

  /** Returns a constant copy of the viewers' present data; undefined before the view was read. */
  known(): ViewDigest | undefined {
    if (this.#window) this.#known ??= this.knownOf(this.#window.visible)
    else if (this.#digests) this.#known ??= new Map(this.#digests)
    return this.#known
  }

  /** Returns the viewers' data while the given documents are visible. */
  knownOf(visible: readonly Item[]): ViewDigest {
    return new Map(visible.map(({ key }) => [key, this.#digests?.get(key) ?? STALE]))
  }

  /** Replaces all members, and registers the new ones with the router. */
  replace(digests: Digests | undefined, window?: SortedWindow): void {
    if (this.#found) for (const key of this.#keys) this.#view.feed.hold(this.#view, key, false)
    this.#digests = digests
    this.#window = window
    this.#known = undefined
    const count = window?.size ?? digests?.size ?? MAX_HELD + 1
    this.#found = this.#view.feed.route(this.#view, count <= MAX_HELD)
    if (this.#found) for (const key of this.#keys) this.#view.feed.hold(this.#view, key, true)
    if (window) window.onKnown = (key, known) => this.#found && this.#view.feed.hold(this.#view, key, known)
  }

  /**
   * Marks the view as resting after a sequence. Returns whether the router still finds the view by its
   * members. A view that would check every change of its collection receives none until it wakes.
   */
  rest(sequence: number): boolean {
    this.#known = undefined
    if (!this.#found) this.#asleepSince = sequence
    return this.#found
  }

  /**
   * Resumes the changes of the view. Returns the sequence after which the view received none, if it rested
   * without changes.
   */
  wake(): number | undefined {
    const since = this.#asleepSince
    this.#asleepSince = undefined
    if (since !== undefined) this.#view.feed.follow(this.#view)
    return since
  }

  /** Updates the members by operations. */
  note(oplist: readonly DocumentOperation[]): void {
    this.#known = undefined
    if (!this.#digests) return
    const routed = this.#found && !this.#window
    noteIn(this.#digests, oplist, (key, held) => routed && this.#view.feed.hold(this.#view, key, held))
  }

  /**
   * Computes the digest of a document's visible fields after operations. Returns undefined when the change
   * contains the document before it, which makes the digest needless, or lacks the document after it.
   */
  digestAfter(change: DocumentChange, operations: readonly DocumentOperation[]): number | undefined {
    if (change.kind !== 'insert') this.#reportsBefore = change.before !== undefined
    // Expects the document before the change in the next change too, if the source reported it in the last.
    if (!this.#digests || this.#reportsBefore) return undefined
    const document = documentAfter(change)
    if (!document || operations.some(isRemoval)) return undefined
    const [only] = operations
    const isWhole = operations.length === 1 && only?.path === '.' && only.operation === 'set'
    return digest((isWhole && only.data) || (filterPayload(this.#view.filter.manifest, document) as Json))
  }

  /** Checks whether the viewers already hold the document as it is after the operations. */
  holds(key: string, after: number, operations: readonly DocumentOperation[]): boolean {
    return this.#digests?.get(key) === after && operations.every(({ at }) => at === undefined)
  }

  /** Stores new digests of documents that the view has. */
  keep(digests: ReadonlyMap<string, number>): void {
    for (const [key, after] of digests) if (this.#digests?.has(key)) this.#digests.set(key, after)
  }

  /** The keys of all documents whose changes the view must receive. */
  get #keys(): Iterable<string> {
    return this.#window?.keys ?? this.#digests?.keys() ?? []
  }
}

function isRemoval({ operation, path }: DocumentOperation): boolean {
  return operation === 'unset' && path === '.'
}

/** Updates digests by operations. Calls `onHeld` for each document that comes or goes. */
export function noteIn(
  digests: Digests,
  oplist: readonly DocumentOperation[],
  onHeld: (key: string, held: boolean) => void = () => {},
): void {
  for (const { operation, id, path } of oplist) {
    const key = idKey(id)
    const held = digests.has(key)
    if (path !== '.') {
      if (held) digests.set(key, STALE)
    } else if (operation === 'set') {
      digests.set(key, STALE)
      if (!held) onHeld(key, true)
    } else if (operation === 'unset' && digests.delete(key)) onHeld(key, false)
  }
}

/**
 * Merges the viewers' known data into the result of a read. Returns false when the documents differ: the
 * source was read ahead of its reported changes, or has not reported a change. A document that was read with
 * another content becomes `STALE`, since either content may be the viewer's.
 */
export function agree(held: ReadonlyDigests, read: Digests): boolean {
  if (held.size !== read.size) return false
  // Compares in order first, which takes a quarter of the time of look-ups: most reads have the same order.
  const inOrder = held[Symbol.iterator]()
  for (const [key, now] of read) {
    const [next, digest] = inOrder.next().value ?? []
    const before = next === key ? digest : held.get(key)
    if (before === undefined) return false
    if (before !== STALE && before !== now) read.set(key, STALE)
  }
  return true
}
