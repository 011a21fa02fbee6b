import { diff } from '../../../lib/model/diff.ts'
import type { Document, Id, Json } from '../../../lib/model/document.ts'
import { canonical } from '../../../lib/model/json.ts'
import type {
  CollectionOptions,
  RedisAdapter,
  RedisCodec,
  RedisCollection,
} from '../../../lib/source/redis/index.ts'
import { type Choose, type Difference, DifferenceWriter } from '../../law/difference-writer.ts'
import type { Client } from './harness.ts'

/** How the fields that the law writes stand in a hash. */
const FIELDS: Record<string, RedisCodec> = {
  name: 'string',
  nick: 'string',
  label: 'string',
  secret: 'string',
  n: 'number',
  m: 'number',
  team: 'json',
  kind: 'json',
  was: 'json',
  place: 'json',
  tags: 'json',
  todos: 'json',
}

/** The options of the collection that a {@link RedisWriter} writes to. */
export const LAW: CollectionOptions = { id: 'json', fields: FIELDS }

/** Where it writes. */
export interface Place {
  client: Client
  prefix: string
  /** The stream's key; without one, plain commands are all that there is to hear of. */
  stream: string | undefined
  /** To so many entries the stream is cut after each write, exactly, which `MAXLEN ~` does not do to so few. */
  cut: number | undefined
}

type Multi = ReturnType<Client['multi']>
/** What a command has made of a key: its entry may say so. */
type Entry = readonly string[]

/** Writes in all the ways there are: by the library's methods, by commands that are touched, and as another program, which appends entries of its own. */
export class RedisWriter extends DifferenceWriter {
  readonly #place: Place
  readonly #name: string
  readonly #hashes: RedisCollection
  readonly #texts: RedisCollection

  /** `hashes` and `texts` are of two processes, as it were: all others have {@link LAW} as their options. */
  constructor(place: Place, name: string, hashes: RedisAdapter, texts: RedisAdapter) {
    super()
    this.#place = place
    this.#name = name
    this.#hashes = hashes.collection(name, LAW)
    this.#texts = texts.collection(name, { ...LAW, type: 'json' })
  }

