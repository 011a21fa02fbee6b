import { walkable } from '../../model/bounds.ts'
import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import type { Operation } from '../../model/operation.ts'
import { isPathName } from '../../model/path.ts'
import { documentAfter, withKeys } from '../least.ts'
import type { Change, DocumentChange, EncodedChange } from '../source.ts'
import { jsonDocument, type Mapping } from './mapping.ts'
import { streamTimestamp } from './position.ts'

/**
 * Represents an entry of the stream, as Redis returns it: its id, and its fields and texts as a flat list.
 */
export type Entry = readonly [id: string, fields: readonly string[]]

/** Describes the change of an entry. */
export interface Translation {
  change: Change
  /**
   * The key of an entry that only names a changed key: the change has no operations yet, and the key must be
   * read.
   */
  key?: string
}

/**
 * Translates an entry of the stream to a change of the source contract; `undefined` for an entry of no known
 * collection. Pure.
 *
 * An entry has the field `key`, and describes the change as far as its writer knows it:
 * - `kind` `delete`: the document was removed;
 * - `document`: a JSON object, the whole document after the change; with `kind` `insert`, or `update` beside
 *   one of the next two;
 * - `operations`: a JSON list of operations that may be repeated (`set`, `unset`);
 * - `hash`: a JSON object of the hash's fields that changed, with their texts, or null for those that were
 *   removed;
 * - beside these, `before`: a JSON object, the whole document before the change, or `beforeHash`: all texts
 *   of the hash before it;
 * - none of them, or unknown fields: Particle reads the key again.
 *
 * Or it has the field `prefix`, and `kind` `clear` (all its keys were removed) or `reload` (they must be read
 * again). Entries with the same `transaction` that follow each other belong together.
 */
export function translate(entry: Entry, mappings: readonly Mapping[]): Translation | undefined {
  const [position, flat] = entry
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(flat[at] ?? '', flat[at + 1] ?? '')
  const key = fields.get('key')
  const kind = fields.get('kind')
  const transaction = fields.get('transaction')
  const timestamp = streamTimestamp(position)
  if (key === undefined) {
    const mapping = mappings.find(({ prefix }) => prefix === fields.get('prefix'))
    if (!mapping) return undefined
    // Treats an unknown kind as a reload, which is always safe.
    const change: Change = {
      kind: kind === 'clear' ? 'clear' : 'reload',
      position,
      timestamp,
      collection: mapping.name,
    }
    if (transaction !== undefined) change.transaction = transaction
    return { change }
  }
  for (const mapping of mappings) {
    const id = mapping.idOf(key)
    if (id === undefined) continue
    const before = kind === 'insert' ? undefined : beforeOf(id, fields, mapping)
    // Changes one object: each copy by a spread that adds fields has a hidden class of its own.
    const change: DocumentChange = {
      kind: 'replace',
      position,
      timestamp,
      collection: mapping.name,
      id,
      operations: [],
    }
    if (transaction !== undefined) change.transaction = transaction
    if (before) change.before = before
    if (kind === 'delete') return { change: deleted(change) }
    return describe(change, kind, fields, mapping) ? { change } : { change, key }
  }
  return undefined
}

/** The fields of an entry that describe a change, each by itself. */
const DESCRIBING = ['document', 'operations', 'hash']

/**
 * Keeps an entry encoded, if nobody is shown its collection. Returns `undefined` for an entry that must be
 * translated at once: of a whole collection, or with a key that must be read.
 */
export function encodedEntry(
  entry: Entry,
  mappings: readonly Mapping[],
  isShown: (collection: string) => boolean,
): EncodedChange | undefined {
  const [position, flat] = entry
  const key = textOf(flat, 'key')
  const mapping = key === undefined ? undefined : mappings.find((one) => one.idOf(key) !== undefined)
  if (!mapping || isShown(mapping.name)) return undefined
  const isDescribed = DESCRIBING.some((name) => textOf(flat, name) !== undefined)
  if (!isDescribed && textOf(flat, 'kind') !== 'delete') return undefined
  const transaction = textOf(flat, 'transaction')
  const common = {
    position,
    timestamp: streamTimestamp(position),
    collection: mapping.name,
    ...(transaction === undefined ? {} : { transaction }),
  }
  let bytes = 0
  for (const text of flat) bytes += text.length
  return {
    kind: 'encoded',
    ...common,
    bytes,
    decode: () => {
      const translation = translate(entry, [mapping])
      // Reads the collection again for a description that is malformed: the key is no longer as it was.
      return translation && translation.key === undefined
        ? [translation.change]
        : [{ kind: 'reload', ...common }]
    },
  }
}

