import { ParticleError } from '../../errors.ts'
import type { Document, Model } from '../../model/document.ts'
import type { InitialModel } from '../../protocol/initial.ts'
import { PROTOCOL } from '../../protocol/messages.ts'
import type { PersistedClient, Persistence } from '../persistence.ts'
import { modelOf, ownerOf } from './captured.ts'
import type { ChunkStore, Header } from './chunk-store.ts'
import { align, type Chunk, chunksOf } from './chunks.ts'
import { slicer, yieldTask } from './slices.ts'

/** The version of the format. A model of another version is dropped. */
const VERSION = 1
/** Sets the least time between two saves, in milliseconds. */
const SAVE_MS = 1_000
/** Limits the share of the time that saves take: a save waits so many times as long as the last one took. */
const REST_FACTOR = 20
const MAX_REST_MS = 30_000

/** Describes a model in the store's header. */
type Content = Omit<InitialModel, 'data'> & {
  /** The keys of each root's chunks. */
  chunks: Record<string, number[]>
}

/** Holds the surroundings of a keeper. */
export interface KeeperOptions {
  /** Opens the store. Rejects where there is none. */
  store: () => Promise<ChunkStore>
  /** Names the user in place of the client's identity. */
  key?: string | number | undefined
  /** Calls back after some milliseconds. Returns a function that cancels the call. */
  after: (milliseconds: number, callback: () => void) => () => void
  /** Resolves when the page is idle. */
  idle: () => Promise<void>
  /** Called when the keeper has ended. */
  onEnd: () => void
}

/**
 * Keeps the model of one client in a store:
 *
 *    read --> changed() --1 s--> idle --> save: unchanged chunks stay, changed documents become new chunks
 *               ^-------------------------'     one change of the store, with the position
 *
 * Only one client at a time writes (`lock`). A client that writes after another one writes all chunks.
 */
export class ModelKeeper implements Persistence {
  readonly opened: Promise<InitialModel | undefined>
  readonly #client: PersistedClient
  readonly #options: KeeperOptions
  readonly #writer = randomText()
  #store: ChunkStore | undefined
  #header: Header<Content> | undefined
  /** The chunks of each root that this client has written or read. */
  #chunks = new Map<string, readonly Chunk[]>()
  #nextKey = 1
  #isLocked = false
  #hasLeft = false
  #ended = false
  #clearing = false
  #dirty = false
  #saving: Promise<void> | undefined
  #rest = SAVE_MS
  #cancel: (() => void) | undefined

  constructor(client: PersistedClient, options: KeeperOptions) {
    this.#client = client
    this.#options = options
    this.opened = this.#try(() => this.#open())
  }

  changed(): void {
    this.#dirty = true
    if (!this.#isLocked || this.#ended || this.#saving) return
    this.#cancel ??= this.#options.after(this.#rest, () => void this.#options.idle().then(() => this.save()))
  }

  /** Saves the model now, as for a page that is hidden. */
  save(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    if (!this.#dirty || !this.#isLocked || this.#ended) return this.#saving ?? Promise.resolve()
    this.#saving ??= this.#saveOnce().finally(() => {
      this.#saving = undefined
      if (this.#dirty) this.changed()
    })
    return this.#saving
  }

  async clear(): Promise<void> {
    this.#clearing = true
    this.#end()
    await this.opened
    await this.#saving
    const header = { version: VERSION, owner: '', epoch: randomText() }
    try {
      await this.#write({ check: () => true, header, put: [], remove: 'all' })
    } catch (cause) {
      this.#report(cause)
    }
    this.#store?.close()
  }

  close(): void {
    void this.opened
      .then(() => this.save())
      .then(() => {
        if (this.#clearing) return
        this.#end()
        this.#store?.close()
      })
  }

  /**
   * Saves the model, and lets other tabs write. A page that holds a lock can't enter the back/forward cache.
   */
  leave(): void {
    void this.save()
    this.#hasLeft = true
    this.#isLocked = false
    this.#store?.unlock()
  }

  /** Writes again after {@link ModelKeeper.leave}, once no other tab writes. */
  return(): void {
    if (this.#hasLeft && !this.#ended) void this.#lock()
    this.#hasLeft = false
  }

  #end(): void {
    this.#ended = true
    this.#cancel?.()
    this.#store?.unlock()
    this.#options.onEnd()
  }

  async #lock(): Promise<void> {
    await this.#try(async () => {
      await this.#store?.lock()
      this.#isLocked = true
      if (this.#dirty) this.changed()
    })
  }

  /** Reads the model of the last visit. */
  async #open(): Promise<InitialModel | undefined> {
    const owner = await ownerOf(this.#client, this.#options.key)
    this.#store = await this.#options.store()
    const model = await this.#read(this.#store, owner)
    void this.#lock()
    return model
  }

