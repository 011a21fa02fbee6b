import type { MongoClient } from 'mongodb'
import { applyToCopy } from '../../../lib/model/apply.ts'
import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import type {
  Adapter,
  Change,
  ChangeListener,
  EncodedListener,
  ReportedChange,
  Subscription,
} from '../../../lib/source/source.ts'

/** Listens to an adapter and keeps what it said. */
export class Recorder implements ChangeListener {
  readonly changesSeen: Change[] = []
  readonly errors: unknown[] = []
  readonly losses: { reason: string; position: string }[] = []
  position = ''
  /** Positions in the order they were told, those of changes included. */
  readonly positions: string[] = []
  #waiting: (() => void)[] = []

  changes(changes: readonly Change[], position: string): void {
    this.changesSeen.push(...changes)
    this.positions.push(...changes.map((change) => change.position))
    this.progress(position)
  }

  progress(position: string): void {
    if (this.positions.at(-1) !== position) this.positions.push(position)
    this.position = position
    for (const wake of this.#waiting.splice(0)) wake()
  }

  lost(reason: string, position: string): void {
    this.losses.push({ reason, position })
    this.progress(position)
  }

  error(error: unknown): void {
    this.errors.push(error)
  }

  /** Waits until a condition holds, looked at after each report. */
  async until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
    const end = Date.now() + timeoutMs
    while (!condition()) {
      if (Date.now() > end) throw new Error(`Nothing came in time; the last position is ${this.position}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** Waits until the adapter has come to a position. */
  async reached(adapter: Adapter, position: string): Promise<void> {
    await this.until(() => adapter.compare(this.position, position) >= 0)
  }
}

/** Takes encoded changes, and shows nobody anything but some collections. */
export class EncodedRecorder extends Recorder {
  readonly reported: ReportedChange[] = []
  readonly encoded: EncodedListener

  constructor(shown: readonly string[]) {
    super()
    this.encoded = {
      isShown: (collection) => shown.includes(collection),
      changes: (changes, position) => {
        this.reported.push(...changes)
        this.progress(position)
      },
    }
  }

  /** What the changes are once they are decoded. */
  get decoded(): Change[] {
    return this.reported.flatMap((change) => (change.kind === 'encoded' ? change.decode() : [change]))
  }
}

/** A copy of collections that is kept by changes alone. */
export class Copy {
  readonly collections = new Map<string, Map<string, Document>>()
  /** The collections that must be read again. */
  readonly reloads = new Set<string>()

  of(collection: string): Map<string, Document> {
    const documents = this.collections.get(collection) ?? new Map<string, Document>()
    this.collections.set(collection, documents)
    return documents
  }

  fill(collection: string, documents: readonly Document[]): void {
    for (const document of documents) this.of(collection).set(idKey(document._id ?? null), document)
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      const documents = this.of(change.collection)
      if (!('id' in change)) {
        documents.clear()
        if (change.kind === 'reload') this.reloads.add(change.collection)
        continue
      }
      const key = idKey(change.id)
      for (const operation of change.operations) {
        const document = applyToCopy(documents.get(key), operation)
        if (document) documents.set(key, document)
        else documents.delete(key)
      }
    }
  }

  sorted(collection: string): Document[] {
    return sorted([...this.of(collection).values()])
  }
}

/** Documents in the order of their ids. */
function sorted(documents: readonly Document[]): Document[] {
  const key = (document: Document) => idKey(document._id ?? null)
  return [...documents].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** All of a collection, by the adapter's own reading. */
export async function readAll(
  adapter: Adapter,
  collection: string,
): Promise<{ documents: Document[]; from: string; to: string }> {
  const documents: Document[] = []
  const range = await adapter.read(collection, {}, (batch) => {
    documents.push(...batch)
  })
  return { documents: sorted(documents), ...range }
}

let databases = 0

/** A database of a name that no other spec uses. */
export function freshDatabase(client: MongoClient) {
  databases += 1
  return client.db(`particle_${process.pid}_${Date.now().toString(36)}_${databases}`)
}

/** For a `before` hook: skips what needs pre-images where the server is older than MongoDB 6.0. */
export async function imagesOrSkip(context: Mocha.Context, client: MongoClient): Promise<void> {
  const { maxWireVersion } = await client.db('admin').command({ hello: 1 })
  if (maxWireVersion >= 17) return
  console.log('mongo: skipped. Pre-images need MongoDB 6.0')
  context.skip()
}

/** Closes what is open, whatever failed. */
export async function closeAll(subscriptions: Subscription[]): Promise<void> {
  await Promise.all(subscriptions.splice(0).map((subscription) => subscription.close()))
}
