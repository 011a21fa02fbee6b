import type { Document, Id, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { matcher } from '../../policy/criteria.ts'
import { checkQuery, isPlain } from '../../policy/query.ts'
import type { EachBatch, Query, ReadOptions } from '../source.ts'
import { type RedisClient, send } from './client.ts'
import { First } from './first.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { planOf } from './plan.ts'
import { Scan } from './scan.ts'
import { READ, runScript } from './script.ts'

/** The number of documents that are read by their keys, and delivered, at once. */
const BATCH = 250

/**
 * Reads the documents of a collection that match a query, in batches; with `options` the first of them. The
 * server scans all keys and leaves out documents that can't match, as far as it can test that. For a query by
 * `_id` (equality or `$in`), reads only those keys.
 */
export async function readDocuments(
  client: RedisClient,
  mapping: Mapping,
  query: Query,
  each: EachBatch,
  options?: ReadOptions,
): Promise<void> {
  checkQuery(query, 'The query')
  const matches = matcher(query)
  const first = options && Number.isFinite(options.limit) ? new First(options) : undefined
  const scan = new Scan(client, mapping, () => planOf(query, mapping, first?.bound))
  const ids = queriedIds(query)
  for await (const found of ids ? scan.keys(keysOf(mapping, ids)) : scan.all(!first)) {
    const documents = found.filter(matches)
    if (first) for (const document of documents) first.put(document)
    else if (documents.length > 0) await each(documents)
  }
  const documents = first?.documents ?? []
  for (let start = 0; start < documents.length; start += BATCH)
    await each(documents.slice(start, start + BATCH))
}

/** Returns the current documents with these ids, without missing ones. */
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

/** Reads the documents of keys, in order; `undefined` for a key without a document of the collection. */
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

/** Returns the ids that a query requires by value; `undefined` for other queries. */
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

/**
 * Checks for a value that an `_id` can equal. Excludes null, which matches only documents without an `_id`:
 * there are none.
 */
function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
