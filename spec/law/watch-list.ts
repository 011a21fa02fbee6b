import type { WatchEntry } from '../../lib/protocol/watched-root.ts'
import type { Watching } from './node.ts'
import { KINDS, WINDOW } from './roots.ts'

/** A kind and its window. */
type Wish = readonly [kind: string, limit: number]

/** What a client by hand knows of the kinds that it watches, as the rules of the wire say it. */
export class WatchList {
  /** What the page wants, by kind. */
  readonly #wanted = new Map<string, number>()
  /** What the server was last asked for. */
  #asked = new Map<string, number>()
  /** What the server has told that it sends. */
  #here = new Map<string, number>()
  /** What the last position was given for. */
  #held = new Map<string, number>()

  /** What is shown. */
  get here(): Wish[] {
    return [...this.#here]
  }

  get wanted(): Wish[] {
    return [...this.#wanted]
  }

  /** The roots of the last position that are watched still, or again. */
  get again(): string[] {
    return [...this.#held.keys()].filter((kind) => this.#asked.has(kind)).map(rootOf)
  }

  /** The page wants a kind in a window, or no longer. */
  want(kind: string, limit: number | undefined): void {
    if (limit === undefined) this.#wanted.delete(kind)
    else this.#wanted.set(kind, limit)
  }

  /** What a stream is asked for. */
  present(): Watching {
    this.#asked = new Map(this.#wanted)
    return { watch: [...this.#asked].map(entryOf), held: [...this.#held].map(entryOf) }
  }

  /** What is yet to be asked for on an open stream; undefined for nothing. */
  change(): { add: WatchEntry[]; remove: string[] } | undefined {
    const add = [...this.#wanted].filter(([kind, limit]) => this.#asked.get(kind) !== limit)
    const remove = [...this.#asked.keys()].filter((kind) => !this.#wanted.has(kind))
    this.#asked = new Map(this.#wanted)
    if (add.length + remove.length === 0) return undefined
    return { add: add.map(entryOf), remove: remove.map(rootOf) }
  }

  answered(refused: readonly string[]): void {
    for (const root of refused) this.refused(root)
  }

  /** The stream began with these roots. */
  begun(roots: readonly string[]): void {
    this.#here = new Map([...this.#asked].filter(([kind]) => roots.includes(rootOf(kind))))
    for (const kind of [...this.#asked.keys()]) if (!this.#here.has(kind)) this.#forget(kind)
  }

  /** The stream goes on with these roots. */
  told(watch: readonly WatchEntry[]): void {
    const here = new Map(watch.map(wishOf))
    // A root that ended by itself has lost its right.
    for (const kind of this.#here.keys()) if (!here.has(kind) && this.#asked.has(kind)) this.#forget(kind)
    this.#here = here
  }

  refused(root: string): void {
    this.#forget(kindIn(root))
  }

  ready(): void {
    this.#held = new Map(this.#here)
  }

  #forget(kind: string): void {
    if (this.#wanted.get(kind) === this.#asked.get(kind)) this.#wanted.delete(kind)
    this.#asked.delete(kind)
  }
}

function rootOf(kind: string): string {
  return `${KINDS}?{"kind":"${kind}"}`
}

function kindIn(root: string): string {
  return JSON.parse(root.slice(root.indexOf('?') + 1)).kind
}

function entryOf([kind, limit]: Wish): WatchEntry {
  return limit === WINDOW ? rootOf(kind) : { root: rootOf(kind), limit }
}

function wishOf(entry: WatchEntry): Wish {
  return typeof entry === 'string' ? [kindIn(entry), WINDOW] : [kindIn(entry.root), entry.limit]
}
