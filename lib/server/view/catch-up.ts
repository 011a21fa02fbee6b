import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { wireOperation } from '../../protocol/messages.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import type { Log } from '../feed/log.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { differenceOf, knownBefore, ordered, recallOf, type ViewDigest } from './difference.ts'
import { documentsOf, type Snapshot } from './snapshot.ts'
import type { View } from './view.ts'

/** One delta that leads clients over what can't be replayed to them. */
export interface CatchUp {
  /** Nothing where the client has it all. */
  readonly body: Buffer | undefined
  /** All entries up to here are in it. */
  readonly sequence: number
  /** What it tells is no older than this. */
  readonly since: number
}

/** Up to so many bytes a difference is sent even if the payload would be shorter. */
const SMALL = 65_536

/** Makes differences out of snapshots; those who need the same one share it. */
export class CatchUps {
  readonly #log: Log
  /**
   * The snapshot of each view that was parsed last, with its events: where nothing has happened, one that was
   * brought to the present has the same.
   */
  readonly #documents = new Map<View, { parts: Snapshot['parts']; parsed: Promise<Map<string, Document>> }>()
  readonly #differences = new WeakMap<ViewDigest, Map<View, Promise<CatchUp | undefined>>>()

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * From what clients hold to what the view shows now. Undefined where a payload is shorter. Rejects when the
   * source can't be read.
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
        // Who was granted the view only now is not to be told what was there when others were.
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
   * From the point at which clients held the view to what it shows now. Undefined where it can't be told what
   * they held.
   */
  async fromSequence(view: View, sequence: number): Promise<CatchUp | undefined> {
    // A snapshot may take its time, and what happened must not grow too old meanwhile.
    const pin = this.#log.pin(sequence)
    try {
      return await this.#cross(view, (documents) => {
        if (!view.reaches(sequence)) return undefined
        const entries = [...this.#log.after(sequence, view.feed)]
        if (view.window) {
          // What was touched does not tell which documents came and went at the end of the first ones: it is
          // undone.
          const known = knownBefore(entries, view.collection, documents, view.window, view.filter)
          return known && leading(view, known, documents)
        }
        return view.sortLimit ? undefined : recallOf(entries, view.collection, documents, view.filter)
      })
    } finally {
      pin.release()
    }
  }

  /** Lets go of what was parsed. */
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
      // Who has just got the right to a view is to see what is there now, and nothing of what was there when
      // the snapshot was read.
      const { head } = this.#log
      const documents = this.#brought(view, read, snapshot.sequence)
      const operations = documents && (await lead(documents))
      if (!operations) return undefined
      const most = Math.max(
        SMALL,
        snapshot.parts.reduce((sum, part) => sum + part.length, 0),
      )
      const texts = await encodeOperations(operations, most)
      if (!texts) return undefined
      if (!view.resumes(head)) continue
      // What followed meanwhile goes along.
      let timestamp = new Date().toISOString()
      for (const entry of this.#log.after(head, view.feed)) {
        const shown = view.frame(entry)
        if (shown === MUST_RELOAD) return undefined
        if (!shown) continue
        for (const operation of shown.oplist) texts.push(JSON.stringify(wireOperation(operation)))
        timestamp = shown.timestamp
      }
      const sequence = this.#log.head
      if (texts.length === 0) return { body: undefined, sequence, since: head }
      const data = `{"root":${JSON.stringify(view.root)},"timestamp":${JSON.stringify(timestamp)},"oplist":[${texts.join(',')}]}`
      const body = Buffer.from(`event: delta\ndata: ${data}\n\n`)
      return body.length > most ? undefined : { body, sequence, since: head }
    }
  }

  /** Whether anything of a view happened after a sequence, up to another one. */
  #touched(view: View, after: number, to: number): boolean {
    for (const entry of this.#log.after(after, view.feed)) {
      if (entry.sequence > to) return false
      if (view.frame(entry)) return true
    }
    return false
  }

  /** The documents of a snapshot as they are at the log's head; undefined where that can't be told. */
  #brought(
    view: View,
    documents: Map<string, Document>,
    sequence: number,
  ): Map<string, Document> | undefined {
    const oplist: DocumentOperation[] = []
    for (const entry of this.#log.after(sequence, view.feed)) {
      const shown = view.frame(entry)
      if (shown === MUST_RELOAD) return undefined
      for (const operation of shown?.oplist ?? []) oplist.push(operation)
    }
    return oplist.length === 0 ? documents : applied(documents, oplist, view.sortLimit !== undefined)
  }

  #documentsOf(view: View, snapshot: Snapshot): Promise<Map<string, Document>> {
    const last = this.#documents.get(view)
    if (last?.parts === snapshot.parts) return last.parsed
    const parsed = documentsOf(snapshot)
    this.#documents.set(view, { parts: snapshot.parts, parsed })
    return parsed
  }
}

/** Documents after operations; in their order, where that counts. */
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
 * The operations that lead from what is known to the documents of a view, and to their order where it has
 * one.
 */
async function leading(
  view: View,
  known: ViewDigest,
  documents: ReadonlyMap<string, Document>,
): Promise<DocumentOperation[]> {
  const operations = await differenceOf(known, documents)
  return view.sortLimit ? ordered(operations, known, documents) : operations
}

/** The texts of operations; undefined once they are longer than that. */
async function encodeOperations(
  operations: readonly DocumentOperation[],
  most: number,
): Promise<string[] | undefined> {
  const texts: string[] = []
  let size = 0
  const turn = timeSlicer()
  for (const operation of operations) {
    const text = JSON.stringify(wireOperation(operation))
    size += text.length
    if (size > most) return undefined
    texts.push(text)
    await turn()
  }
  return texts
}
