import { ParticleError } from '../../errors.ts'
import { applyToCopy } from '../../model/apply.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { hideFields } from '../../policy/fields.ts'
import type { DocumentChange, Reading } from '../../source/source.ts'
import { documentAfter } from '../feed/change.ts'
import { beginOf, type Log } from '../feed/log.ts'
import { FewMap } from '../support/few-map.ts'
import { timeSlicer, turnstile } from '../support/scheduling.ts'
import type { ViewFilter } from './filter.ts'
import type { Digests } from './members.ts'
import * as arrangement from './ordered-filter.ts'
import { type Parts, PartsWriter, parsePart } from './parts.ts'
import { SortedWindow } from './sorted-window.ts'
import { TopK } from './top-k.ts'
import type { ViewSpec } from './view-spec.ts'

/** Holds a view's documents at one point of the process's order, filtered and encoded. */
export interface Snapshot extends Parts {
  /** The sequence of the last entry in the documents. */
  readonly sequence: number
  /** The number of documents. */
  readonly documents: number
  /**
   * The keys of the documents' ids, with a digest of each document. The view takes this map over and keeps it
   * current.
   */
  readonly members: Digests
  /** The first documents of an ordered view that had no window. The view takes this window over. */
  readonly window?: SortedWindow
}

/** The parts of a view that a read needs. */
interface Read extends Omit<ViewSpec, 'key' | 'sample' | 'manifest' | 'matches'> {
  readonly filter: ViewFilter
  /** The first documents of an ordered view, if they are known. */
  readonly window: SortedWindow | undefined
}

/** The size of the texts that are encoded before the clock is read, in bytes. */
const STEP_SIZE = 4 * 1024

/**
 * Lets the loads of all views begin some at a time, where many begin at once. Those that pass in one turn may
 * share a query: see `JointReads`.
 */
export const loads = turnstile()

/** Documents by the keys of their ids. */
type Documents = Map<string, Document>

/** Builds the documents of a snapshot from a read and the changes during it. */
interface SnapshotBuilder {
  add(documents: readonly Document[]): void | Promise<void>
  /**
   * Ends the documents of the source. Only changes follow.
   *
   * @param hasChanges whether any change follows
   */
  endOfRead(hasChanges: boolean): void | Promise<void>
  /** Applies a change. Returns false when the change doesn't tell enough. */
  apply(change: DocumentChange): boolean
  /** Returns the visible documents in order; undefined when too few are known. */
  build(): { documents: readonly Document[]; window?: SortedWindow } | undefined
}

/**
 * Reads a view's snapshot so that it meets the log exactly. Applies the changes between the begin and the end
 * of the read to the documents, before it filters them. The log keeps all entries after `pinned` meanwhile.
 *
 * Resolves to undefined when the view was reloaded meanwhile, its collection was replaced, or more documents
 * must be read. The caller then reads again, with `attempt` counted from 0.
 */
export async function loadSnapshot(
  view: Read,
  log: Log,
  pinned: number,
  stale: () => boolean,
  attempt = 0,
): Promise<Snapshot | undefined> {
  const { feed, window } = view
  if (window?.whole) {
    const sequence = log.head
    const documents = window.visible.map(({ document }) => document)
    return { sequence, ...(await encodeParts(view, documents, now())) }
  }
  const top =
    view.sortLimit && view.sortLimit.limit < Number.POSITIVE_INFINITY
      ? new TopK(view.sortLimit, attempt)
      : undefined
  const builder = top ? buildFirst(view, top) : buildAll(view)
  const put = (documents: readonly Document[]) => builder.add(documents)
  const reading: Reading = top
    ? await feed.adapter.read(view.collection, view.query, put, top.options)
    : await feed.reads.read(view.collection, view.query, view.filter.matches, put)
  // Waits for the changes up to the end of the read. A closed feed would never reach it.
  if (!stale()) await feed.reached(reading.to)
  if (stale()) return undefined

  const indexing = builder.endOfRead(hasChanges(view, log, pinned))
  if (indexing) await indexing
  if (stale()) return undefined
  let sequence = log.head
  for (let at = pinned + 1; at <= log.head; at++) {
    const entry = log.at(at)
    if (!entry || entry.feed !== feed) continue
    const begin = beginOf(entry)
    // Ends the snapshot before the first entry that began after the read. An earlier entry is applied as a
    // whole, since the documents may hold a part of it.
    if (begin !== undefined && feed.adapter.compare(begin, reading.to) > 0) {
      sequence = at - 1
      break
    }
    for (const change of entry.changesOf(view.collection)) {
      if (change.kind === 'clear' || change.kind === 'reload') return undefined
      if (feed.adapter.compare(change.position, reading.from) > 0 && !builder.apply(change)) return undefined
    }
  }
  const end = builder.build()
  if (!end) return undefined
  view.filter.sample?.(end.documents, reading, view.query)
  const encoded = await encodeParts(view, end.documents, reading.timestamp ?? now())
  return {
    sequence,
    ...encoded,
    ...(end.window && !window ? { window: end.window } : {}),
  }
}

/** Checks whether the collection of a view has changed after a sequence. */
function hasChanges({ feed, collection }: Read, log: Log, sequence: number): boolean {
  for (const entry of log.after(sequence, feed)) if (entry.countOf(collection) > 0) return true
  return false
}

