import type { WatchEntry } from '../protocol/watched-root.ts'
import type { StreamStart } from './transport.ts'

/** Maps watched roots to the limits that the page asked for. 0 stands for the source's own limit. */
export type Limits = Map<string, number>

/** Stands for a root that the server may have or not. The next request names the root again. */
const UNKNOWN = -1

/** Describes the changes of a set of watched roots, as `POST {path}/watch` takes them. */
export interface WatchChange {
  add: readonly WatchEntry[]
  remove: readonly string[]
}

/**
 * Tracks which roots the page wants to watch, which ones the server was asked for on the open stream, which
 * ones the stream has, and which ones the client's position was given for.
 */
export class WatchList {
  /** The roots that the page wants. */
  readonly wanted: Limits = new Map()
  #asked: Limits = new Map()
  #present: Limits = new Map()
  /** The roots that the stream had at its last `ready`. Positions are for these roots. */
  #complete: Limits = new Map()
  #held: Limits = new Map()
  /** The limits that the server has granted, which a source's `maxLimit` bounds. */
  #granted: Limits = new Map()
  readonly #onGrant: (refused: string[]) => void

  /** @param onGrant is called after the server has answered a change, with the roots that it lacks */
  constructor(onGrant: (refused: string[]) => void) {
    this.#onGrant = onGrant
  }

  /** Returns the watched roots that the client's position was given for. */
  get held(): WatchEntry[] {
    return entriesOf(this.#held)
  }

  /** Notes the roots of a model that another page has left. */
  restore(watch: readonly WatchEntry[]): void {
    this.#held = this.#complete = this.#present = limitsOf(watch)
    for (const entry of this.#held) this.wanted.set(...entry)
  }

  /**
   * Returns what a new stream is asked for. Leaves out roots that the client no longer has, though its
   * position was given for them: a new stream would continue them. Leaves out roots for which an address has
   * no space too. The open stream is asked for them later.
   *
   * @param given the client's position
   * @param max limits the characters of each list in an address
   */
  start(given: string, max = Number.POSITIVE_INFINITY): StreamStart {
    const { held } = this
    // Gives up a position whose roots can't be named, because the server would refuse the position.
    const position = sizeOf(held) > max ? '' : given
    const isGone = (root: string) => position !== '' && this.#held.has(root) && !this.#present.has(root)
    let size = 0
    const fits = (entry: [string, number]) => {
      size += sizeOf(entriesOf([entry]))
      return size <= max
    }
    this.#asked = new Map([...this.wanted].filter((entry) => !isGone(entry[0]) && fits(entry)))
    const watch = entriesOf(this.#asked)
    const differs = position !== '' && JSON.stringify(held) !== JSON.stringify(watch)
    return { position, watch, held: differs ? held : undefined }
  }

  /** Returns what the server of the open stream must still be asked for. */
  change(): WatchChange | undefined {
    const add = [...this.wanted].filter(([root, limit]) => this.#asked.get(root) !== limit)
    const remove = [...this.#asked.keys()].filter((root) => !this.wanted.has(root))
    return add.length + remove.length > 0 ? { add: entriesOf(add), remove } : undefined
  }

  /** Notes a change that the server is asked for now. Returns a function that notes the failure to ask. */
  ask({ add, remove }: WatchChange): () => void {
    const asked = this.#asked
    const added = limitsOf(add)
    for (const root of remove) asked.delete(root)
    for (const [root, limit] of added) {
      asked.set(root, limit)
      this.#granted.delete(root)
    }
    return () => {
      for (const root of [...remove, ...added.keys()]) asked.set(root, UNKNOWN)
    }
  }

  /** Forgets that the server was asked for a root, so that the next request names the root again. */
  forget(root: string): void {
    this.#asked.delete(root)
  }

  /**
   * Notes the roots of a new stream, without those that the server has refused. Returns the roots that the
   * client's position was not given for.
   */
  begin(sources: object): string[] {
    this.#present = new Map([...this.#asked].filter(([root]) => Object.hasOwn(sources, root)))
    return [...this.#present.keys()].filter((root) => !this.#held.has(root))
  }

  /**
   * Notes the roots of the open stream after a change. Forgets and returns those that have ended by
   * themselves.
   */
  watching(watch: readonly WatchEntry[]): string[] {
    const before = this.#present
    this.#present = limitsOf(watch)
    return this.#lacking(before, this.#present)
  }

  /** Checks whether the stream has a root. */
  has(root: string): boolean {
    return this.#present.has(root)
  }

  /**
   * Checks whether a root is complete up to a limit, or up to the smaller limit that the server has granted.
   */
  isGrown(root: string, limit: number): boolean {
    const complete = this.#complete.get(root)
    const isAsked = this.#asked.get(root) === this.wanted.get(root)
    return isAsked && complete !== undefined && complete >= Math.min(limit, this.#granted.get(root) ?? limit)
  }

  /** Notes the roots that the server has granted, with their limits. */
  grant(watch: readonly WatchEntry[]): void {
    this.#granted = limitsOf(watch)
    this.#onGrant(this.#lacking(this.#asked, this.#granted))
  }

  /** Forgets and returns those of some asked roots that a list lacks. */
  #lacking(some: Limits, list: Limits): string[] {
    return [...some.keys()].filter((root) => !list.has(root) && this.#asked.delete(root))
  }

  /** Notes that the documents of all roots are complete. */
  complete(): void {
    this.#complete = this.#present
  }

  /** Notes that the client has a position. */
  hold(): void {
    this.#held = this.#complete
  }
}

/** Returns the root of an entry. */
export function rootOf(entry: WatchEntry): string {
  return typeof entry === 'string' ? entry : entry.root
}

/** Maps watched roots to their limits. */
export function limitsOf(entries: readonly WatchEntry[]): Limits {
  return new Map(entries.map((each) => (typeof each === 'string' ? [each, 0] : [each.root, each.limit])))
}

/** Lists entries in the order of their roots, so that equal sets have equal lists. */
export function entriesOf(limits: Iterable<[string, number]>): WatchEntry[] {
  return [...limits].sort().map(([root, limit]) => (limit > 0 ? { root, limit } : root))
}

/** Returns the length of a list in an address. */
function sizeOf(entries: readonly WatchEntry[]): number {
  return encodeURIComponent(JSON.stringify(entries)).length
}
