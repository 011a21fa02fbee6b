import type { Document, Id, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { matcher } from '../../policy/criteria.ts'
import { checkQuery, isPlain } from '../../policy/query.ts'
import type { Query, ReadOptions } from '../source.ts'
import { type RedisClient, send } from './client.ts'
import { First } from './first.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { planOf } from './plan.ts'
import { READ, runScript } from './script.ts'
import { READ_SELECTED, SCAN_SELECTED } from './selection.ts'

/** How many documents are read at once by their keys, and handed over at once. */
const BATCH = 250

/** What a script that selects gives for a key: 1 for one that it had no time for. */
type Selected = RawDocument | 1

/**
 * Reads the documents of a collection that match a query, in batches; with `options` the first of them. The server scans all keys and leaves out what
 * doesn't match as far as it can judge that. Where the query asks for an `_id` by equality or `$in`, only those keys are read.
 */
export async function readDocuments(
  client: RedisClient,
  mapping: Mapping,
  query: Query,
  each: (documents: Document[]) => void | Promise<void>,
  options?: ReadOptions,
): Promise<void> {
  checkQuery(query, 'The query')
  const matches = Object.keys(query).length === 0 ? () => true : matcher(query)
  const first = options && Number.isFinite(options.limit) ? new First(options) : undefined
  const selection = new Selection(client, mapping, () => planOf(query, mapping, first?.bound))
  const ids = queriedIds(query)
  for await (const found of ids ? selection.read(keysOf(mapping, ids)) : selection.scan(!first)) {
    const documents = found.filter(matches)
    if (first) for (const document of documents) first.put(document)
    else if (documents.length > 0) await each(documents)
  }
  const documents = first?.documents ?? []
  for (let start = 0; start < documents.length; start += BATCH)
    await each(documents.slice(start, start + BATCH))
}

/** The documents of a collection that the server holds for ones that may match. */
class Selection {
  readonly #client: RedisClient
  readonly #mapping: Mapping
  readonly #plan: () => string

  /** @param plan what is looked for from here on */
  constructor(client: RedisClient, mapping: Mapping, plan: () => string) {
    this.#client = client
    this.#mapping = mapping
    this.#plan = plan
  }

  /** Those of the whole collection; `once`: each once, though SCAN may give one twice. */
  async *scan(once: boolean): AsyncGenerator<Document[]> {
    const { pattern, prefix } = this.#mapping
    const seen = new Set<string>()
    let cursor = '0'
    do {
      const args = [cursor, pattern, prefix, this.#plan()]
      const [next, found] = (await this.#run(SCAN_SELECTED, [], args)) as [string, [string, Selected]]
      cursor = next
      const documents: Document[] = []
      const left: string[] = []
      for (let at = 0; at + 1 < found.length; at += 2) {
        const [key, raw] = [found[at] as string, found[at + 1] as Selected]
        if (seen.has(key)) continue
        if (once) seen.add(key)
        // A key that isn't UTF-8 looks like another one.
        if (raw === 1 || key.includes('\ufffd')) left.push(key)
        else documents.push(...this.#document(key, raw))
      }
      if (documents.length > 0) yield documents
      yield* this.read(left)
    } while (cursor !== '0')
  }

  /** Those of these keys. */
  async *read(keys: readonly string[]): AsyncGenerator<Document[]> {
    let left = keys
    while (left.length > 0) {
      const batch = left.slice(0, BATCH)
      const found = (await this.#run(READ_SELECTED, batch, [
        this.#mapping.prefix,
        this.#plan(),
      ])) as Selected[]
      const documents = batch.flatMap((key, index) => this.#document(key, found[index] ?? null))
      left = [...batch.filter((_, index) => found[index] === 1), ...left.slice(BATCH)]
      if (documents.length > 0) yield documents
    }
  }

  /** The document of a key, if it is one. */
  #document(key: string, raw: Selected): Document[] {
    const id = raw === 1 ? undefined : this.#mapping.idOf(key)
    const document = id === undefined ? undefined : this.#mapping.document(id, raw as RawDocument)
    return document ? [document] : []
  }

  async #run(
    script: typeof READ_SELECTED,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    return await runScript((command) => send(this.#client, command), script, keys, args)
  }
}

/** The documents with these ids as they are now; those that are gone are left out. */
export async function lookupDocuments(
  client: RedisClient,
  mapping: Mapping,
  ids: readonly Id[],
): Promise<Document[]> {
  const keys = keysOf(mapping, ids)
  const found: (Document | undefined)[] = []
  for (let start = 0; start < keys.length; start += BATCH) {
    found.push(...(await readKeys(client, mapping, keys.slice(start, start + BATCH))))
  }
  return found.filter((document) => document !== undefined)
}

/** What the keys hold, in their order; undefined for what is no document of the collection. */
async function readKeys(
  client: RedisClient,
  mapping: Mapping,
  keys: readonly string[],
): Promise<(Document | undefined)[]> {
  const raw = (await runScript((args) => send(client, args), READ, keys)) as RawDocument[]
  return keys.map((key, index) => {
    const id = mapping.idOf(key)
    return id === undefined ? undefined : mapping.document(id, raw[index] ?? null)
  })
}

function keysOf(mapping: Mapping, ids: readonly Id[]): string[] {
  return [...new Set(ids.map((id) => mapping.keyOf(id)).filter((key) => key !== undefined))]
}

/** The ids that a query asks for; undefined where it doesn't say so by values. */
function queriedIds(query: Query): Json[] | undefined {
  if (Object.hasOwn(query, '_id')) {
    const ids = idsOf(query._id)
    if (ids) return ids
  }
  if (!Array.isArray(query.$and)) return undefined
  return query.$and.map(queriedIds).find((ids) => ids !== undefined)
}

function idsOf(condition: unknown): Json[] | undefined {
  if (isScalar(condition)) return [toJson(condition)]
  if (!isPlain(condition)) return undefined
  if (Array.isArray(condition.$in))
    return condition.$in.every(isScalar) ? condition.$in.map(toJson) : undefined
  return isScalar(condition.$eq) ? [toJson(condition.$eq)] : undefined
}

/** A value that an `_id` either is or not. Null also asks for documents without one, of which there are none. */
function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
