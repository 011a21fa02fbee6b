import type { Document, Id, Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { matcher } from '../../policy/criteria.ts'
import { checkQuery, isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'
import { type RedisClient, send } from './client.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { READ, runScript } from './script.ts'

/** How many keys one step of a scan looks at, and how many documents are read at once. */
const SCAN_COUNT = 1000
const BATCH = 250

/**
 * Reads the documents of a collection that match a query, in batches. Redis has no queries: all keys are looked at and all documents of the collection
 * read, unless the query asks for an `_id` by equality or `$in`, whose keys are then read at once.
 */
export async function readDocuments(
  client: RedisClient,
  mapping: Mapping,
  query: Query,
  each: (documents: Document[]) => void | Promise<void>,
): Promise<void> {
  checkQuery(query, 'The query')
  const matches = Object.keys(query).length === 0 ? () => true : matcher(query)
  const ids = queriedIds(query)
  for await (const keys of ids ? [keysOf(mapping, ids)] : scan(client, mapping)) {
    for (let start = 0; start < keys.length; start += BATCH) {
      const found = await readKeys(client, mapping, keys.slice(start, start + BATCH))
      const documents = found.filter((document) => document !== undefined).filter(matches)
      if (documents.length > 0) await each(documents)
    }
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

/** All keys of a collection; each once, though SCAN may give one twice. */
async function* scan(client: RedisClient, mapping: Mapping): AsyncGenerator<string[]> {
  const seen = new Set<string>()
  let cursor = '0'
  do {
    const args = ['SCAN', cursor, 'MATCH', mapping.pattern, 'COUNT', String(SCAN_COUNT)]
    const [next, page] = (await send(client, args)) as [string, string[]]
    cursor = next
    const fresh = page.filter((key) => !seen.has(key) && mapping.idOf(key) !== undefined)
    for (const key of fresh) seen.add(key)
    yield [...new Set(fresh)]
  } while (cursor !== '0')
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
