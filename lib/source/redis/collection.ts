import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { applyAll } from '../../model/apply.ts'
import { TOO_DEEP } from '../../model/bounds.ts'
import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { isObject, toJson } from '../../model/json.ts'
import type { Operation } from '../../model/operation.ts'
import type { Adapter, CollectionHandle } from '../source.ts'
import { type RedisClient, send } from './client.ts'
import { type Mapping, type RawDocument, withoutId } from './mapping.ts'
import type { Settings } from './options.ts'
import { CLEAR, EXPIRE, runScript, STATE, WRITE } from './script.ts'
import { changesOf, located, unchanged } from './update.ts'

/** A time to live, as `SET` takes it: `EX` seconds or `PX` milliseconds. */
export interface Expiry {
  EX?: number
  PX?: number
}

/** What `client.multi()` returns, as far as it's used here. */
export interface RedisMulti {
  // biome-ignore lint/suspicious/noExplicitAny: the package's own types of it depend on all commands so far.
  addCommand(args: any): unknown
}

/**
 * A document longer than this is not repeated in the stream, as it was before a write and after an update:
 * who needs it looks it up.
 */
const REPEATED_LENGTH = 16_384
const TRIES = 100

/** The transactions of the applications' own MULTIs. */
const transactions = new WeakMap<object, string>()

/**
 * The documents under one prefix of Redis's keys: for a data source's `collection`, and to write them. Each
 * write and its entry of the stream are one transaction. Without a stream the writes are just writes.
 */
export class RedisCollection<T extends object = Document> implements CollectionHandle<T> {
  declare readonly $document?: T
  readonly adapter: Adapter
  readonly collectionName: string
  readonly #client: RedisClient
  readonly #mapping: Mapping
  readonly #settings: Settings

  /** Use `redis(client).collection(name)`. */
  constructor(adapter: Adapter, client: RedisClient, mapping: Mapping, settings: Settings) {
    this.adapter = adapter
    this.collectionName = mapping.name
    this.#client = client
    this.#mapping = mapping
    this.#settings = settings
  }

  /**
   * Writes a whole document, in place of the one that was there. As with `SET`, it no longer expires, unless
   * it's told when to. A hash of no fields can't be, so that of an empty document gets the field `_id`.
   *
   * @throws ParticleError `INVALID_OPERATION` for a value that a hash can't hold by the collection's
   *   `fields`, and for another `_id`
   */
  async set(id: Id, document: Omit<T, '_id'> & { _id?: Id }, expiry: Expiry = {}): Promise<void> {
    const json = toJson(document)
    if (!isObject(json)) throw this.#invalid('set(id, document) takes an object as the document')
    if (json._id !== undefined && idKey(json._id) !== idKey(id))
      throw this.#invalid('set(id, document) was given a document of another _id')
    const fields = withoutId(json)
    const text = JSON.stringify(fields)
    const written = this.#mapping.type === 'json' ? [text] : this.#texts(id, Object.entries(fields))
    const action = this.#mapping.type === 'json' ? 'json' : 'hash'
    await this.#write(id, { action, ttl: milliseconds(expiry) ?? '0', entry: ['document', text], written })
  }

