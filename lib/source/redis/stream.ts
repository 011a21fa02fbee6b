import { ParticleError } from '../../errors.ts'
import { reportChanges } from '../report.ts'
import { RetryLoop } from '../retry-loop.ts'
import type { Change, ChangeListener, DocumentChange, ReportedChange, Subscription } from '../source.ts'
import { blocksOf, loosened } from './block.ts'
import { Connection, isHopeless, type RedisClient, send } from './client.ts'
import { type Entry, encodedEntry, retold, type Translation, translate } from './entry.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { compareStreamIds, isStreamId } from './position.ts'
import { FETCH, HEAD, PAST, READ_AT, runScript } from './script.ts'

/** Settings of a source with a stream. */
export interface StreamSettings {
  client: RedisClient
  /** The keys of the stream and of its sorted set of expiries. */
  key: string
  expiries: string
  maxLength: number
  /** The collections that are known. */
  mappings: () => readonly Mapping[]
}

/** How many entries are asked for at once. */
const BATCH = 200
/** Limits the repeated reads of keys when more must be read meanwhile. */
const MAX_ROUNDS = 5
/**
 * The time that the server waits for an entry before an empty answer; also the interval of the search for
 * expired documents.
 */
const BLOCK_MS = 1000

type Fetched = [deleted: string, entries: Entry[]]

/** Keeps the order of a source with a stream: positions are the ids of its entries. */
export class StreamFeed {
  readonly #settings: StreamSettings

  constructor(settings: StreamSettings) {
    this.#settings = settings
  }

  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    return await new Following(this.#settings, listener, from).open(signal)
  }

  compare(a: string, b: string): number {
    return compareStreamIds(a, b)
  }

  async past(milliseconds: number): Promise<string> {
    return await this.#ask(PAST, [String(Math.max(0, Math.ceil(milliseconds)))])
  }

  /** Returns the present position, before and after a read. */
  async before(): Promise<string> {
    return await this.#ask(HEAD, [String(this.#settings.maxLength)])
  }

  async after(): Promise<string> {
    return await this.#ask(HEAD, [String(this.#settings.maxLength)])
  }

  async #ask(script: typeof HEAD, args: string[]): Promise<string> {
    const { client, key, expiries } = this.#settings
    return String(await runScript((command) => send(client, command), script, [key, expiries], args))
  }
}

/** Follows the stream for one listener, on a separate connection. */
class Following {
  readonly #settings: StreamSettings
  readonly #listener: ChangeListener
  readonly #from: string | undefined
  readonly #loop: RetryLoop
  /** The id of the last entry that was reported to the listener, and that existed at that time. */
  #position = ''
  /** The end of the stream at the opening. */
  #head = ''
  #connection: Connection | undefined
  /** The contents of keys, with the newest entry at the time of the read. */
  readonly #read = new Map<string, { at: string; raw: RawDocument }>()

