import { walkable } from '../../model/bounds.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { field, isObject, type JsonObject } from '../../model/json.ts'
import { invalidOption, notKnown, refuseUnknown } from '../../model/unknown.ts'
import { CODECS, decode, decodeId, encode, encodeId, type RedisCodec } from './codec.ts'

/** Describes the mapping between a collection's keys and documents. */
export interface CollectionOptions {
  /**
   * The prefix of the keys; the rest of a key is the document's `_id`. Default: the collection's name and a
   * colon, `users:`.
   */
  prefix?: string
  /**
   * The type that `set` writes: a hash of fields, or a string that holds the document as JSON. Default:
   * `'hash'`. Both types are read in any case.
   */
  type?: 'hash' | 'json'
  /** The codec of the `_id` in a key. Default: `'string'`. A key whose rest doesn't fit is no document. */
  id?: RedisCodec
  /**
   * The codec of a hash's fields: one for all, or by field. Default: `'string'`. Texts that don't fit stay
   * strings.
   */
  fields?: RedisCodec | { [field: string]: RedisCodec }
}

/** Holds the reply of `READ` for a key: a hash as a flat list, a string, or null for anything else. */
export type RawDocument = readonly string[] | string | null

/** Maps the keys and documents of one collection. */
export class Mapping {
  readonly name: string
  readonly prefix: string
  readonly type: 'hash' | 'json'
  readonly options: CollectionOptions
  readonly #id: RedisCodec
  readonly #fields: RedisCodec | ReadonlyMap<string, RedisCodec>

  /** Throws `INVALID_OPTION`. */
  constructor(name: string, base: string, options: CollectionOptions) {
    checkOptions(name, options)
    this.name = name
    this.options = options
    this.prefix = base + (options.prefix ?? `${name}:`)
    this.type = options.type ?? 'hash'
    this.#id = options.id ?? 'string'
    const { fields = 'string' } = options
    this.#fields = typeof fields === 'string' ? fields : new Map(Object.entries(fields))
  }

  /** The pattern of the keys. May match other keys too, which {@link idOf} refuses. */
  get pattern(): string {
    return `${globbed(this.prefix)}*`
  }

  /** Returns the `_id` of a key; `undefined` for a key of another collection. */
  idOf(key: string): Id | undefined {
    return key.startsWith(this.prefix) ? decodeId(this.#id, key.slice(this.prefix.length)) : undefined
  }

  /** Returns the key of an `_id`; `undefined` for an `_id` without a key. */
  keyOf(id: Id): string | undefined {
    const rest = encodeId(this.#id, id)
    // Refuses half a surrogate pair, which would become U+FFFD in Redis: the key of another document.
    return rest === undefined || /[\ud800-\udfff]/u.test(rest) ? undefined : this.prefix + rest
  }

  /** Returns the document of a key; `undefined` for anything but a hash or a string of a JSON object. */
  document(id: Id, raw: RawDocument): Document | undefined {
    if (raw === null) return undefined
    if (typeof raw === 'string') return jsonDocument(id, raw)
    const fields: [string, Json][] = [['_id', id]]
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at] ?? ''
      if (name !== '_id') fields.push([name, this.value(name, raw[at + 1] ?? '')])
    }
    return Object.fromEntries(fields)
  }

  /** Decodes the value of a hash's field. */
  value(name: string, text: string): Json {
    return decode(this.codecOf(name), text)
  }

  /**
   * Encodes the fields of a hash, as `HSET` takes them. Throws `INVALID_OPERATION` for a value that can't be
   * encoded.
   */
  texts(fields: Iterable<readonly [string, Json]>): string[] {
    return [...fields].flatMap(([name, value]) => [
      name,
      encode(this.codecOf(name), value, `${this.name}: the field '${name}'`),
    ])
  }

  /** Returns the codec of a hash's field, or of the rest of a key for `_id`. */
  codecOf(name: string): RedisCodec {
    if (name === '_id') return this.#id
    return typeof this.#fields === 'string' ? this.#fields : (this.#fields.get(name) ?? 'string')
  }
}

/** Parses a document from a string of JSON. Its `_id` is the key's. */
export function jsonDocument(id: Id, text: string): Document | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (!isObject(value)) return undefined
    const document: Document = { _id: id, ...walkableFields(value) }
    document._id = id
    return document
  } catch {
    return undefined
  }
}

/** Replaces, in place, the fields of a string of JSON that can't be walked by `TOO_DEEP`. */
function walkableFields(fields: JsonObject): JsonObject {
  for (const name in fields) {
    const value = fields[name]
    if (typeof value === 'object' || typeof value === 'number') fields[name] = walkable(value)
  }
  return fields
}

/** Returns a document without its `_id`. */
export function withoutId(document: object): Record<string, Json> {
  return Object.fromEntries(
    Object.keys(document).flatMap((name) => {
      const value = name === '_id' ? undefined : field(document, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** Escapes a text as a glob pattern that matches only this text. */
function globbed(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&')
}

function checkOptions(name: string, options: CollectionOptions): void {
  const refuse = (what: string): never => {
    throw invalidOption(`collection(${JSON.stringify(name)}, options) ${what}`)
  }
  if (typeof name !== 'string' || name === '') refuse('needs a name that is a string and not empty')
  if (typeof options !== 'object' || options === null) refuse('takes an object of options')
  const where = `collection(${JSON.stringify(name)}, options): option`
  refuseUnknown(where, options, ['prefix', 'type', 'id', 'fields'])
  const { prefix, type, id, fields } = options
  if (prefix !== undefined && typeof prefix !== 'string') refuse('needs a prefix that is a string')
  if (type !== undefined && type !== 'hash' && type !== 'json')
    refuse(`needs a type of 'hash' or 'json': ${notKnown(type, ['hash', 'json'])}`)
  const codecs = typeof fields === 'object' && fields !== null ? Object.values(fields) : [fields]
  const wrong = [...codecs, id].find((codec) => codec !== undefined && !CODECS.has(codec))
  if (wrong !== undefined)
    refuse(
      `takes one of the codecs 'string', 'number', 'boolean' and 'json' for id and fields: ` +
        notKnown(wrong, CODECS),
    )
}