  /**
   * Changes a document, if there is one, and tells whether there is: `update(5, { name: 'Ann',
   * 'address.city': 'Rome', age: undefined })` sets fields, by path, and removes those that are `undefined`;
   * a list of operations does what they mean (`[{ operation: 'inc', path: 'visits', data: 1 }]`). Of a hash
   * only the fields that changed are written.
   *
   * @throws ParticleError `INVALID_OPERATION` or `INVALID_PATH` where the document can't be changed so
   */
  async update(id: Id, changes: Record<string, unknown> | readonly Operation[]): Promise<boolean> {
    const operations = changesOf(changes)
    for (let tries = 0; tries < TRIES; tries++) {
      const [raw, digest] = (await this.#run(STATE, [this.#key(id)])) as [RawDocument, string]
      const before = this.#mapping.document(id, raw)
      if (!before) return false
      if (typeof raw === 'string' && Object.values(before).includes(TOO_DEEP))
        throw this.#invalid(
          'update(id, ...) of a document that is nested too deep: set(id, document) replaces it',
        )
      const changed = applyAll(before, operations)
      // An operation may come to what JSON can't hold, such as a sum beyond all doubles: that is null
      // everywhere.
      const after = changed && (toJson(changed) as Document)
      if (!after) throw this.#invalid('update(id, ...) removes no document: delete(id) does')
      const difference = diff(before, after)
      if (difference.length === 0) return true
      if (await this.#replace(id, digest, raw, before, after, difference)) return true
      // Somebody else was faster. Those who are many wait longer.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(tries, 20)))
    }
    throw new ParticleError('SOURCE_FAILED', `A document of ${this.collectionName} changes all the time`)
  }

  /** Deletes a document; whether it was there. */
  async delete(id: Id): Promise<boolean> {
    return (await this.#write(id, { action: 'delete', ttl: 'keep', entry: ['kind', 'delete'] })) !== 'nothing'
  }

  /** Lets a document expire, and tells its end (within about a second of it); whether it was there. */
  async expire(id: Id, seconds: number): Promise<boolean> {
    const { stream } = this.#settings
    const keys = [this.#key(id), ...(stream ? [stream.expiries] : [])]
    return (await this.#run(EXPIRE, keys, [milliseconds({ EX: seconds }) ?? '0'])) === 1
  }

  /** Deletes all documents, at once: while that lasts, Redis does nothing else. How many there were. */
  async clear(): Promise<number> {
    const { stream, maxLength } = this.#settings
    const { pattern, prefix } = this.#mapping
    return Number(await this.#run(CLEAR, stream ? [stream.key] : [], [pattern, prefix, String(maxLength)]))
  }

  /**
   * Adds to a transaction of the application's own that these documents change by it, by whatever commands;
   * they are then read again: `users.touch(client.multi().hIncrBy('users:5', 'visits', 1), 5).exec()`. What
   * one transaction touches is shown at once.
   */
  touch<Multi extends RedisMulti>(multi: Multi, ...ids: Id[]): Multi {
    const { stream, maxLength } = this.#settings
    const transaction = transactions.get(multi) ?? randomBytes(9).toString('base64url')
    transactions.set(multi, transaction)
    for (const id of stream ? ids : []) {
      const entry = ['key', this.#key(id), 'transaction', transaction]
      multi.addCommand(['XADD', stream?.key ?? '', 'MAXLEN', '~', String(maxLength), '*', ...entry])
    }
    return multi
  }

  /** Writes what an update changed, unless the key is no longer what it was; whether it did. */
  async #replace(
    id: Id,
    digest: string,
    raw: RawDocument,
    before: Document,
    after: Document,
    difference: Operation[],
  ): Promise<boolean> {
    const text = JSON.stringify(withoutId(after))
    const old = JSON.stringify(withoutId(before))
    const entry = ['kind', 'update', 'operations', JSON.stringify(difference.map((op) => located(op, after)))]
    if (text.length <= REPEATED_LENGTH) entry.push('document', text)
    if (old.length <= REPEATED_LENGTH) entry.push('before', old)
    const common = { digest, ttl: 'keep', entry }
    if (typeof raw === 'string')
      return (await this.#write(id, { ...common, action: 'json', written: [text] })) !== 'conflict'
    const removed = Object.keys(before).filter((name) => name !== '_id' && after[name] === undefined)
    const fields = Object.entries(withoutId(after))
    const changed = fields.filter(([name, value]) => !unchanged(before[name], value))
    const written = fields.length > 0 && changed.length === 0 ? [] : this.#texts(id, changed)
    return (await this.#write(id, { ...common, action: 'fields', removed, written })) !== 'conflict'
  }

  #texts(id: Id, fields: readonly [string, Json][]): string[] {
    return fields.length > 0
      ? this.#mapping.texts(fields)
      : ['_id', this.#key(id).slice(this.#mapping.prefix.length)]
  }

  async #write(
    id: Id,
    write: {
      action: 'delete' | 'json' | 'hash' | 'fields'
      ttl: string
      entry: string[]
      digest?: string
      removed?: string[]
      written?: string[]
    },
  ): Promise<unknown> {
    const { stream, maxLength } = this.#settings
    const { action, ttl, entry, digest = '', removed = [], written = [] } = write
    const keys = [this.#key(id), ...(stream ? [stream.key, stream.expiries] : [])]
    const lists = [entry, removed, written].flatMap((list) => [String(list.length), ...list])
    const bounds = [String(maxLength), String(REPEATED_LENGTH)]
    return await this.#run(WRITE, keys, [digest, action, ttl, ...bounds, ...lists])
  }

  async #run(script: typeof WRITE, keys: string[], args: string[] = []): Promise<unknown> {
    return await runScript((command) => send(this.#client, command), script, keys, args)
  }

  #key(id: Id): string {
    const key = this.#mapping.keyOf(id)
    if (key === undefined)
      throw this.#invalid(`has no key for the _id ${JSON.stringify(id)}: its option id says otherwise`)
    return key
  }

  #invalid(what: string): ParticleError {
    return new ParticleError('INVALID_OPERATION', `The collection ${this.collectionName}: ${what}`)
  }
}

function milliseconds({ EX, PX, ...rest }: Expiry): string | undefined {
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined || (EX !== undefined && PX !== undefined))
    throw new ParticleError('INVALID_OPTION', 'A time to live is { EX: seconds } or { PX: milliseconds }')
  const time = EX === undefined ? PX : EX * 1000
  if (time === undefined) return undefined
  if (!(Number.isFinite(time) && time > 0))
    throw new ParticleError('INVALID_OPTION', 'A time to live is a number above 0')
  return String(Math.ceil(time))
}
