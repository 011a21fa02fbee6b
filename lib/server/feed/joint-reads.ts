import type { Document } from '../../model/document.ts'
import { formOf, JointIndex, joinQueries, type QueryForm } from '../../policy/joint-query.ts'
import type { Adapter, EachBatch, Query, Reading } from '../../source/source.ts'

/** Limits the reads that share one query. */
const MAX_READS = 32
/** Limits the values that one shared query accepts, over all fields. */
const MAX_VALUES = 1_000
/** Limits the documents that one shared query finds. The more a view has, the fewer views share its query. */
const MAX_DOCUMENTS = 1_000
/** Limits the forms whose sizes are kept. */
const MAX_FORMS = 100

/** Describes a read that waits for other reads of the same form. */
interface Waiting {
  readonly form: QueryForm
  readonly collection: string
  readonly query: Query
  readonly matches: (document: Document) => boolean
  readonly each: EachBatch
  /** The documents that a joint read has found. */
  readonly found: Document[]
  readonly resolve: (reading: Reading | Promise<Reading>) => void
  readonly reject: (error: unknown) => void
}

/** Holds the reads of one form that begin in one turn of the event loop. */
type Group = [Waiting, ...Waiting[]]

/** Ends a joint read that finds more than {@link MAX_DOCUMENTS}. */
class TooManyDocuments extends Error {}

/**
 * Reads the documents of views. Joins reads that begin in the same turn of the event loop, if their queries
 * differ only in the values that they require of fields: a query costs a driver more than the few documents
 * of a view. Does not join reads of a source within this process, because joining costs more than such a
 * query.
 *
 * A view does not wait for many documents of other views. A joint read ends after {@link MAX_DOCUMENTS}, and
 * each view is then read alone. The same happens after a failure.
 */
export class JointReads {
  readonly #adapter: Pick<Adapter, 'read' | 'inProcess'>
  /** The reads that have not begun, by collection and form. */
  readonly #waiting = new Map<string, Group>()
  /** The number of a view's documents in the last read of a form, by collection and form. */
  readonly #sizes = new Map<string, number>()

  constructor(adapter: Pick<Adapter, 'read' | 'inProcess'>) {
    this.#adapter = adapter
  }

  /**
   * Reads as {@link Adapter.read} does.
   *
   * @param matches tests a document by the query; undefined if the query matches all documents
   */
  read(
    collection: string,
    query: Query,
    matches: ((document: Document) => boolean) | undefined,
    each: EachBatch,
  ): Promise<Reading> {
    const form = this.#adapter.inProcess ? undefined : formOf(query)
    if (!matches || !form || form.weight > MAX_VALUES) return this.#adapter.read(collection, query, each)
    return new Promise((resolve, reject) => {
      const waiting = { form, collection, query, matches, each, found: [], resolve, reject }
      const key = JSON.stringify([collection, form.text])
      // Starts after the promises of this turn, because views that open together have asked by then.
      if (this.#waiting.size === 0) queueMicrotask(() => process.nextTick(() => this.#start()))
      const group = this.#waiting.get(key)
      if (group) group.push(waiting)
      else this.#waiting.set(key, [waiting])
    })
  }

  #start(): void {
    const groups = [...this.#waiting]
    this.#waiting.clear()
    for (const [key, waiting] of groups) {
      for (const group of this.#parted(key, waiting)) {
        if (group.length === 1) this.#readAlone(key, group[0])
        else void this.#readJointly(key, group)
      }
    }
  }

  /** Splits the reads of one form into groups that stay within the limits of one query. */
  #parted(key: string, waiting: Group): Group[] {
    const most = Math.min(MAX_READS, MAX_DOCUMENTS / (this.#sizes.get(key) ?? 1))
    const groups: Group[] = []
    let values = 0
    for (const read of waiting) {
      const group = groups.at(-1)
      values += read.form.weight
      if (group && group.length + 1 <= most && values <= MAX_VALUES) group.push(read)
      else {
        groups.push([read])
        values = read.form.weight
      }
    }
    return groups
  }

  #readAlone(key: string, { collection, query, each, resolve, reject }: Waiting): void {
    let documents = 0
    const count: EachBatch = (batch) => {
      documents += batch.length
      return each(batch)
    }
    this.#adapter.read(collection, query, count).then((reading) => {
      this.#note(key, documents)
      resolve(reading)
    }, reject)
  }

  async #readJointly(key: string, group: Group): Promise<void> {
    const [{ collection }] = group
    const { query, field } = joinQueries(group.map(({ form }) => form) as [QueryForm, ...QueryForm[]])
    const index = new JointIndex<Waiting>(field)
    for (const read of group) index.add(read, read.form)
    let documents = 0
    const assign = (batch: readonly Document[]) => {
      documents += batch.length
      if (documents > MAX_DOCUMENTS) throw new TooManyDocuments()
      for (const document of batch) {
        for (const read of index.of(document)) if (read.matches(document)) read.found.push(document)
      }
    }
    let reading: Reading
    try {
      reading = await this.#adapter.read(collection, query, assign)
    } catch {
      // Ignores the error, because each view is read alone next, and reports its own failure.
      if (documents > MAX_DOCUMENTS) this.#note(key, (2 * documents) / group.length)
      for (const read of group) this.#readAlone(key, read)
      return
    }
    this.#note(key, documents / group.length)
    for (const { found, each, resolve, reject } of group) {
      const taken = async () => {
        if (found.length > 0) await each(found)
        return reading
      }
      taken().then(resolve, reject)
    }
  }

  /** Keeps the number of documents of a form's view, to size the groups of the next reads. */
  #note(key: string, documents: number): void {
    this.#sizes.delete(key)
    this.#sizes.set(key, Math.max(1, documents))
    if (this.#sizes.size <= MAX_FORMS) return
    for (const oldest of this.#sizes.keys()) {
      this.#sizes.delete(oldest)
      break
    }
  }
}
