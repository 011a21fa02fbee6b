import { applyDelta } from '../../lib/model/delta.ts'
import type { Document, Model } from '../../lib/model/document.ts'
import type { Delta } from '../../lib/model/operation.ts'

/** Keeps a model by the events of a stream: a payload shows with its last part. */
export class ModelReader {
  readonly model: Model = {}
  readonly #parts: Model = {}

  /** @param data of the event; a payload's and a delta's change the model */
  take(name: string, data: unknown): void {
    if (name === 'delta') applyDelta(this.model, data as Delta)
    if (name !== 'payload') return
    const part = data as { root: string; data: Document[]; part: number; last: boolean }
    const parts = [...(part.part === 0 ? [] : (this.#parts[part.root] ?? [])), ...part.data]
    this.#parts[part.root] = parts
    if (part.last) this.model[part.root] = parts
  }
}
