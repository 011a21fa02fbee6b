import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { applyAll } from '../../model/apply.ts'
import { TOO_DEEP } from '../../model/bounds.ts'
import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { isObject, toJson } from '../../model/json.ts'
import type { Operation } from '../../model/operation.ts'
import { invalidOption } from '../../model/unknown.ts'
import { withKeys } from '../least.ts'
import type { Adapter, CollectionHandle } from '../source.ts'
import { type RedisClient, send } from './client.ts'
import { type Mapping, type RawDocument, withoutId } from './mapping.ts'
import type { Settings } from './options.ts'
import { CLEAR, EXPIRE, runScript, STATE, WRITE } from './script.ts'
import { changesOf, unchanged } from './update.ts'

/** Describes a time to live, as `SET` takes it: `EX` seconds or `PX` milliseconds. */
export interface Expiry {
  EX?: number
  PX?: number
}

/** Describes the result of `client.multi()`, as far as this file uses it. */
export interface RedisMulti {
  // biome-ignore lint/suspicious/noExplicitAny: the package's own types of it depend on all commands so far.
  addCommand(args: any): unknown
}

/**
 * Limits the length of documents that the stream repeats, before a write and after an update. A follower
 * looks up a longer document.
 */
const REPEATED_LENGTH = 16_384
const TRIES = 100

/** The transactions of the applications' own MULTIs. */
const transactions = new WeakMap<object, string>()

/**
 * Represents the documents under one prefix of Redis's keys, as a data source's `collection`, and for writes.
 * Each write and its entry of the stream are one transaction. Without a stream, a write has no entry.
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
   * Writes a whole document in place of the earlier one. Like `SET`, this removes the time to live, unless
   * `expiry` gives one. The hash of an empty document gets the field `_id`, because Redis keeps no empty
   * hash.
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
   * Changes a document, and returns false for a missing document.
   * `update(5, { name: 'Ann', 'address.city': 'Rome', age: undefined })` sets fields by path, and removes
   * those that are `undefined`. A list of operations is applied in order (`[{ operation: 'inc', path:
   * 'visits', data: 1 }]`). Of a hash, only changed fields are written.
   *
   * @throws ParticleError `INVALID_OPERATION` or `INVALID_PATH` for a change that does not fit the document
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
      // Converts the result to JSON: a sum beyond all doubles, for example, becomes null everywhere.
      const after = changed && (toJson(changed) as Document)
      if (!after) throw this.#invalid('update(id, ...) removes no document: delete(id) does')
      const difference = diff(before, after)
      if (difference.length === 0) return true
      if (await this.#replace(id, digest, raw, before, after, difference)) return true
      // Waits after a conflict with another writer. With many writers, the wait grows.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(tries, 20)))
    }
    throw new ParticleError(
      'SOURCE_FAILED',
      `A document of ${this.collectionName} changes faster than an update: write it from fewer places`,
    )
  }

  /** Deletes a document. Returns false for a missing document. */
  async delete(id: Id): Promise<boolean> {
    return (await this.#write(id, { action: 'delete', ttl: 'keep', entry: ['kind', 'delete'] })) !== 'nothing'
  }

  /**
   * Gives a document a time to live, and reports its end (within about a second). Returns false for a missing
   * document.
   */
  async expire(id: Id, seconds: number): Promise<boolean> {
    const { stream } = this.#settings
    const keys = [this.#key(id), ...(stream ? [stream.expiries] : [])]
    return (await this.#run(EXPIRE, keys, [milliseconds({ EX: seconds }) ?? '0'])) === 1
  }

  /** Deletes all documents at once, and returns their number. Redis executes nothing else meanwhile. */
  async clear(): Promise<number> {
    const { stream, maxLength } = this.#settings
    const { pattern, prefix } = this.#mapping
    return Number(await this.#run(CLEAR, stream ? [stream.key] : [], [pattern, prefix, String(maxLength)]))
  }

  /**
   * Adds the change of these documents to a transaction of the application, whatever its commands are.
   * Particle then reads the documents again:
   * `users.touch(client.multi().hIncrBy('users:5', 'visits', 1), 5).exec()`. Clients get the changes of one
   * transaction at once.
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

  /** Writes the changes of an update. Returns false if the key has changed meanwhile. */
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
    const entry = [
      'kind',
      'update',
      'operations',
      JSON.stringify(difference.map((op) => withKeys(op, after))),
    ]
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
    throw invalidOption('A time to live must be { EX: seconds } or { PX: milliseconds }')
  const time = EX === undefined ? PX : EX * 1000
  if (time === undefined) return undefined
  if (!(Number.isFinite(time) && time > 0)) throw invalidOption('A time to live must be a number above 0')
  return String(Math.ceil(time))
}