  protected async read(): Promise<Document[]> {
    const { client } = this.#place
    const keys = await this.#keys()
    return await Promise.all(
      keys.map(async (key): Promise<Document> => {
        const _id = JSON.parse(key.slice(this.#prefix.length)) as Json
        if ((await client.type(key)) === 'string')
          return { _id, ...JSON.parse((await client.get(key)) ?? '') }
        const texts = Object.entries(await client.hGetAll(key)).filter(([name]) => name !== '_id')
        return { _id, ...Object.fromEntries(texts.map(([name, text]) => [name, parsed(name, text)])) }
      }),
    )
  }

  protected async write(differences: readonly Difference[], choose: Choose, atOnce: boolean): Promise<void> {
    const way = choose('library', 'touched', 'foreign')
    if (atOnce) await this.#atOnce(differences, way === 'foreign' ? 'foreign' : 'touched', choose)
    else if (way === 'library')
      for (const difference of differences) await this.#byLibrary(difference, choose)
    else if (choose(true, false)) await this.#atOnce(differences, way, choose)
    else for (const difference of differences) await this.#atOnce([difference], way, choose)
    await this.#trim()
  }

  protected async clear(choose: Choose): Promise<void> {
    const { client, stream } = this.#place
    if (choose(true, false)) await this.#hashes.clear()
    else {
      const multi = client.multi()
      for (const key of await this.#keys()) multi.del(key)
      if (stream) multi.xAdd(stream, '*', { prefix: this.#prefix, kind: choose('clear', 'clear', 'reload') })
      await multi.exec()
    }
    await this.#trim()
  }

  async #byLibrary({ id, before, after }: Difference, choose: Choose): Promise<void> {
    const collection = choose(this.#hashes, this.#hashes, this.#texts)
    if (!after) await collection.delete(id)
    else if (!before || choose(true, false, false)) await collection.set(id, after)
    else await collection.update(id, choose(true, false) ? diff(before, after) : fieldsOf(before, after))
  }

  /** One MULTI, with an entry for each of the documents. */
  async #atOnce(
    differences: readonly Difference[],
    way: 'touched' | 'foreign',
    choose: Choose,
  ): Promise<void> {
    const { client, stream } = this.#place
    const multi = client.multi()
    const transaction = `t${choose(...Array.from({ length: 1000 }, (_, at) => at))}`
    for (const difference of differences) {
      const { id } = difference
      const entry = await this.#command(multi, difference, choose)
      if (way === 'touched') this.#hashes.touch(multi, id)
      else if (stream) {
        if (choose(true, false, false)) multi.xAdd(stream, '*', { key: 'other:1', document: '{}' })
        const common = ['key', this.#key(id), ...(differences.length > 1 ? ['transaction', transaction] : [])]
        multi.addCommand(['XADD', stream, '*', ...common, ...choose([], entry, entry)])
      }
    }
    await multi.exec()
  }

  /** Adds the commands that make a difference; what an entry can say of them. */
  async #command(multi: Multi, { id, before, after }: Difference, choose: Choose): Promise<Entry> {
    const key = this.#key(id)
    const past = before && choose(true, false) ? ['before', JSON.stringify(before)] : []
    if (!after) {
      multi.del(key)
      return ['kind', 'delete', ...past]
    }
    const whole = ['kind', before ? 'replace' : 'insert', 'document', JSON.stringify(after), ...past]
    // What is removed field by field is the rarest, and the most that can go wrong.
    const removes = before !== undefined && Object.keys(before).some((name) => !(name in after))
    if (!removes && choose(true, false, false, false)) {
      multi.set(key, JSON.stringify({ ...after, _id: undefined }))
      return whole
    }
    if (!before || (await this.#place.client.type(key)) !== 'hash' || (!removes && choose(true, false))) {
      multi.del(key).hSet(key, textsOf(after))
      return whole
    }
    const changed = fieldsOf(before, after)
    const removed = Object.keys(changed).filter((name) => changed[name] === undefined)
    const texts = textsOf(changed)
    if (removed.length > 0) multi.hDel(key, removed)
    if (Object.keys(texts).length > 0) multi.hSet(key, texts)
    const all = { ...texts, ...Object.fromEntries(removed.map((name) => [name, null])) }
    const document = choose(true, false) ? ['document', JSON.stringify(after)] : []
    return ['hash', JSON.stringify(all), ...document, ...past]
  }

  async #trim(): Promise<void> {
    const { client, stream, cut } = this.#place
    if (stream && cut !== undefined) await client.xTrim(stream, 'MAXLEN', cut)
  }

  async #keys(): Promise<string[]> {
    const keys = new Set<string>()
    const pattern = { MATCH: `${this.#prefix}*`, COUNT: 1000 }
    for await (const page of this.#place.client.scanIterator(pattern)) for (const key of page) keys.add(key)
    return [...keys]
  }

  get #prefix(): string {
    return `${this.#place.prefix}${this.#name}:`
  }

  #key(id: Id): string {
    return this.#prefix + JSON.stringify(id)
  }
}

/** The fields that differ; undefined where they are gone. */
function fieldsOf(before: Document, after: Document): Record<string, Json | undefined> {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  const changed = [...names].filter(
    (name) => canonical(before[name] ?? null) !== canonical(after[name] ?? null),
  )
  return Object.fromEntries(changed.map((name) => [name, after[name]]))
}

function textsOf(fields: Record<string, Json | undefined>): Record<string, string> {
  const there = Object.entries(fields).filter(([name, value]) => name !== '_id' && value !== undefined)
  return Object.fromEntries(
    there.map(([name, value]) => [name, FIELDS[name] === 'json' ? JSON.stringify(value) : String(value)]),
  )
}

function parsed(name: string, text: string): Json {
  if (FIELDS[name] === 'json') return JSON.parse(text)
  return FIELDS[name] === 'number' ? Number(text) : text
}
