import { ParticleError } from '../../errors.ts'
import { walkable } from '../../model/bounds.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { field, isObject } from '../../model/json.ts'
import { notKnown, refuseUnknown } from '../../model/unknown.ts'
import { CODECS, decode, decodeId, encode, encodeId, type RedisCodec } from './codec.ts'

/** How the keys of a collection stand for documents. */
export interface CollectionOptions {
  /**
   * What its keys begin with; the rest of a key is the document's `_id`. Default: the collection's name and a
   * colon, `users:`.
   */
  prefix?: string
  /**
   * What `set` writes: a hash of fields, or a string that holds the document as JSON. Default `'hash'`. Both
   * are read, whatever it says.
   */
  type?: 'hash' | 'json'
  /**
   * How the rest of a key stands for the `_id`. Default `'string'`. Keys whose rest doesn't fit are no
   * documents.
   */
  id?: RedisCodec
  /**
   * How the texts of a hash's fields stand for values: one for all, or by field. Default `'string'`; texts
   * that don't fit stay strings.
   */
  fields?: RedisCodec | { [field: string]: RedisCodec }
}

/** What `READ` gives for a key: a hash as a flat list, a string, or nothing that is a document. */
export type RawDocument = readonly string[] | string | null

/** The keys and documents of one collection. */
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

  /** The pattern that the keys match; {@link idOf} tells for sure. */
  get pattern(): string {
    return `${globbed(this.prefix)}*`
  }

  /** The `_id` that a key stands for; undefined where it's no key of this collection. */
  idOf(key: string): Id | undefined {
    return key.startsWith(this.prefix) ? decodeId(this.#id, key.slice(this.prefix.length)) : undefined
  }

  /** The key of an `_id`; undefined where no key can stand for it. */
  keyOf(id: Id): string | undefined {
    const rest = encodeId(this.#id, id)
    // Half a surrogate pair would become U+FFFD on its way, and so the key of another document.
    return rest === undefined || /[\ud800-\udfff]/u.test(rest) ? undefined : this.prefix + rest
  }

  /**
   * The document that a key holds; undefined where it's none: neither a hash nor a string of a JSON object.
   */
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

  /** The value of a hash's field. */
  value(name: string, text: string): Json {
    return decode(this.codecOf(name), text)
  }

  /**
   * The fields and texts of a hash, as `HSET` takes them. Throws `INVALID_OPERATION` where a value has no
   * text.
   */
  texts(fields: Iterable<readonly [string, Json]>): string[] {
    return [...fields].flatMap(([name, value]) => [
      name,
      encode(this.codecOf(name), value, `${this.name}: the field '${name}'`),
    ])
  }

  /** How the texts of a hash's field, or the rest of a key for `_id`, stand for values. */
  codecOf(name: string): RedisCodec {
    if (name === '_id') return this.#id
    return typeof this.#fields === 'string' ? this.#fields : (this.#fields.get(name) ?? 'string')
  }
}

/** A document of a string of JSON; its `_id` is the key's. */
export function jsonDocument(id: Id, text: string): Document | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? { _id: id, ...walkableFields(withoutId(value)) } : undefined
  } catch {
    return undefined
  }
}

/** The fields of a string of JSON; {@link TOO_DEEP} in place of those that can't be walked. */
function walkableFields(fields: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, walkable(value)]))
}

/** A document without its `_id`. */
export function withoutId(document: object): Record<string, Json> {
  return Object.fromEntries(
    Object.keys(document).flatMap((name) => {
      const value = name === '_id' ? undefined : field(document, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** A text as a glob pattern that matches it alone. */
function globbed(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&')
}

function checkOptions(name: string, options: CollectionOptions): void {
  const refuse = (what: string): never => {
    throw new ParticleError('INVALID_OPTION', `collection(${JSON.stringify(name)}, options) ${what}`)
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
      `knows the codecs 'string', 'number', 'boolean' and 'json' for id and fields: ${notKnown(wrong, CODECS)}`,
    )
}
