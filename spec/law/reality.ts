import type { Document, Json, Model } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { canonical } from '../../lib/model/json.ts'
import type { Participant } from './participant.ts'
import { type Identity, imageOf, type Root, type Roots, type StoreName } from './roots.ts'

/** One document's change; without an id the whole collection went at once. */
export interface Change {
  store: StoreName
  id?: Json
  before?: Document
  after?: Document
  /** More of the same transaction follow: nobody may be shown what there is in between. */
  more?: true
}

type Documents = Map<string, Document>

/** All states that the sources ever had, from which every image is computed that a client may show. */
export class Reality {
  readonly history: Change[] = []
  readonly #now: Record<StoreName, Documents> = { first: new Map(), second: new Map() }
  readonly #tracks = new Map<string, Track>()
  readonly #roots: Roots

  constructor(roots: Roots) {
    this.#roots = roots
  }

  documents(store: StoreName): Document[] {
    return [...this.#now[store].values()]
  }

  /**
   * Takes in what a collection holds after one write, and returns the changes that led there one after the other, as the write made them: in the
   * order of the documents, new ones last. `whole` is for a write that removed all documents at once, `atOnce` for one transaction.
   */
  record(
    store: StoreName,
    documents: readonly Document[],
    { whole = false, atOnce = false }: { whole?: boolean; atOnce?: boolean } = {},
  ): Change[] {
    const now = this.#now[store]
    const after = new Map(documents.map((document) => [keyOf(document), document]))
    const changes: Change[] = []
    if (whole && now.size > 0 && after.size === 0) changes.push({ store })
    else {
      for (const [key, before] of now) {
        const id = before._id as Json
        const document = after.get(key)
        if (!document) changes.push({ store, id, before })
        else if (canonical(document as Json) !== canonical(before as Json))
          changes.push({ store, id, before, after: document })
      }
      for (const [key, document] of after)
        if (!now.has(key)) changes.push({ store, id: document._id as Json, after: document })
    }
    if (atOnce) for (const change of changes.slice(0, -1)) change.more = true
    for (const change of changes) this.history.push(change)
    // A transaction may have put a document in the place of one that it removed: the store's order counts.
    now.clear()
    for (const [key, document] of after) now.set(key, document)
    return changes
  }

  /** The images of a root for all identities that see what this one does. */
  track(name: string, identity: Identity): Track {
    const root = this.#roots[name]
    if (!root) throw new Error(`There is no root ${name}`)
    const key = `${name} ${root.view(identity)}`
    let track = this.#tracks.get(key)
    if (!track) {
      track = new Track(root, identity, this.history)
      this.#tracks.set(key, track)
    }
    track.advance()
    return track
  }

  /** The images of a root for an identity, in each window that a client may have opened. */
  tracks(name: string, identity: Identity): Track[] {
    const windows = Object.keys(this.#roots).filter((root) => root.startsWith(`${name}#`))
    return [name, ...windows].map((root) => this.track(root, identity))
  }

  /** The first state from `state` on in which all these roots showed these texts to an identity; infinity for none. */
  common(texts: ReadonlyMap<string, string>, identity: Identity, state: number): number {
    const all = [...texts].map(([root, text]) => ({ track: this.track(root, identity), text }))
    for (let from = state; ; ) {
      const to = Math.max(from, ...all.map(({ track, text }) => track.find(text, from)))
      if (to === from || to === Number.POSITIVE_INFINITY) return to
      from = to
    }
  }

  /** What of a model is not as it must be now for an identity that watches these roots. */
  wrong(model: Model, identity: Identity, watched: Participant['watched']): string | undefined {
    const refused = watched.here.filter((root) => !identity.kinds.includes(this.#roots[root]?.kind ?? ''))
    if (refused.length > 0) return `roots: ${refused} are watched without the right to them`
    const lacking = watched.wanted.filter((root) => !watched.here.includes(root))
    if (lacking.length > 0) return `roots: ${lacking} instead of ${watched.here}`
    const all = Object.keys(this.#roots).filter((root) => this.#roots[root]?.kind === undefined)
    const roots = [...all, ...watched.here].sort()
    const names = roots.map(nameOf)
    const shown = Object.keys(model).sort()
    if (shown.join() !== names.join()) return `roots: ${shown} instead of ${names}`
    for (const root of roots) {
      const texts = (model[nameOf(root)] ?? []).map((document) => canonical(document as Json))
      const text = textOf(texts, this.#roots[root]?.first !== undefined)
      const { last } = this.track(root, identity)
      if (text !== last) return brief(`${root}:\n    ${text}\n  instead of\n    ${last}`)
    }
    return undefined
  }
}

/** The name on the wire of a root in one of its windows. */
function nameOf(root: string): string {
  return root.replace(/#\d+$/, '')
}

/** The images of one view, from the beginning on. */
export class Track {
  /** The text of each image, in order; those that follow each other differ. */
  readonly texts: string[]
  /** How many changes had happened when each image began to show. */
  readonly #begins = [0]
  /** The keys of all documents that ever belonged to the view. */
  readonly ids = new Set<string>()
  readonly #root: Root
  readonly #identity: Identity
  readonly #history: readonly Change[]
  /** The documents that it may see, and the text of each one's image. */
  readonly #seen = new Map<string, { document: Document; text: string }>()
  #done = 0

  constructor(root: Root, identity: Identity, history: readonly Change[]) {
    this.#root = root
    this.#identity = identity
    this.#history = history
    this.texts = [textOf([], root.first !== undefined)]
  }

  get last(): string {
    return this.texts.at(-1) ?? ''
  }

  /** The first state from `state` on that showed a text; infinity for none. */
  find(text: string, state: number): number {
    let at = this.texts.indexOf(text)
    while (at >= 0 && (this.#begins[at + 1] ?? Number.POSITIVE_INFINITY) <= state)
      at = this.texts.indexOf(text, at + 1)
    return at < 0 ? Number.POSITIVE_INFINITY : Math.max(this.#begins[at] ?? 0, state)
  }

  advance(): void {
    const { store, manifest, sees } = this.#root
    for (; this.#done < this.#history.length; this.#done++) {
      const change = this.#history[this.#done]
      if (change?.store !== store) continue
      if (change.id === undefined) this.#seen.clear()
      else {
        const key = idKey(change.id)
        if (change.after && sees(change.after, this.#identity)) {
          const text = canonical(imageOf(manifest, change.after))
          this.#seen.set(key, { document: change.after, text })
        } else this.#seen.delete(key)
      }
      if (change.more) continue
      const text = this.#show()
      if (text === this.last) continue
      this.texts.push(text)
      this.#begins.push(this.#done + 1)
    }
  }

  #show(): string {
    const { first } = this.#root
    let seen = [...this.#seen.values()]
    if (first) seen = seen.sort((a, b) => first.compare(a.document, b.document)).slice(0, first.limit)
    for (const { document } of seen) this.ids.add(keyOf(document))
    return textOf(
      seen.map(({ text }) => text),
      first !== undefined,
    )
  }
}

/** A text for reports: long values are cut. */
export function brief(text: string): string {
  return text.replaceAll(/~{5,}/g, '~~~')
}

/** The text of a state; whatever the order of its documents, unless they have one. */
export function textOf(documents: readonly string[], ordered: boolean): string {
  return `[${(ordered ? documents : documents.toSorted()).join(', ')}]`
}

function keyOf(document: Document): string {
  return idKey(document._id as Json)
}