/** Builds all documents of a view. */
function buildAll(view: Read): SnapshotBuilder {
  let list: Document[] = []
  const all: Documents = new Map()
  // Uses one slicer for all batches. A source may have all batches ready, and would block the event loop.
  const batchTurn = timeSlicer(1)
  const index = async () => {
    const read = list
    list = []
    const turn = timeSlicer()
    for (const document of read) {
      put(all, document)
      const pause = turn()
      if (pause) await pause
    }
  }
  return {
    add(documents) {
      for (const document of documents) list.push(document)
      refuseOver('snapshotDocuments', list.length, view)
      return batchTurn()
    },
    // Finds documents by their keys only where changes or an order need them.
    endOfRead: (hasChanges) => (hasChanges || view.sortLimit ? index() : undefined),
    apply: (change) => fold(all, change, view),
    build() {
      const documents = list.length > 0 ? list : [...all.values()]
      if (!view.sortLimit) return { documents }
      const window = new SortedWindow(view.sortLimit, documents, true)
      return {
        documents: window.visible.map(({ key, document }) => all.get(key) ?? document),
        window,
      }
    },
  }
}

/** Builds the first documents of a view. */
function buildFirst(view: Read, top: TopK): SnapshotBuilder {
  let window: SortedWindow | undefined
  return {
    add: (documents) => top.put(documents),
    endOfRead() {
      window = top.window()
    },
    apply: (change) => window !== undefined && arrangement.foldChange(window, view.filter, change),
    build() {
      if (!window || window.short) return undefined
      return { documents: window.visible.map(({ document }) => document), window }
    },
  }
}

/** Parses the documents of a snapshot, by the keys of their ids. */
export async function documentsOf(snapshot: Snapshot): Promise<Map<string, Document>> {
  const documents = new Map<string, Document>()
  const turn = timeSlicer(1)
  for (const part of snapshot.parts) {
    for (const document of parsePart(part)) documents.set(idKey(document._id ?? null), document)
    await turn()
  }
  return documents
}

function put(all: Documents, document: Document): void {
  all.set(idKey(document._id ?? null), document)
}

/** False where it takes the document to tell whether the view has it, and the source doesn't know it. */
function fold(all: Documents, change: DocumentChange, view: Read): boolean {
  const key = idKey(change.id)
  const whole = documentAfter(change)
  if (change.kind === 'delete') all.delete(key)
  else if (whole) {
    if (view.filter.matches?.(whole) === false) all.delete(key)
    else put(all, whole)
  } else {
    const verdict = view.filter.match(change)
    if (verdict === 'unknown' || (verdict === 'in' && !all.has(key))) return false
    if (verdict === 'out') {
      all.delete(key)
      return true
    }
    for (const operation of change.operations) {
      try {
        const after = applyToCopy(all.get(key), operation)
        if (after) all.set(key, after)
        else all.delete(key)
      } catch {
        // The document was read in a newer shape, which this operation doesn't fit; the change that gave it
        // that shape is folded after it.
      }
    }
  }
  return true
}

async function encodeParts(
  view: Read,
  documents: readonly Document[],
  timestamp: string,
): Promise<Parts & Pick<Snapshot, 'members' | 'documents'>> {
  const writer = new PartsWriter(view.root, timestamp)
  const digests: number[] = []
  const turn = timeSlicer(1)
  let bytes = 0
  let step = 0
  for (const document of documents) {
    const text = JSON.stringify(hideFields(view.filter.manifest, document))
    const size = writer.add(idKey(document._id ?? null), text)
    digests.push(writer.digest())
    bytes += size
    step += size
    if (step < STEP_SIZE) continue
    step = 0
    refuseOver('snapshotBytes', bytes, view)
    const pause = turn()
    if (pause) await pause
  }
  refuseOver('snapshotBytes', bytes, view)
  const parts = writer.end()
  // Fills the map at the end. The garbage collector walks a large map again and again while texts are made:
  // filling it meanwhile took a quarter of the CPU time of a snapshot.
  const members: Digests = new FewMap()
  let next = 0
  for (const keys of parts.keys) {
    members.append(keys, digests.slice(next, next + keys.length))
    next += keys.length
    const pause = turn()
    if (pause) await pause
  }
  if (members.size === documents.length) return { ...parts, members, documents: members.size }
  // Encodes again what a source has read twice, as a cursor does whose document moves meanwhile.
  const all: Documents = new Map()
  for (const document of documents) put(all, document)
  return encodeParts(view, [...all.values()], timestamp)
}

/** @throws ParticleError `LIMIT_EXCEEDED` when a view is larger than a snapshot may be */
function refuseOver(
  limit: 'snapshotDocuments' | 'snapshotBytes',
  size: number,
  { root, feed: { limits } }: Pick<ViewSpec, 'root' | 'feed'>,
): void {
  const most = limits?.[limit]
  if (most === undefined || size <= most) return
  const unit = limit === 'snapshotBytes' ? 'bytes' : 'documents'
  const what = `${root} has more than ${most} ${unit} for a client`
  const mend = `narrow its criteria or manifest, give it a limit, or raise limits.${limit}`
  throw new ParticleError('LIMIT_EXCEEDED', `${what}: ${mend}`)
}

function now(): string {
  return new Date().toISOString()
}
