import type { Document, Json, Model } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { canonical } from '../../lib/model/json.ts'
import type { Standing } from './people.ts'
import { brief, type Reality, type Track, textOf } from './reality.ts'
import type { Roots } from './roots.ts'

/** Every hidden value begins with this, and no name does. */
export const HIDDEN = 'hidden-'

interface Sight {
  root: string
  text: string
  /** What made it be shown: a payload begins anew, anything else must lead on. */
  cause: string
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
  readonly #mentions: Mention[] = []
  /** The earliest state of the source that the client can have come to, by root. */
  readonly #progress = new Map<string, number>()
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
    if (name !== 'delta') return
    const { root, oplist } = JSON.parse(data) as { root: string; oplist: { id: Json }[] }
    for (const operation of oplist) this.#mentions.push({ root, key: idKey(operation.id), standing })
  }

  /** What the client shows after an event of a root. */
  saw(model: Model, cause: string, root: string | undefined, standing: Standing): void {
    for (const [name, documents] of Object.entries(model)) {
      const texts = documents.map((document) => this.#textOf(document))
      const text = textOf(texts, this.#roots[name]?.first !== undefined)
      if (text === this.#shown.get(name) && !(name === root && cause === 'payload')) continue
      if (name !== root) this.#fault ??= `shows another ${name} after a ${cause} of ${root}: ${text}`
      this.#shown.set(name, text)
      this.#sights.push({ root: name, text, cause, standing })
    }
  }

  /** What was wrong with what came since the last time, in a sentence. */
  judge(reality: Reality): string | undefined {
    for (const { root, key, standing } of this.#mentions.splice(0)) {
      const tracks = standing.identities.map((identity) => reality.track(root, identity))
      if (!tracks.some(({ ids }) => ids.has(key)))
        this.#fault ??= `was told of ${key} in ${root}, which never matched`
    }
    for (const sight of this.#sights.splice(0)) {
      const tracks = sight.standing.identities.map((identity) => reality.track(sight.root, identity))
      if (!this.#leadsOn(sight, tracks)) this.#fault ??= faultOf(sight, tracks)
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

  #textOf(document: Document): string {
    let text = this.#texts.get(document)
    if (text === undefined) {
      text = canonical(document as Json)
      this.#texts.set(document, text)
    }
    return text
  }
}

function faultOf({ root, text, cause }: Sight, tracks: readonly Track[]): string {
  const back = tracks.some(({ texts }) => texts.includes(text))
  const could = tracks.flatMap(({ texts }) => texts.slice(-6)).join('\n    ')
  return brief(
    `after a ${cause} ${back ? 'went back in' : 'showed what never was in'} ${root}:\n    ${text}\n  where it could be\n    ${could}`,
  )
}
