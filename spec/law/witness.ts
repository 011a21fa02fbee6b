import type { Document, Json, Model } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { canonical } from '../../lib/model/json.ts'
import { type Reality, type Track, textOf } from './reality.ts'
import type { Identity } from './roots.ts'

/** Every hidden value begins with this, and no name does. */
export const HIDDEN = 'hidden-'

interface Sight {
  root: string
  text: string
  /** What made it be shown: a payload begins anew, anything else must lead on. */
  cause: string
  identity: Identity
}

interface Mention {
  root: string
  key: string
  identity: Identity
}

/** A text for reports: long values are cut. */
export function brief(text: string): string {
  return text.replaceAll(/~{5,}/g, '~~~')
}

/** Keeps what one client was sent and has shown, until it can be held against what the source really had. */
export class Witness {
  readonly #shown = new Map<string, string>()
  readonly #sights: Sight[] = []
  readonly #mentions: Mention[] = []
  /** How far in each view's images the client has come, by root. */
  readonly #progress = new Map<string, Map<Track, number>>()
  readonly #texts = new WeakMap<Document, string>()
  /** The last events that came, for reports. */
  readonly log: string[] = []
  #fault: string | undefined

  /** An event as it came over the wire. */
  heard(name: string, data: string, id: string | undefined, identity: Identity): void {
    this.log.push(brief(`${id === undefined ? '' : `[${id}] `}${name} ${data}`))
    if (this.log.length > 15) this.log.shift()
    if (data.includes(HIDDEN)) this.#fault ??= `was sent what its manifest hides: ${name} ${data}`
    if (name !== 'delta') return
    const { root, oplist } = JSON.parse(data) as { root: string; oplist: { id: Json }[] }
    for (const operation of oplist) this.#mentions.push({ root, key: idKey(operation.id), identity })
  }

  /** What the client shows after an event of a root. */
  saw(model: Model, cause: string, root: string | undefined, identity: Identity): void {
    for (const [name, documents] of Object.entries(model)) {
      const text = textOf(documents.map((document) => this.#textOf(document)))
      if (text === this.#shown.get(name) && !(name === root && cause === 'payload')) continue
      if (name !== root) this.#fault ??= `shows another ${name} after a ${cause} of ${root}: ${text}`
      this.#shown.set(name, text)
      this.#sights.push({ root: name, text, cause, identity })
    }
  }

  /** What was wrong with what came since the last time, in a sentence. */
  judge(reality: Reality): string | undefined {
    for (const { root, key, identity } of this.#mentions.splice(0)) {
      if (!reality.track(root, identity).ids.has(key))
        this.#fault ??= `was told of ${key} in ${root}, which never matched`
    }
    for (const { root, text, cause, identity } of this.#sights.splice(0)) {
      const track = reality.track(root, identity)
      const progress = cause === 'payload' ? new Map<Track, number>() : this.#progress.get(root)
      const at = track.texts.indexOf(text, progress?.get(track) ?? 0)
      this.#progress.set(root, new Map([[track, at]]))
      if (at >= 0) continue
      const back = track.texts.includes(text)
      this.#fault ??= `after a ${cause} ${back ? 'went back in' : 'showed what never was in'} ${root}:\n    ${brief(text)}\n  where it could be\n    ${brief(track.texts.slice(-6).join('\n    '))}`
    }
    return this.#fault
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
