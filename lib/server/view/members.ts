import type { Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { filterPayload } from '../../policy/manifest.ts'
import type { DocumentChange } from '../../source/source.ts'
import { documentAfter } from '../feed/change.ts'
import type { Feed } from '../feed/feed.ts'
import type { Subscriber } from '../feed/subscriber.ts'
import type { ViewDigest } from './difference.ts'
import { digest, STALE } from './digest.ts'
import type { ViewFilter } from './filter.ts'
import type { Item, SortedWindow } from './sorted-window.ts'

/**
 * A view of more documents than these is asked at every change of its collection, rather than found by the
 * documents that it has.
 */
const MAX_HELD = 1_000

/**
 * Documents by the keys of their ids, each with the digest of what is shown of it; `STALE` where that has
 * changed since.
 */
export type Digests = Map<string, number>

/**
 * The documents that a view has after the last entry, as far as they are known; by them changes find the
 * view.
 */
export class Members {
  readonly #view: Subscriber
  readonly #feed: Feed
  readonly #filter: ViewFilter
  #digests: Digests | undefined
  #window: SortedWindow | undefined
  #known: ViewDigest | undefined
  /** Whether changes of the members find the view, so that it need not be asked at every change. */
  #found = false
  /** Whether the last change that was no insert held the document of before. */
  #reportsBefore = false
  /** The sequence after which the view takes no changes in, while it rests. */
  #asleepSince: number | undefined

  constructor(view: Subscriber & { readonly feed: Feed; readonly filter: ViewFilter }) {
    this.#view = view
    this.#feed = view.feed
    this.#filter = view.filter
  }

  /** The digests; undefined before the view was read. They stay the members' own: a reader copies them. */
  get digests(): ReadonlyMap<string, number> | undefined {
    return this.#digests
  }

  /** The first documents, where the view has an order and they are known. */
  get window(): SortedWindow | undefined {
    return this.#window
  }

  has(key: string): boolean {
    return this.#digests?.has(key) ?? false
  }

  /** Describes what the viewers hold now, as a value that stays; undefined before the view was read. */
  known(): ViewDigest | undefined {
    if (this.#window) this.#known ??= this.knownOf(this.#window.visible)
    else if (this.#digests) this.#known ??= new Map(this.#digests)
    return this.#known
  }

  /** Describes what the viewers hold while these documents are visible. */
  knownOf(visible: readonly Item[]): ViewDigest {
    return new Map(visible.map(({ key }) => [key, this.#digests?.get(key) ?? STALE]))
  }

  /** Puts other members in the place of those that were known, and lets changes of them find the view. */
  replace(digests: Digests | undefined, window?: SortedWindow): void {
    if (this.#found) for (const key of this.#keys) this.#feed.hold(this.#view, key, false)
    this.#digests = digests
    this.#window = window
    this.#known = undefined
    const count = window?.size ?? digests?.size ?? MAX_HELD + 1
    this.#found = this.#filter.equalities.size > 0 && count <= MAX_HELD
    if (this.#found) for (const key of this.#keys) this.#feed.hold(this.#view, key, true)
    if (window) window.onKnown = (key, known) => this.#found && this.#feed.hold(this.#view, key, known)
    this.#feed.route(this.#view, this.#found)
  }

  /**
   * Nobody looks at the view from a sequence on. Returns whether changes of the members go on to find it; a
   * view that would be asked at every change of its collection takes none in until it wakes.
   */
  rest(sequence: number): boolean {
    this.#known = undefined
    if (!this.#found) this.#asleepSince = sequence
    return this.#found
  }

  /**
   * Lets changes come to the view again. Returns the sequence after which it took none in, if it rested so.
   */
  wake(): number | undefined {
    const since = this.#asleepSince
    this.#asleepSince = undefined
    if (since !== undefined) this.#feed.follow(this.#view)
    return since
  }

  /** Keeps the members as they are after operations. */
  note(oplist: readonly DocumentOperation[]): void {
    this.#known = undefined
    if (!this.#digests) return
    const routed = this.#found && !this.#window
    noteIn(this.#digests, oplist, (key, held) => routed && this.#feed.hold(this.#view, key, held))
  }

  /**
   * The digest of what is shown of a document after operations. Undefined where the change itself tells what
   * they
   * change, as by the document of before, or doesn't tell the document of after it.
   */
  digestAfter(change: DocumentChange, operations: readonly DocumentOperation[]): number | undefined {
    if (change.kind !== 'insert') this.#reportsBefore = change.before !== undefined
    // A source that reports the document of before is expected to do so at the next change.
    if (!this.#digests || this.#reportsBefore) return undefined
    const document = documentAfter(change)
    if (!document || operations.some(isRemoval)) return undefined
    const [only] = operations
    const isWhole = operations.length === 1 && only?.path === '.' && only.operation === 'set'
    return digest((isWhole && only.data) || (filterPayload(this.#filter.manifest, document) as Json))
  }

  /** Whether operations lead to what the viewers hold of the document already, where they hold it. */
  holds(key: string, after: number, operations: readonly DocumentOperation[]): boolean {
    return this.#digests?.get(key) === after && operations.every(({ at }) => at === undefined)
  }

  /** Keeps the digests of documents that were noted as changed, where the view has them. */
  keep(digests: ReadonlyMap<string, number>): void {
    for (const [key, after] of digests) if (this.#digests?.has(key)) this.#digests.set(key, after)
  }

  /** The keys of all documents whose changes the view must be told of. */
  get #keys(): Iterable<string> {
    return this.#window?.keys ?? this.#digests?.keys() ?? []
  }
}

function isRemoval({ operation, path }: DocumentOperation): boolean {
  return operation === 'unset' && path === '.'
}

/** Keeps digests as they are after operations; `onHeld` is told of each document that comes or goes. */
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
 * Merges what the viewers are known to hold into what a reading gave. Returns false where the documents are
 * not the same: the source read ahead of what it has told, or told less than it should. A document that was
 * read with another content becomes `STALE`, since nobody can say which of the two a viewer holds.
 */
export function agree(held: ReadonlyMap<string, number>, read: Digests): boolean {
  if (held.size !== read.size) return false
  for (const [key, now] of read) {
    const before = held.get(key)
    if (before === undefined) return false
    if (before !== STALE && before !== now) read.set(key, STALE)
  }
  return true
}