  async #read(store: ChunkStore, owner: string): Promise<InitialModel | undefined> {
    const fits = (header: Header | undefined) => header?.version === VERSION && header.owner === owner
    const { header, texts } = await store.read((each) => (fits(each) ? keysOf(each as Header<Content>) : []))
    if (header && fits(header)) {
      this.#header = header as Header<Content>
      const { content } = this.#header
      const model = content && (await this.#modelOf(content, texts).catch(() => undefined))
      if (model || !content) return model
      this.#client.onDebug('persist: the model of the last visit can not be read, and is removed')
      this.#chunks = new Map()
    }
    // Removes the model of another identity, or of another version of Particle.
    this.#header = { version: VERSION, owner, epoch: randomText() }
    const check = (present: Header | undefined) => present?.epoch === header?.epoch
    const written = await store.write({ check, header: this.#header, put: [], remove: 'all' })
    // Reads again what another tab has written meanwhile.
    return written ? undefined : this.#read(store, owner)
  }

  /** Parses the chunks. Rejects when a chunk is missing or damaged. */
  async #modelOf(
    { chunks, ...rest }: Content,
    texts: ReadonlyMap<number, string>,
  ): Promise<InitialModel | undefined> {
    if (rest.protocol !== PROTOCOL) return undefined
    const pause = slicer(() => yieldTask())
    const data: Model = {}
    for (const [root, keys] of Object.entries(chunks)) {
      const documents: Document[] = []
      const list: Chunk[] = []
      for (const key of keys) {
        const text = texts.get(key) ?? ''
        const parsed: Document[] = JSON.parse(text)
        for (const document of parsed) documents.push(document)
        list.push({ key, documents: parsed, size: text.length })
        await pause()
        this.#nextKey = Math.max(this.#nextKey, key + 1)
      }
      data[root] = documents
      this.#chunks.set(root, list)
    }
    return { ...rest, data }
  }

  async #saveOnce(): Promise<void> {
    const began = performance.now()
    this.#dirty = false
    await this.#try(() => this.#save())
    const rest = (performance.now() - began) * REST_FACTOR
    this.#rest = Math.min(Math.max(SAVE_MS, rest), MAX_REST_MS)
  }

  async #save(): Promise<void> {
    const model = modelOf(this.#client)
    const header = this.#header
    if (!model || !header) return
    const { data, ...rest } = model
    const pause = slicer(this.#options.idle)
    const put: [number, string][] = []
    const chunks = new Map<string, Chunk[]>()
    for (const [root, documents] of Object.entries(data)) {
      const list: Chunk[] = []
      for (const part of align(this.#chunks.get(root) ?? [], documents)) {
        if ('key' in part) list.push(part)
        else {
          const changed = await chunksOf(part, () => this.#nextKey++, pause)
          list.push(...changed.chunks)
          put.push(...changed.put)
        }
      }
      chunks.set(root, list)
    }
    const kept = new Set(numbersOf(chunks))
    const remove = numbersOf(this.#chunks).filter((key) => !kept.has(key))
    const content: Content = {
      ...rest,
      chunks: Object.fromEntries([...chunks].map(([root, list]) => [root, list.map(({ key }) => key)])),
    }
    const next = { ...header, writer: this.#writer, content }
    let isOther = false
    const check = (present: Header | undefined) => {
      isOther = present?.epoch === header.epoch
      return isOther && present?.writer === header.writer
    }
    if (await this.#write({ check, header: next, put, remove })) {
      this.#header = next
      this.#chunks = chunks
    } else if (isOther) await this.#takeOver(header.epoch)
    else {
      this.#client.onDebug('persist: another tab has removed the model, so this tab keeps it no more')
      this.#end()
    }
  }

  /** Removes the chunks of another client, and saves all documents with the next save. */
  async #takeOver(epoch: string): Promise<void> {
    const header = { version: VERSION, owner: this.#header?.owner ?? '', epoch, writer: this.#writer }
    const check = (present: Header | undefined) => present?.epoch === epoch
    this.#chunks = new Map()
    this.#dirty = true
    if (await this.#write({ check, header, put: [], remove: 'all' })) this.#header = header
  }

  async #write(change: Parameters<ChunkStore['write']>[0]): Promise<boolean> {
    return (await this.#store?.write(change)) ?? false
  }

  /** Reports a broken store once, and continues without it. */
  async #try<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (cause) {
      if (!this.#ended) this.#report(cause)
      this.#end()
      return undefined
    }
  }

  #report(cause: unknown): void {
    const sentence = `The model is not kept for the next visit: ${cause}`
    const isOwn = cause instanceof ParticleError
    this.#client.onError(isOwn ? cause : new ParticleError('STORE_FAILED', sentence, { cause }))
  }
}

function keysOf({ content }: Header<Content>): number[] {
  return Object.values(content?.chunks ?? {}).flat()
}

function numbersOf(chunks: ReadonlyMap<string, readonly Chunk[]>): number[] {
  return [...chunks.values()].flatMap((list) => list.map(({ key }) => key))
}

function randomText(): string {
  return Math.random().toString(36).slice(2) + Date.now().toString(36)
}