function textOf(flat: readonly string[], field: string): string | undefined {
  for (let at = 0; at + 1 < flat.length; at += 2) if (flat[at] === field) return flat[at + 1]
  return undefined
}

type Base = Omit<DocumentChange, 'kind' | 'operations'>

/** Changes the operations to the document as read, or to its removal. */
export function retold(change: DocumentChange, document: Document | undefined): DocumentChange {
  const { document: _, before: __, ...base } = change
  return document ? replaced(base, document) : deleted(base)
}

export function deleted(base: Base): DocumentChange {
  return { ...base, kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }
}

export function replaced(base: Base, document: Document): DocumentChange {
  return {
    ...base,
    kind: 'replace',
    operations: [{ operation: 'set', path: '.', data: document as Json }],
    document,
  }
}

/** Completes a change as its entry describes it. Returns false without a description. */
function describe(
  change: DocumentChange,
  kind: string | undefined,
  fields: ReadonlyMap<string, string>,
  mapping: Mapping,
): boolean {
  const { id, before } = change
  const operations = operationsOf(fields, mapping)
  // Applies the operations where they are told: parsing the second document would cost more.
  const document = (before && operations && documentAfter(before, operations)) ?? documentOf(id, fields)
  if (document) change.document = document
  if (operations) {
    change.kind = 'update'
    change.operations = operations
    return true
  }
  if (!document) return false
  change.operations = [{ operation: 'set', path: '.', data: document as Json }]
  if (kind === 'insert') change.kind = 'insert'
  else if (before) {
    // Reports only the difference, so that a write to hidden fields alone reaches no client.
    const differing = diff(before, document).map((operation) => withKeys(operation, document))
    if (differing.some(({ path }) => path === '.')) return true
    change.kind = 'update'
    change.operations = differing
  }
  return true
}

function documentOf(id: Id, fields: ReadonlyMap<string, string>): Document | undefined {
  const text = fields.get('document')
  return text === undefined ? undefined : jsonDocument(id, text)
}

function beforeOf(id: Id, fields: ReadonlyMap<string, string>, mapping: Mapping): Document | undefined {
  const text = fields.get('before')
  if (text !== undefined) return jsonDocument(id, text)
  const hash = parsed(fields.get('beforeHash'))
  if (!isObject(hash)) return undefined
  const texts = Object.entries(hash).flat()
  return texts.every((item) => typeof item === 'string') ? mapping.document(id, texts) : undefined
}

function operationsOf(fields: ReadonlyMap<string, string>, mapping: Mapping): Operation[] | undefined {
  const operations = parsed(fields.get('operations'))
  if (Array.isArray(operations))
    return operations.every(isOperation) ? operations.map(walkableData) : undefined
  const hash = parsed(fields.get('hash'))
  if (!isObject(hash)) return undefined
  const changes = Object.entries(hash).map(([name, text]): Operation | undefined => {
    if (!isPathName(name) || name === '_id') return undefined
    if (text === null) return { operation: 'unset', path: name, keys: [name] }
    if (typeof text !== 'string') return undefined
    return { operation: 'set', path: name, keys: [name], data: mapping.value(name, text) }
  })
  return changes.every((change) => change !== undefined) ? changes : undefined
}

/** Checks for an operation that may be repeated: it may apply to a document that was read later. */
function isOperation(value: unknown): value is Operation {
  if (!isObject(value)) return false
  const { operation, path, data, keys = [] } = value
  return (
    (operation === 'unset' || (operation === 'set' && data !== undefined)) &&
    typeof path === 'string' &&
    path !== '.' &&
    Array.isArray(keys) &&
    keys.every((key) => typeof key === 'string' || typeof key === 'number')
  )
}

function walkableData(operation: Operation): Operation {
  return operation.data === undefined ? operation : { ...operation, data: walkable(operation.data) }
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