  constructor(settings: StreamSettings, listener: ChangeListener, from: string | undefined) {
    this.#settings = settings
    this.#listener = listener
    this.#from = from
    this.#loop = new RetryLoop({
      attempt: () => this.#attempt(),
      isHopeless,
      failed: (error) => void listener.error(error),
      recovered: () => listener.progress(this.#position),
    })
  }

  /** @param signal ends the attempts */
  async open(signal: AbortSignal | undefined): Promise<Subscription> {
    const giveUp = () => void this.#close(signal?.reason)
    signal?.addEventListener('abort', giveUp)
    if (signal?.aborted) giveUp()
    await this.#loop.opened
    return { position: this.#position, head: this.#head, close: () => this.#close() }
  }

  async #attempt(): Promise<void> {
    try {
      this.#connection = await Connection.open(this.#settings.client, this.#loop.signal)
      if (!this.#loop.isOpen) await this.#start()
      await this.#follow()
    } finally {
      this.#connection?.destroy()
      this.#connection = undefined
    }
  }

  /** Finds the start position and the end of the stream. */
  async #start(): Promise<void> {
    const from = this.#from
    const kept = from !== undefined && isStreamId(from) && isWhole(await this.#fetch(from, 1), from)
    this.#head = await this.#askHead()
    this.#position = kept ? from : this.#head
    await this.#warnOfEvictions()
    this.#loop.accept()
  }

  /** Reports a server that may remove documents without an entry. */
  async #warnOfEvictions(): Promise<void> {
    const connection = this.#connection
    // Skips the warning for a user who may not ask.
    const info = String(await connection?.send(['INFO', 'memory']).catch(() => ''))
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction'
    if (policy === 'noeviction' || !/^maxmemory:[1-9]/m.test(info)) return
    const sentence =
      `Redis has a maxmemory and the policy ${policy}: an evicted document leaves no entry in the stream, ` +
      'so that clients keep the document. Set maxmemory-policy to noeviction, or follow notifications: ' +
      'redis(client) without a stream'
    this.#listener.error(new ParticleError('MISCONFIGURED', sentence))
  }

  async #close(reason?: unknown): Promise<void> {
    const closed = this.#loop.close(reason)
    this.#connection?.destroy()
    await closed
  }

  async #follow(): Promise<void> {
    while (!this.#loop.isClosed) {
      const found = await this.#fetch(this.#position, BATCH + 1)
      this.#loop.succeeded()
      const [, entries] = found
      if (!isWhole(found, this.#position)) await this.#lose()
      else if (entries.length > 1) await this.#tell(entries.slice(1))
      // Waits for an entry without taking it: the next fetch also proves that no earlier entry is missing.
      if (entries.length <= BATCH && !this.#loop.isClosed) {
        const wait = ['XREAD', 'COUNT', '1', 'BLOCK', String(BLOCK_MS)]
        await this.#connection?.send([...wait, 'STREAMS', this.#settings.key, this.#position])
      }
    }
  }

  async #tell(entries: readonly Entry[]): Promise<void> {
    const mappings = this.#settings.mappings()
    if (this.#tellDescribed(entries, mappings)) return
    const earlier = new Set(this.#read.keys())
    const translations: Translation[] = []
    let position = this.#position
    let next: readonly Entry[] | undefined = entries
    for (let round = 0; next; round++) {
      position = next.at(-1)?.[0] ?? position
      for (const entry of next) {
        const translation = translate(entry, mappings)
        if (translation) translations.push(translation)
      }
      const at: string | undefined = await this.#readKeys(translations)
      if (at === undefined || round === MAX_ROUNDS) break
      next = await this.#fetchUpTo(at, position)
      // Stops at a missing entry, which the next fetch detects too.
      if (!next) return
    }
    if (this.#loop.isClosed) return
    this.#report(this.#completed(translations, mappings, earlier), position)
    for (const [key, { at }] of this.#read) if (compareStreamIds(at, position) <= 0) this.#read.delete(key)
  }

  /**
   * Reports entries that all describe their changes, and leaves those of collections encoded that nobody is
   * shown. Returns false if a key must be read, or was read ahead of its entries: then their changes belong
   * together.
   */
  #tellDescribed(entries: readonly Entry[], mappings: readonly Mapping[]): boolean {
    const { encoded } = this.#listener
    if (!encoded || this.#read.size > 0) return false
    const changes: ReportedChange[] = []
    for (const entry of entries) {
      const unseen = encodedEntry(entry, mappings, encoded.isShown)
      const translation = unseen ? undefined : translate(entry, mappings)
      if (translation?.key !== undefined) return false
      const change = unseen ?? translation?.change
      if (change) changes.push(change)
    }
    this.#report(changes, entries.at(-1)?.[0] ?? this.#position)
    return true
  }

  #report(changes: readonly ReportedChange[], position: string): void {
    this.#position = position
    reportChanges(this.#listener, changes, position)
  }

  /**
   * Reads the keys of entries that only name a changed key, unless the keys were read after the entry.
   * Returns the newest entry at the time of the read, up to which all changes must be reported together,
   * because the read state never existed without them; `undefined` without keys to read.
   */
  async #readKeys(translations: readonly Translation[]): Promise<string | undefined> {
    const isUnread = ({ key, change }: Translation) =>
      key !== undefined && !(compareStreamIds(this.#read.get(key)?.at ?? '0-0', change.position) >= 0)
    const keys = [...new Set(translations.filter(isUnread).flatMap(({ key }) => key ?? []))]
    if (keys.length === 0) return undefined
    const { key, expiries } = this.#settings
    const reply = (await this.#ask(READ_AT, [key, expiries, ...keys])) as [string, ...RawDocument[]]
    const [at, ...raw] = reply
    for (const [index, name] of keys.entries()) this.#read.set(name, { at, raw: raw[index] ?? null })
    return at
  }

  /** Returns the entries after a position up to another one; `undefined` if some are missing. */
  async #fetchUpTo(end: string, position: string): Promise<Entry[] | undefined> {
    const entries: Entry[] = []
    for (let last = position; compareStreamIds(last, end) < 0; ) {
      const found = await this.#fetch(last, BATCH + 1)
      if (!isWhole(found, last)) return undefined
      const within = found[1].slice(1).filter(([id]) => compareStreamIds(id, end) <= 0)
      entries.push(...within)
      last = within.at(-1)?.[0] ?? end
    }
    return entries
  }

  /**
   * Completes changes with the read documents. Joins the changes between an entry and its read in one block.
   */
  #completed(
    translations: readonly Translation[],
    mappings: readonly Mapping[],
    earlier: ReadonlySet<string>,
  ): Change[] {
    if (this.#read.size === 0) return translations.map(({ change }) => change)
    const mappingOf = ({ collection }: Change) => mappings.find(({ name }) => name === collection)
    const keyOf = (change: DocumentChange) => mappingOf(change)?.keyOf(change.id) ?? ''
    const places = blocksOf(translations, (change) => {
      const key = keyOf(change)
      const reading = this.#read.get(key)
      return reading && { at: reading.at, earlier: earlier.has(key) }
    })
    return translations.map(({ change }, index) => {
      const { blocked, asRead } = places[index] ?? {}
      const told =
        'id' in change && asRead
          ? retold(change, mappingOf(change)?.document(change.id, this.#read.get(keyOf(change))?.raw ?? null))
          : change
      return blocked ? loosened(told, `read-${translations.at(-1)?.change.position}`) : told
    })
  }

  async #lose(): Promise<void> {
    const position = await this.#askHead()
    if (this.#loop.isClosed) return
    this.#position = position
    this.#read.clear()
    this.#listener.lost(
      'The stream has lost entries after the last position: it was trimmed, deleted or restored',
      position,
    )
  }

  async #fetch(position: string, count: number): Promise<Fetched> {
    const { key, expiries, maxLength } = this.#settings
    const args = [position, String(count), String(maxLength)]
    return (await this.#ask(FETCH, [key, expiries], args)) as Fetched
  }

  async #askHead(): Promise<string> {
    const { key, expiries, maxLength } = this.#settings
    return String(await this.#ask(HEAD, [key, expiries], [String(maxLength)]))
  }

  async #ask(script: typeof HEAD, keys: readonly string[], args: readonly string[] = []): Promise<unknown> {
    return await runScript(async (command) => await this.#connection?.send(command), script, keys, args)
  }
}

/**
 * Checks that a fetch from a position is complete: the position's own entry still exists, so that no later
 * entry was trimmed, the stream is the same, and no restart took entries back.
 */
function isWhole([deleted, entries]: Fetched, position: string): boolean {
  return entries[0]?.[0] === position && !(compareStreamIds(deleted, position) > 0)
}
