import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import type { Log } from '../feed/log.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { operationsAfter } from '../view/later-entries.ts'
import { isCompact, type Parts, PartsWriter, parsePart } from '../view/parts.ts'
import { documentsOf, loadSnapshot, type Snapshot } from '../view/snapshot.ts'
import type { View } from '../view/view.ts'

/**
 * Brings the snapshots of views to the present. A new client gets the current documents only, since it may
 * not have had the right to see overwritten or removed ones. Clients that come at once share one snapshot.
 * Clients that come during the work share the next one.
 */
export class CurrentSnapshots {
  readonly #log: Log
  readonly #bringing = new WeakMap<View, Promise<Snapshot | undefined>>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Returns the parts of a snapshot that contains all present entries, if one is at hand. */
  atHand({ atHand }: View): readonly Buffer[] | undefined {
    return atHand && atHand.sequence >= this.#log.head ? atHand.parts : undefined
  }

  /**
   * Returns a snapshot of a view that contains all present entries. Rejects when the source can't be read.
   */
  async of(view: View): Promise<Snapshot> {
    const { head } = this.#log
    for (;;) {
      const { atHand } = view
      const snapshot = atHand ?? (await view.snapshot())
      const isLate = snapshot.sequence < head
      // Brings a new snapshot up too, if the log still can: very many changes may arrive during a slow read.
      const isBehind = !atHand && snapshot.sequence < this.#log.head && view.resumes(snapshot.sequence)
      if (!isLate && !isBehind) return snapshot
      const brought = await this.#bring(view, snapshot)
      if (brought && brought.sequence >= head && view.atHand === brought) return brought
      if (!isLate && !brought) return snapshot
    }
  }

  #bring(view: View, snapshot: Snapshot): Promise<Snapshot | undefined> {
    const running = this.#bringing.get(view)
    if (running) return running
    const bringing = this.#brought(view, snapshot)
    this.#bringing.set(view, bringing)
    void bringing.then(() => this.#bringing.delete(view))
    return bringing
  }

  /** Replaces the view's snapshot by one at the log's head. Removes it when the source must be read again. */
  async #brought(view: View, snapshot: Snapshot): Promise<Snapshot | undefined> {
    let brought: Snapshot | undefined
    try {
      brought = view.window?.whole
        ? await loadSnapshot(view, this.#log, this.#log.head, () => false)
        : await this.#applied(view, snapshot)
    } catch {
      // Ignores an operation that doesn't fit. The view has reported the error.
    }
    view.replace(snapshot, brought)
    return brought
  }

  /** Applies the later entries to a snapshot. */
  async #applied(view: View, snapshot: Snapshot): Promise<Snapshot | undefined> {
    if (!view.resumes(snapshot.sequence)) return undefined
    const sequence = this.#log.head
    const oplist = operationsAfter(view, this.#log, snapshot.sequence)
    if (!oplist) return undefined
    if (oplist.length === 0) return { ...snapshot, sequence }
    const parts = view.sortLimit
      ? await ordered(view.root, snapshot, oplist)
      : await unordered(view.root, snapshot, oplist)
    if (!isCompact(parts)) return undefined
    const documents = parts.keys.reduce((sum, { length }) => sum + length, 0)
    return { ...snapshot, ...parts, sequence, documents }
  }
}

/**
 * Applies operations to unordered documents, each found by its id. Encodes only the events with a changed
 * document, and the last event.
 */
async function unordered(
  root: string,
  { parts, keys }: Parts,
  oplist: readonly DocumentOperation[],
): Promise<Parts> {
  const operations = new Map<string, DocumentOperation[]>()
  for (const operation of oplist) {
    const key = idKey(operation.id)
    const list = operations.get(key)
    if (list) list.push(operation)
    else operations.set(key, [operation])
  }
  const after = (key: string, documents: Document[]) => {
    const list = new DocumentList(documents)
    list.apply(operations.get(key) ?? [])
    operations.delete(key)
    return list.list[0]
  }
  const writer = new PartsWriter(root, new Date().toISOString())
  const turn = timeSlicer(1)
  for (const [number, part] of parts.entries()) {
    const present = keys[number] ?? []
    const last = number === parts.length - 1
    if (!last && !present.some((key) => operations.has(key))) {
      writer.addPart(part, present)
    } else {
      for (const [index, document] of parsePart(part).entries()) {
        const key = present[index] ?? ''
        const next = operations.has(key) ? after(key, [document]) : document
        // Keeps one event for one, since the following events contain their numbers.
        if (next) writer.add(key, JSON.stringify(next), last)
      }
      if (!last) writer.endPart()
    }
    const pause = turn()
    if (pause) await pause
  }
  for (const key of [...operations.keys()]) {
    const document = after(key, [])
    if (document) writer.add(key, JSON.stringify(document))
  }
  return writer.end()
}

/** Applies operations that move documents to ordered documents. */
async function ordered(root: string, before: Snapshot, oplist: readonly DocumentOperation[]): Promise<Parts> {
  const list = new DocumentList([...(await documentsOf(before)).values()])
  list.apply(oplist)
  const writer = new PartsWriter(root, new Date().toISOString())
  const turn = timeSlicer()
  for (const document of list.list) {
    writer.add(idKey(document._id ?? null), JSON.stringify(document))
    const pause = turn()
    if (pause) await pause
  }
  return writer.end()
}
