import type { Document, Json, Model } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { canonical } from '../../lib/model/json.ts'
import { parseData } from '../../lib/protocol/decode.ts'
import type { Standing } from './people.ts'
import { brief, type Reality, type Track, textOf } from './reality.ts'
import type { Roots, StoreName } from './roots.ts'

/** Every hidden value begins with this, and no name does. */
export const HIDDEN = 'hidden-'

interface Sight {
  root: string
  text: string
  /** What made it be shown: a payload begins anew, anything else must lead on. */
  cause: string
  standing: Standing
}

/** What a client shows of all roots of one adapter at once. */
interface Scene {
  store: StoreName
  texts: ReadonlyMap<string, string>
  /** A payload was among what made it be shown, so that it may lie before the last one. */
  anew: boolean
  standing: Standing
}

interface Mention {
  root: string
  key: string
  standing: Standing
}

/** Keeps what one client was sent and has shown, until it can be held against what the source really had. */
export class Witness {
  readonly #roots: Roots
  readonly #shown = new Map<string, string>()
  readonly #sights: Sight[] = []
  readonly #scenes: Scene[] = []
  readonly #mentions: Mention[] = []
  /** The roots of which something was heard that was not seen yet, and whether a payload was among it. */
  readonly #due = new Map<string, { anew: boolean }>()
  /** The roots that failed since the last `ready`: the others went on without them. */
  readonly #failed = new Set<string>()
  /** The earliest state of the source that the client can have come to, by root. */
  readonly #progress = new Map<string, number>()
  /** The same for all roots of one adapter together. */
  readonly #progressOfAll = new Map<StoreName, number>()
  readonly #texts = new WeakMap<Document, string>()
  /** The last events that came, for reports. */
  readonly log: string[] = []
  #fault: string | undefined

  constructor(roots: Roots) {
    this.#roots = roots
  }

  /** An event as it came over the wire. */
  heard(name: string, data: string, id: string | undefined, standing: Standing): void {
    this.log.push(brief(`${id === undefined ? '' : `[${id}] `}${name} ${data}`))
    if (this.log.length > 15) this.log.shift()
    if (data.includes(HIDDEN)) this.#fault ??= `was sent what its manifest hides: ${name} ${data}`
    if (name === 'ready') this.#failed.clear()
    if (name !== 'delta' && name !== 'payload' && name !== 'error') return
    const { root, oplist = [] } = parseData(name, data) as { root: string; oplist?: { id: Json }[] }
    if (name === 'error') this.#failed.add(root)
    else this.#due.set(root, { anew: name === 'payload' || this.#due.get(root)?.anew === true })
    for (const operation of oplist) this.#mentions.push({ root, key: idKey(operation.id), standing })
  }

  /**
   * What the client shows after an event of a root. `together` says that the client shows all roots of one adapter as of
   * one moment, as one that knows `more` does from its first `ready` on.
   */
  saw(model: Model, cause: string, root: string | undefined, standing: Standing, together: boolean): void {
    const stores = new Map<StoreName, boolean>()
    for (const [name, documents] of Object.entries(model)) {
      const texts = documents.map((document) => this.#textOf(document))
      const text = textOf(texts, this.#roots[name]?.first !== undefined)
      const due = this.#due.get(name)
      if (text === this.#shown.get(name) && !(due?.anew && name === root)) continue
      if (name !== root && !due) this.#fault ??= `shows another ${name} after a ${cause} of ${root}: ${text}`
      this.#due.delete(name)
      this.#shown.set(name, text)
      this.#sights.push({ root: name, text, cause: due?.anew ? 'payload' : cause, standing })
      const { store, callbacks } = this.#roots[name] ?? {}
      if (store && !callbacks) stores.set(store, due?.anew === true || stores.get(store) === true)
    }
    if (!together) return
    for (const [store, anew] of stores)
      this.#scenes.push({ store, texts: this.#textsOf(store), anew, standing })
  }

  /** What was wrong with what came since the last time, in a sentence. */
  judge(reality: Reality): string | undefined {
    for (const { root, key, standing } of this.#mentions.splice(0)) {
      const tracks = standing.identities.flatMap((identity) => reality.tracks(root, identity))
      if (!tracks.some(({ ids }) => ids.has(key)))
        this.#fault ??= `was told of ${key} in ${root}, which never matched`
    }
    for (const sight of this.#sights.splice(0)) {
      const tracks = sight.standing.identities.flatMap((identity) => reality.tracks(sight.root, identity))
      if (!this.#leadsOn(sight, tracks)) this.#fault ??= faultOf(sight, tracks)
    }
    for (const scene of this.#scenes.splice(0)) {
      const { store, texts, anew, standing } = scene
      const before = anew ? 0 : (this.#progressOfAll.get(store) ?? 0)
      const states = standing.identities.map((identity) => reality.common(texts, identity, before))
      const state = Math.min(...states)
      if (state === Number.POSITIVE_INFINITY) this.#fault ??= tornIn(scene)
      this.#progressOfAll.set(store, state === Number.POSITIVE_INFINITY ? 0 : state)
    }
    return this.#fault
  }

  /**
   * Whether a sight is what a view really showed, no earlier than where the client was. States are counted over
   * all views: a client whose rights changed may have seen an image by either, and the earlier one counts.
   */
  #leadsOn({ root, text, cause }: Sight, tracks: readonly Track[]): boolean {
    const before = cause === 'payload' ? 0 : (this.#progress.get(root) ?? 0)
    const state = Math.min(...tracks.map((track) => track.find(text, before)))
    this.#progress.set(root, state === Number.POSITIVE_INFINITY ? 0 : state)
    return state !== Number.POSITIVE_INFINITY
  }

  /** What is shown of the roots of a store. The roots of callbacks are an adapter each. */
  #textsOf(store: StoreName): ReadonlyMap<string, string> {
    const all = [...this.#shown].filter(([name]) => {
      const root = this.#roots[name]
      return root?.store === store && !root.callbacks && !this.#failed.has(name)
    })
    return new Map(all)
  }

  #textOf(document: Document): string {
    let text = this.#texts.get(document)
    if (text === undefined) {
      text = canonical(document as Json)
      this.#texts.set(document, text)
    }
    return text
  }
}

function tornIn({ store, texts }: Scene): string {
  const all = [...texts].map(([root, text]) => `${root}: ${text}`).join('\n    ')
  return brief(`showed roots of ${store} at once that never were at once:\n    ${all}`)
}

function faultOf({ root, text, cause }: Sight, tracks: readonly Track[]): string {
  const back = tracks.some(({ texts }) => texts.includes(text))
  const could = tracks.flatMap(({ texts }) => texts.slice(-6)).join('\n    ')
  return brief(
    `after a ${cause} ${back ? 'went back in' : 'showed what never was in'} ${root}:\n    ${text}\n  where it could be\n    ${could}`,
  )
}
