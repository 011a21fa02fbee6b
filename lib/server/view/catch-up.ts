import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { shortOperation } from '../../protocol/delta.ts'
import type { Log } from '../feed/log.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { differenceOf, knownBefore, ordered, recallOf, type ViewDigest } from './difference.ts'
import { operationsAfter } from './later-entries.ts'
import { documentsOf, type Snapshot } from './snapshot.ts'
import type { View } from './view.ts'

/** Describes one delta that brings clients up to date when the log can't be replayed. */
export interface CatchUp {
  /** The encoded event; undefined when the client is up to date. */
  readonly body: Buffer | undefined
  /** The sequence up to which the delta contains all entries. */
  readonly sequence: number
  /** The sequence of the oldest state that the delta shows. */
  readonly since: number
}

/** Limits the bytes of a delta that may be longer than the payload. */
const SMALL = 65_536

/** Computes catch-up deltas from snapshots. Clients that need the same delta share the bytes. */
export class CatchUps {
  readonly #log: Log
  /**
   * The last parsed snapshot of each view, by its events. A snapshot that was brought to the present without
   * any change has the same events.
   */
  readonly #documents = new Map<View, { parts: Snapshot['parts']; parsed: Promise<Map<string, Document>> }>()
  readonly #differences = new WeakMap<ViewDigest, Map<View, Promise<CatchUp | undefined>>>()

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * Computes the delta from the client's known documents to the present view. Returns undefined when the
   * payload is shorter. Rejects when the source can't be read.
   */
  fromKnown(view: View, known: ViewDigest): Promise<CatchUp | undefined> {
    const ofKnown = this.#differences.get(known) ?? new Map<View, Promise<CatchUp | undefined>>()
    this.#differences.set(known, ofKnown)
    const running = ofKnown.get(view)
    const { head } = this.#log
    if (running) {
      return running.then((made) => {
        if (!made || !view.resumes(made.sequence)) return undefined
        if (view.resumes(made.since) && !this.#touched(view, made.since, head)) return made
        // Computes a new delta for a client that gained access after the first one, which shows an earlier
        // state.
        if (ofKnown.get(view) === running) ofKnown.delete(view)
        return this.fromKnown(view, known)
      })
    }
    const making = this.#cross(view, (documents) => leading(view, known, documents))
    ofKnown.set(view, making)
    making.catch(() => ofKnown.delete(view))
    return making
  }

  /**
   * Computes the delta from the sequence of the client's data to the present view. Returns undefined when the
   * client's data can't be determined.
   */
  async fromSequence(view: View, sequence: number): Promise<CatchUp | undefined> {
    // Keeps the entries in the log until the snapshot is read.
    const pin = this.#log.pin(sequence)
    try {
      return await this.#cross(view, (documents) => {
        if (!view.reaches(sequence)) return undefined
        const entries = [...this.#log.after(sequence, view.feed)]
        if (view.window) {
          // Rolls the window back to the client's state. The entries alone don't tell which documents crossed
          // the window's end.
          const known = knownBefore(entries, view.collection, documents, view.window, view.filter)
          return known && leading(view, known, documents)
        }
        return view.sortLimit ? undefined : recallOf(entries, view.collection, documents, view.filter)
      })
    } finally {
      pin.release()
    }
  }

  /** Frees the parsed snapshots. */
  sweep(): void {
    this.#documents.clear()
  }

  async #cross(
    view: View,
    lead: (
      documents: Map<string, Document>,
    ) => DocumentOperation[] | undefined | Promise<DocumentOperation[]>,
  ): Promise<CatchUp | undefined> {
    for (;;) {
      const snapshot = await view.snapshot()
      const read = await this.#documentsOf(view, snapshot)
      if (!view.resumes(snapshot.sequence)) continue
      // Brings the documents to the present. A client that just gained access must see the current documents,
      // not those of the (older) snapshot.
      const { head } = this.#log
      const later = operationsAfter(view, this.#log, snapshot.sequence)
      if (!later) return undefined
      const isSame = later.length === 0
      const operations = await lead(isSame ? read : applied(read, later, view.sortLimit !== undefined))
      if (!operations) return undefined
      const most = Math.max(
        SMALL,
        snapshot.parts.reduce((sum, part) => sum + part.length, 0),
      )
      const texts = await encodeOperations(operations, most)
      if (!texts) return undefined
      if (!view.resumes(head)) continue
      // Adds the changes that arrived during the encoding.
      const latest = operationsAfter(view, this.#log, head)
      if (!latest) return undefined
      for (const operation of latest) texts.push(JSON.stringify(shortOperation(operation)))
      const sequence = this.#log.head
      if (texts.length === 0) return { body: undefined, sequence, since: head }
      const body = Buffer.from(`event: delta\ndata: [${JSON.stringify(view.root)},${texts.join(',')}]\n\n`)
      return body.length > most ? undefined : { body, sequence, since: head }
    }
  }

  /** Checks whether an entry between two sequences changed a view. */
  #touched(view: View, after: number, to: number): boolean {
    for (const entry of this.#log.after(after, view.feed)) {
      if (entry.sequence > to) return false
      if (view.frame(entry)) return true
    }
    return false
  }

  #documentsOf(view: View, snapshot: Snapshot): Promise<Map<string, Document>> {
    const last = this.#documents.get(view)
    if (last?.parts === snapshot.parts) return last.parsed
    const parsed = documentsOf(snapshot)
    this.#documents.set(view, { parts: snapshot.parts, parsed })
    return parsed
  }
}

/** Applies operations to documents, and keeps the order if `inOrder`. */
function applied(
  documents: ReadonlyMap<string, Document>,
  oplist: readonly DocumentOperation[],
  inOrder: boolean,
): Map<string, Document> {
  if (inOrder) {
    const list = new DocumentList([...documents.values()])
    list.apply(oplist)
    return new Map(list.list.map((document) => [idKey(document._id ?? null), document]))
  }
  const after = new Map(documents)
  for (const operation of oplist) {
    const key = idKey(operation.id)
    const before = after.get(key)
    const list = new DocumentList(before ? [before] : [])
    list.apply([operation])
    const [document] = list.list
    if (document) after.set(key, document)
    else after.delete(key)
  }
  return after
}

/**
 * Returns the operations that lead from the known documents to those of a view, and to their order if the
 * view is ordered.
 */
async function leading(
  view: View,
  known: ViewDigest,
  documents: ReadonlyMap<string, Document>,
): Promise<DocumentOperation[]> {
  const operations = await differenceOf(known, documents)
  return view.sortLimit ? ordered(operations, known, documents) : operations
}

/** Encodes operations. Returns undefined when the texts get longer than `most`. */
async function encodeOperations(
  operations: readonly DocumentOperation[],
  most: number,
): Promise<string[] | undefined> {
  const texts: string[] = []
  let size = 0
  const turn = timeSlicer()
  for (const operation of operations) {
    const text = JSON.stringify(shortOperation(operation))
    size += text.length
    if (size > most) return undefined
    texts.push(text)
    await turn()
  }
  return texts
}
